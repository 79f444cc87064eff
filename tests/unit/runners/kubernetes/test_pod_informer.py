"""The watch of pods on a real API server, through cuts of the connection and with a server that forgets."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from kubernetes import client, config

from pbt_operator.runners.kubernetes import connection, pod_informer
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable, TooOld
from pbt_operator.runners.kubernetes.connection import Connection
from pbt_operator.runners.kubernetes.pod_informer import SELECTOR, PodInformer
from support import outage
from support.apiserver import ApiServer, write_kubeconfig
from support.operator_process import until
from support.outage import Way

NAMES = ("watched-a", "watched-b")


class Cluster:
    """Namespaces of an API server, a way to it that can be cut, and watches."""

    def __init__(self, server: ApiServer, way: Way, folder: Path) -> None:
        self.core, self.way = client.CoreV1Api(config.new_client_from_config(str(server.kubeconfig))), way
        cuttable = folder / "kubeconfig"
        write_kubeconfig(server, cuttable, url=f"https://127.0.0.1:{way.port}")
        self.api = Api(config.new_client_from_config(str(cuttable)))
        self._watches: list[PodInformer] = []
        self.shown: list[tuple[str, bool, frozenset[str]]] = []

    def watch(self, *namespaces: str) -> PodInformer:
        found = PodInformer(self.api, namespaces, on_shown=self._on_shown)
        self._watches.append(found)
        found.start()
        assert found.has_listed.wait(30)
        return found

    def _on_shown(self, body: Mapping[str, Any], gone: bool, populations: frozenset[str]) -> None:
        self.shown.append((body["metadata"]["uid"], gone, populations))

    def create(self, name: str, namespace: str = NAMES[0], *, population: str = "p", **labels: str) -> str:
        member = {"pbt.dev/population-uid": population, "pbt.dev/member": "0", "pbt.dev/incarnation": "1"}
        ours = {"app.kubernetes.io/managed-by": SELECTOR.split("=")[1], **member, **labels}
        body = {
            "metadata": {"name": name, "labels": ours},
            "spec": {"containers": [{"name": "x", "image": "x"}]},
        }
        return str(self.core.create_namespaced_pod(namespace, body).metadata.uid)

    def label(self, name: str, **labels: str) -> None:
        named = {f"pbt.dev/{key}": value for key, value in labels.items()}
        self.core.patch_namespaced_pod(name, NAMES[0], {"metadata": {"labels": named}})

    def delete(self, name: str, namespace: str = NAMES[0]) -> None:
        self.core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)

    def close(self) -> None:
        for watch in self._watches:
            watch.close()
        for namespace in NAMES:
            self.core.delete_collection_namespaced_pod(namespace, grace_period_seconds=0)


@pytest.fixture
def cluster(apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setattr(pod_informer, "PAUSE_SECONDS", 0.05)
    with outage.way_to(urlsplit(apiserver.url).port or 0) as way:
        found = Cluster(apiserver, way, tmp_path)
        for namespace in NAMES:
            with suppress(client.ApiException):  # it is there
                found.core.create_namespace({"metadata": {"name": namespace}})
        yield found
        found.close()


def holds(watch: PodInformer, *uids: str, population: str = "p") -> Callable[[], bool]:
    return lambda: set(watch.of(NAMES[0], population)) == set(uids)


def test_it_shows_what_is_there_what_comes_what_changes_and_what_goes(cluster: Cluster) -> None:
    first = cluster.create("first")
    watch = cluster.watch()
    assert holds(watch, first)()
    second = cluster.create("second")
    until(holds(watch, first, second))
    cluster.label("second", incarnation="7")
    until(lambda: watch.of(NAMES[0], "p")[second].pod.incarnation == 7)
    cluster.delete("first")
    until(holds(watch, second))
    assert (first, True, frozenset({"p"})) in cluster.shown


def test_a_pod_that_is_given_to_another_population_wakes_both(cluster: Cluster) -> None:
    uid = cluster.create("moved")
    watch = cluster.watch()
    cluster.label("moved", **{"population-uid": "q"})
    until(holds(watch, uid, population="q"))
    assert holds(watch)()
    assert cluster.shown[-1] == (uid, False, frozenset({"p", "q"}))


def test_pods_without_our_labels_are_never_asked_for_and_unreadable_ones_hide_nothing(
    cluster: Cluster,
) -> None:
    watch = cluster.watch()
    cluster.create("foreign", **{"app.kubernetes.io/managed-by": "somebody"})
    wrong = cluster.create("wrong", **{"pbt.dev/member": "first"})
    good = cluster.create("good")
    until(holds(watch, good))
    assert {uid for uid, _, _ in cluster.shown} == {wrong, good}
    cluster.label("wrong", member="1")
    until(holds(watch, wrong, good))


def test_only_the_namespaces_that_are_named_are_watched(cluster: Cluster) -> None:
    there, elsewhere = cluster.create("there"), cluster.create("elsewhere", NAMES[1])
    every, one, both = cluster.watch(), cluster.watch(NAMES[1]), cluster.watch(*NAMES)
    assert holds(every, there)()
    assert holds(both, there)()
    assert holds(one)()
    for watch in (every, one, both):
        assert set(watch.of(NAMES[1], "p")) == {elsewhere}


def test_after_a_cut_it_goes_on_where_it_was(cluster: Cluster) -> None:
    kept, deleted = cluster.create("kept"), cluster.create("deleted")
    watch = cluster.watch()
    assert holds(watch, kept, deleted)()
    num_shown = len(cluster.shown)
    cluster.way.cut()
    cluster.delete("deleted")
    made = cluster.create("made")
    time.sleep(0.3)  # some attempts fail
    assert holds(watch, kept, deleted)()
    cluster.way.mend()
    until(holds(watch, kept, made))
    assert all(uid != kept for uid, _, _ in cluster.shown[num_shown:])


def test_a_server_that_is_away_is_told_once_and_not_at_each_attempt(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, attempts, asked = cluster.watch(), [], cluster.api.watch_pods

    def counted(*where: Any, **how: Any) -> Any:
        attempts.append(where)
        return asked(*where, **how)

    monkeypatch.setattr(cluster.api, "watch_pods", counted)
    for _ in range(2):
        attempts.clear()
        caplog.clear()
        cluster.way.cut()
        until(lambda: len(attempts) > 5)
        told = caplog.messages
        assert 1 <= len(told) == len(set(told)) <= 2  # it broke off, and it is away
        cluster.way.mend()
        made = cluster.create("made")
        until(holds(watch, made))
        cluster.delete("made")
        until(holds(watch))


def test_what_the_server_has_forgotten_is_listed_anew(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, deleted = cluster.create("kept"), cluster.create("deleted")
    watch = cluster.watch()
    cluster.way.cut()
    cluster.delete("deleted")
    made = cluster.create("made")
    asked = cluster.api.watch_pods
    answers = iter([TooOld("too old resource version")])

    def forgetful(*where: Any, **how: Any) -> Any:
        if error := next(answers, None):
            raise error
        return asked(*where, **how)

    monkeypatch.setattr(cluster.api, "watch_pods", forgetful)
    cluster.way.mend()
    until(holds(watch, kept, made))
    assert (deleted, True, frozenset({"p"})) in cluster.shown


def test_errors_within_a_watch_are_told_apart_from_a_server_that_is_away(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server sends some of them with status 200, in place of a pod."""
    with pytest.raises(ApiUnavailable, match="resourceVersion"):
        list(cluster.api.watch_pods(None, selector=SELECTOR, version="no number"))
    cluster.way.cut()
    with pytest.raises(ApiUnavailable, match="can't be reached"):
        list(cluster.api.watch_pods(None, selector=SELECTOR, version="1"))
    status = {
        "kind": "Status",
        "code": 410,
        "reason": "Expired",
        "message": "too old resource version: 1 (2)",
    }
    line = json.dumps({"type": "ERROR", "object": status}).encode()
    monkeypatch.setattr(Connection, "lines", lambda *_: iter([line]))
    with pytest.raises(TooOld, match=r"too old resource version: 1 \(2\)"):
        list(cluster.api.watch_pods(None, selector=SELECTOR, version="1"))


