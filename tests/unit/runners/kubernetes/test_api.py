"""Requests that must meet one very object, on a real API server: another may have its name by now."""

import socket
import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from kubernetes import client, config

from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import Interrupted, Missing, Unreachable
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
    assert api.pod(NAMESPACE, NAME)["metadata"]["uid"] == newer
    pod = core.read_namespaced_pod(NAME, NAMESPACE)
    assert pod.metadata.uid == newer
    assert not pod.metadata.labels
    assert pod.metadata.deletion_timestamp is None
    api.label_pod(NAMESPACE, NAME, SETTLED, uid=newer)
    assert core.read_namespaced_pod(NAME, NAMESPACE).metadata.labels == SETTLED
    api.delete_pod(NAMESPACE, NAME, uid=newer, grace_seconds=0)
    api.label_pod(NAMESPACE, NAME, SETTLED, uid=newer)  # it is gone, and that is no error
    with pytest.raises(Missing, match=NAME):
        api.pod(NAMESPACE, NAME)


def test_a_population_that_is_not_there_is_missing(connection):
    with pytest.raises(Missing, match="digits"):
        Api(connection).population(NAMESPACE, "digits")


def test_a_server_whose_certificate_is_not_trusted_is_no_refusal(apiserver):
    settings = client.Configuration(host=apiserver.url)
    settings.retries = 0
    with pytest.raises(Unreachable, match="can't be reached"):
        Api(client.ApiClient(settings)).population(NAMESPACE, "digits")


@pytest.mark.parametrize("rest", [b"0\r\n\r\n", b"5\r\n7"])
def test_a_log_that_breaks_off_is_told_from_one_that_ends(rest):
    def answer() -> None:
        answering, _ = listening.accept()
        with answering:
            answering.recv(65536)
            answering.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nstep \r\n" + rest)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = client.Configuration(host=f"http://127.0.0.1:{listening.getsockname()[1]}")
        log = Api(client.ApiClient(settings)).log_of(NAMESPACE, NAME, container=None, follow=True)
        server = threading.Thread(target=answer)
        server.start()
        assert next(log) == b"step "
        with nullcontext() if rest.startswith(b"0") else pytest.raises(Interrupted):
            assert list(log) == []
        server.join()
