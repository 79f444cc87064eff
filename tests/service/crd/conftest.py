"""Requests of this process to the API server; its other way in is kubectl."""

from collections.abc import Iterator

import pytest
from kubernetes import config

from service.crd.client import Populations
from support.apiserver import ApiServer


@pytest.fixture(scope="session")
def populations(apiserver: ApiServer) -> Iterator[Populations]:
    """Its Populations."""
    with config.new_client_from_config(str(apiserver.kubeconfig)) as client:
        yield Populations(client)
