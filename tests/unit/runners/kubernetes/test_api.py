"""Requests that must meet one very object, on a real API server: another may have its name by now."""

from collections.abc import Iterator

import pytest
from kubernetes import client, config

from pbt_operator.runners.kubernetes.api import Api
from support.apiserver import ApiServer

NAME, NAMESPACE = "digits-0-1", "default"
SETTLED = {"pbt.dev/settled": "true"}


@pytest.fixture
def connection(apiserver: ApiServer) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(apiserver.kubeconfig)) as found:
        yield found


def test_a_pod_that_took_the_name_of_another_is_neither_labelled_nor_deleted(connection):
    """A pass that saw the former pod may be slow, or another operator's."""
    api, core = Api(connection), client.CoreV1Api(connection)
    body = {"metadata": {"name": NAME}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    former = api.create_pod(NAMESPACE, body)["metadata"]["uid"]
    api.delete_pod(NAMESPACE, NAME, uid=former, grace_seconds=0)
    newer = api.create_pod(NAMESPACE, body)["metadata"]["uid"]
    api.label_pod(NAMESPACE, NAME, SETTLED, uid=former)
    api.delete_pod(NAMESPACE, NAME, uid=former)
    pod = core.read_namespaced_pod(NAME, NAMESPACE)
    assert pod.metadata.uid == newer
    assert not pod.metadata.labels
    assert pod.metadata.deletion_timestamp is None
    api.label_pod(NAMESPACE, NAME, SETTLED, uid=newer)
    assert core.read_namespaced_pod(NAME, NAMESPACE).metadata.labels == SETTLED
    api.delete_pod(NAMESPACE, NAME, uid=newer, grace_seconds=0)
    api.label_pod(NAMESPACE, NAME, SETTLED, uid=newer)  # it is gone, and that is no error
