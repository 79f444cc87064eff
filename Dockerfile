# The operator's image: the command line and the reconcile, without torch.
ARG BASE=docker.io/library/python:3.11-slim
FROM ${BASE}
WORKDIR /app
COPY pyproject.toml README.md LICENSE ./
COPY operator operator
COPY trainer_image trainer_image
RUN python -m pip install --no-cache-dir ".[operator]" && rm -rf /app/*
USER 65532:65532
ENTRYPOINT ["pbt"]
