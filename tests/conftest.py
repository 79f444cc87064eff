"""What several areas of the tests share."""

from collections.abc import Iterator

import pytest

from support.apiserver import ApiServer, with_populations


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that knows Populations, one for each test process: no nodes and no controllers."""
    with with_populations(tmp_path_factory.mktemp("apiserver")) as server:
        yield server
