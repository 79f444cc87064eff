"""What several areas of the tests share."""

import signal
from collections.abc import Iterator

import pytest

from support.apiserver import ApiServer, with_populations

# A shell lets its background jobs ignore Ctrl-C, which all that the tests start would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows Populations, one for each test process: no nodes and no controllers."""
    with with_populations(tmp_path_factory.mktemp("apiserver")) as server:
        yield server
