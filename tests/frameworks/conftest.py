"""The tests of all frameworks run in a process that has loaded one (support/libraries.py), and start others of it."""

from pathlib import Path

import pytest

from support.marks import mark

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "process", below=HERE)
