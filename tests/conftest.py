"""What several areas of the tests share, and the marks that follow from fixtures."""

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support.apiserver import ApiServer, with_populations
from support.marks import guarded, mark

# A shell lets its background jobs ignore Ctrl-C, which all that the tests start would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
SERVERS = {"apiserver", "minio", "versitygw", "secured", "world"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "server", below=HERE, using=SERVERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with guarded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with guarded(item):
        return (yield)


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows Populations, one for each test process: no nodes and no controllers."""
    with with_populations(tmp_path_factory.mktemp("apiserver")) as server:
        yield server
