# The operator's image: the command line and the reconcile, without torch. Build from the repository's root:
#   docker build -t pbt-operator .
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS wheel
RUN python -m pip install --no-cache-dir "hatchling>=1.27"
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY operator/pbt_operator operator/pbt_operator
COPY trainer_image/pbt_contract trainer_image/pbt_contract
COPY trainer_image/pbt_trainer trainer_image/pbt_trainer
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel .

FROM ${BASE}
LABEL org.opencontainers.image.title="pbt-operator" \
      org.opencontainers.image.description="Population Based Training for Kubernetes: the operator" \
      org.opencontainers.image.licenses="Apache-2.0"
# What it depends on is one layer, which changes with the lock file alone.
COPY operator/requirements.lock /tmp/requirements.lock
RUN python -m pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.lock \
 && rm /tmp/requirements.lock
COPY --from=wheel /wheel /tmp/wheel
RUN python -m pip install --no-cache-dir --no-deps --no-index /tmp/wheel/*.whl && rm -r /tmp/wheel
# kopf asks who it is; a number without a name in /etc/passwd would be no answer.
ENV PYTHONUNBUFFERED=1 \
    USER=pbt \
    HOME=/tmp
USER 65532:65532
ENTRYPOINT ["pbt"]
