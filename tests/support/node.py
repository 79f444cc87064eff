"""A node of a bare API server: it takes every pod and runs its trainer's command as a process of this machine."""

import os
import subprocess
import sys
import threading
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from pbt_operator.manifest.template import expand
from pbt_operator.runners.kubernetes.pod_state import MARK
from support.apiserver import ApiServer
from support.downward import referred

LAST_WORDS_BYTES = 2000
INHERITED = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
}

Pod = Mapping[str, Any]


def connect(server: ApiServer) -> client.ApiClient:
    """A connection as the server's administrator."""
    settings = client.Configuration(host=server.url, api_key={"BearerToken": f"Bearer {server.token}"})
    settings.ssl_ca_cert = str(server.ca)
    return client.ApiClient(settings)


@dataclass
class Node:
    """One node.

    Attributes:
        most: by population uid, the most trainers that ran at once.
        started: by population uid, how many trainers were started.
        doubled: names of pods that began while another one of the same member ran.
        places: by namespace, how many pods may run at once there; as many as there are where it says nothing.
    """

    core: client.CoreV1Api
    folder: Path
    most: Counter[str] = field(default_factory=Counter)
    started: Counter[str] = field(default_factory=Counter)
    doubled: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _running: dict[str, tuple[str, str]] = field(default_factory=dict)
    _lives: dict[str, threading.Thread] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self) -> None:
        """Does what the API server's pods ask for, until it is to leave."""
        while not self._closing.is_set():
            # Each watch begins with all that is there, so that nothing depends on having seen a change.
            with suppress(ApiException):
                for event in watch.Watch().stream(self.core.list_pod_for_all_namespaces, timeout_seconds=2):
                    if self._closing.is_set():
                        break
                    self._see(event["raw_object"])

    def leave(self) -> None:
        """Lets `follow` return."""
        self._closing.set()

    def close(self) -> None:
        """Ends every process, once nobody follows."""
        with self._lock:
            for process in self._processes.values():
                process.kill()
        for life in self._lives.values():
            life.join()

    def _see(self, pod: Pod) -> None:
        uid, deleted = pod["metadata"]["uid"], pod["metadata"].get("deletionTimestamp")
        with self._lock:
            if uid in self._running:
                self._running[uid] = _whose(pod)
        if not deleted and uid not in self._lives and pod["status"]["phase"] == "Pending":
            if not self._has_place(pod):
                self._refuse(pod)
                return
            life = self._lives[uid] = threading.Thread(
                target=self._live, args=(pod,), name=pod["metadata"]["namespace"]
            )
            life.start()
        elif deleted:
            with self._lock:
                process = self._processes.get(uid)
            if process is not None and process.poll() is None:
                process.terminate()
                killer = threading.Timer(pod["metadata"].get("deletionGracePeriodSeconds", 30), process.kill)
                killer.daemon = True
                killer.start()
            elif uid not in self._lives or not self._lives[uid].is_alive():
                self._remove(pod)

    def _has_place(self, pod: Pod) -> bool:
        namespace = pod["metadata"]["namespace"]
        taken = [life for life in self._lives.values() if life.name == namespace and life.is_alive()]
        return len(taken) < self.places.get(namespace, len(taken) + 1)

    def _refuse(self, pod: Pod) -> None:
        """Says what a scheduler says, once."""
        name, namespace, uid = (pod["metadata"][key] for key in ("name", "namespace", "uid"))
        if uid in self._refused:
            return
        self._refused.add(uid)
        told = {"reason": "Unschedulable", "message": "no place is free", "lastTransitionTime": _now()}
        body = {"status": {"conditions": [{"type": "PodScheduled", "status": "False", **told}]}}
        with suppress(ApiException):  # it was deleted in between
            self.core.patch_namespaced_pod_status(name, namespace, body)

    def _live(self, pod: Pod) -> None:
        """One pod from its binding to its end."""
        with suppress(ApiException):  # it was deleted in between
            self._bind(pod)
            folder = self.folder / pod["metadata"]["uid"]
            folder.mkdir()
            with self._counted(pod):
                code = self._run(pod, folder)
            self._end(pod, code, folder / "log")
            metadata = pod["metadata"]
            found = self.core.read_namespaced_pod(metadata["name"], metadata["namespace"])
            if found.metadata.deletion_timestamp and found.metadata.uid == metadata["uid"]:
                self._remove(pod)

    def _run(self, pod: Pod, folder: Path) -> int:
        """Runs the trainer; returns what the container's exit code would be."""
        container = next(c for c in pod["spec"]["containers"] if _is_trainer(c))
        mounts = self._mount(pod, container, folder)
        environment = dict(INHERITED)
        for variable in container.get("env", ()):
            told = referred(variable, pod)
            value = expand(variable.get("value", ""), environment) if told is None else told
            environment[variable["name"]] = next((f for m, f in mounts.items() if m == value), value)
        command = [expand(part, environment) for part in [*container["command"], *container.get("args", ())]]
        with (folder / "log").open("wb") as log, self._lock:
            if self._closing.is_set():
                return 137
            process = self._processes[pod["metadata"]["uid"]] = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        self._tell(pod, container["name"], "Running", {"running": {"startedAt": _now()}})
        code = process.wait()
        return 128 - code if code < 0 else code

    def _mount(self, pod: Pod, container: Mapping[str, Any], folder: Path) -> dict[str, str]:
        """Puts the Secrets into folders; returns those by the paths that they are mounted at."""
        volumes = {
            v["name"]: v["secret"]["secretName"] for v in pod["spec"].get("volumes", ()) if "secret" in v
        }
        found = {}
        for mount in container.get("volumeMounts", ()):
            if mount["name"] in volumes:
                place = folder / mount["name"]
                place.mkdir()
                namespace = pod["metadata"]["namespace"]
                secret = self.core.read_namespaced_secret(
                    volumes[mount["name"]], namespace, _preload_content=False
                ).json()
                for name, text in secret["data"].items():
                    (place / name).write_bytes(b64decode(text))
                found[mount["mountPath"]] = str(place)
        return found

    @contextmanager
    def _counted(self, pod: Pod) -> Iterator[None]:
        uid, who = pod["metadata"]["uid"], _whose(pod)
        with self._lock:
            if who in self._running.values():
                self.doubled.append(pod["metadata"]["name"])
            self._running[uid] = who
            self.started[who[0]] += 1
            at_once = sum(population == who[0] for population, _ in self._running.values())
            self.most[who[0]] = max(at_once, self.most[who[0]])
        yield
        with self._lock:
            del self._running[uid]

    def _bind(self, pod: Pod) -> None:
        if not pod["spec"].get("nodeName"):
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            body = {
                "metadata": {"name": name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": "here"},
            }
            self.core.create_namespaced_pod_binding(name, namespace, body, _preload_content=False)

    def _end(self, pod: Pod, code: int, log: Path) -> None:
        ended: dict[str, Any] = {"exitCode": code, "reason": "Error" if code else "Completed"}
        if code:
            ended["message"] = log.read_bytes()[-LAST_WORDS_BYTES:].decode(errors="replace")
        container = next(c for c in pod["spec"]["containers"] if _is_trainer(c))
        self._tell(pod, container["name"], "Failed" if code else "Succeeded", {"terminated": ended})

    def _tell(self, pod: Pod, container: str, phase: str, state: Mapping[str, Any]) -> None:
        told = {
            "name": container,
            "image": "-",
            "imageID": "-",
            "ready": False,
            "restartCount": 0,
            "state": state,
        }
        status = {"phase": phase, "containerStatuses": [told]}
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.core.patch_namespaced_pod_status(name, namespace, {"status": status})

    def _remove(self, pod: Pod) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        with suppress(ApiException):  # it is gone already
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            self.core.delete_namespaced_pod(name, namespace, body=options)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _whose(pod: Pod) -> tuple[str, str]:
    """The population and the member that the labels tell."""
    labels = pod["metadata"]["labels"]
    return labels.get("pbt.dev/population-uid", ""), labels.get("pbt.dev/member", "")


def _is_trainer(container: Mapping[str, Any]) -> bool:
    return any(variable["name"] == MARK for variable in container.get("env", ()))


@contextmanager
def running(server: ApiServer, folder: Path) -> Iterator[Node]:
    """A node of `server`, with the logs of its pods in `folder`."""
    node = Node(client.CoreV1Api(connect(server)), folder)
    thread = threading.Thread(target=node.follow, name="node")
    thread.start()
    try:
        yield node
    finally:
        node.leave()
        thread.join()
        node.close()