def test_a_line_counts_as_soon_as_it_is_there_also_through_a_proxy_that_joins_the_chunks() -> None:
    """Such an answer has no length either: it ends with the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = client.Configuration()
        settings.host = f"http://127.0.0.1:{listening.getsockname()[1]}"
        lines = Connection(client.ApiClient(settings)).lines("/pods", {})
        asked = threading.Thread(target=lambda: got.append(next(lines)))
        got: list[bytes] = []
        asked.start()
        answering, _ = listening.accept()
        with answering:
            answering.recv(65536)
            answering.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b'{"type":')
            answering.sendall(b'"ADDED"}\n{"ty')
            asked.join(10)
            assert got == [b'{"type":"ADDED"}']
        assert list(lines) == []


def test_a_watch_that_says_nothing_is_asked_for_anew(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that nobody has closed and nobody answers on any more; a live one shows bookmarks."""
    monkeypatch.setattr(connection, "SILENT_SECONDS", 0.2)
    watch = cluster.watch()
    made = []
    for number in range(3):
        time.sleep(0.3)
        made.append(cluster.create(f"late-{number}"))
        until(holds(watch, *made))


def test_a_fault_of_its_own_does_not_end_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = cluster.watch()
    faults = iter([RuntimeError("a bug")])

    def shown(*_: Any) -> None:
        if error := next(faults, None):
            raise error

    monkeypatch.setattr(watch, "_on_shown", shown)
    made = cluster.create("made")
    until(holds(watch, made))
    other = cluster.create("other")
    until(holds(watch, made, other))
