"""Fixtures of the SDK's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.marks import mark
from support.minio import minio
from unit.trainer.population import Population, population_in

__all__ = ["minio"]

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "process", below=HERE, using={"population"})


@pytest.fixture
def population(tmp_path: Path) -> Iterator[Population]:
    """One population in a folder; its trainers are ended with the test, and leave no temporary files."""
    with population_in(tmp_path) as started:
        yield started
