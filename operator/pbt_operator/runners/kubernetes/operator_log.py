"""The operator's log: kopf's formats, where each line says which population it is about, libraries' lines included."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

import kopf

from pbt_operator.runners.kubernetes.api import KIND

NOISY = (
    "aiohttp.access", "boto3", "botocore", "kopf.activities", "kopf.objects", "kubernetes", "s3transfer", "urllib3",
)  # fmt: skip
_about: ContextVar[dict[str, str] | None] = ContextVar("about", default=None)


def configure(log_format: Literal["json", "text"]) -> None:
    """Logs to standard error, as JSON one object in a line, or as text for people.

    The keys are `timestamp`, `severity` and `message`, and where known `object` (kind, namespace, name) and `exc_info`.
    """
    kopf.configure(
        log_format=kopf.LogFormat.JSON if log_format == "json" else kopf.LogFormat.FULL,
        log_prefix=log_format == "text",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_name_population)
    logging.captureWarnings(capture=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def about(namespace: str, name: str) -> Iterator[None]:
    """Whatever this thread or task logs meanwhile is about that population."""
    token = _about.set({"kind": KIND, "namespace": namespace, "name": name})
    try:
        yield
    finally:
        _about.reset(token)


def _name_population(record: logging.LogRecord) -> bool:
    """Adds the population in the way that kopf's formatters read; what kopf itself says stands."""
    population = _about.get()
    if population is not None and not hasattr(record, "k8s_ref"):
        record.k8s_ref = population
    return True
