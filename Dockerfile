# The operator's image: the command line and the reconcile, without torch. Build from the repository's root:
#   docker build -t pbt-operator .
# What comes from PyPI is pinned by hash (operator/*.lock). To pin the base as well, take the digest that your registry shows,
#   docker buildx imagetools inspect docker.io/library/python:3.11-slim --format '{{.Manifest.Digest}}'
# (or `crane digest`, `skopeo inspect`), and build with
#   docker build -t pbt-operator --build-arg BASE=docker.io/library/python:3.11-slim@sha256:... .
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
COPY operator/build.lock operator/requirements.lock ./
# An environment of its own, without pip: the base's pip fills it. What it depends on is one layer, which changes with the
# lock files alone. The build system lies in a folder, for a distribution's own packages can't be replaced. Of botocore's services it uses S3 and those that hand out identities; of the Kubernetes client the part
# that blocks. Bytecode stays: the operator starts on a read-only file system, where it would be compiled at each start.
RUN python -m venv --without-pip /opt/pbt \
 && python -m pip install --no-cache-dir --target /build --require-hashes --requirement build.lock \
 && python -m pip --python /opt/pbt/bin/python install --no-cache-dir --require-hashes --requirement requirements.lock \
 && cd /opt/pbt/lib/python3*/site-packages \
 && find . -type d -name tests -prune -exec rm -r {} + \
 && rm -r kubernetes/aio \
 && cd botocore/data \
 && find . -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name 'sso*' ! -name sts ! -name signin -exec rm -r {} +
COPY pyproject.toml README.md LICENSE ./
COPY operator/pbt_operator operator/pbt_operator
COPY trainer_image/pbt_contract trainer_image/pbt_contract
COPY trainer_image/pbt_trainer trainer_image/pbt_trainer
RUN PYTHONPATH=/build python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python -m pip --python /opt/pbt/bin/python install --no-cache-dir --no-deps --no-index /wheel/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="pbt-operator" \
      org.opencontainers.image.description="Population Based Training for Kubernetes: the operator" \
      org.opencontainers.image.licenses="Apache-2.0"
# Nothing is installed here any more.
RUN python -m pip uninstall --yes pip setuptools wheel && rm -rf /usr/local/lib/python3*/ensurepip
COPY --from=build /opt/pbt /opt/pbt
# kopf asks who it is; a number without a name in /etc/passwd would be no answer.
ENV PATH=/opt/pbt/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    USER=pbt \
    HOME=/tmp
USER 65532:65532
ENTRYPOINT ["pbt"]
