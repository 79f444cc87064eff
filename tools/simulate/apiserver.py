"""An API server in memory, behind the kubernetes client's connection: the real `Api` runs over it.

It keeps Populations, pods and the names of Events, with optimistic concurrency, deletion by grace period and finalizer,
and owners' garbage collection. Who watches hears of each change.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec
from urllib3.exceptions import ReadTimeoutError

from pbt_operator.runners.kubernetes.pod_state import PodState, population_of, read
from pbt_operator.runners.kubernetes.run_times import rfc3339
from simulate.weather import Weather
from simulate.world import World

Body = dict[str, Any]
GRACE_SECONDS = 30  # Kubernetes' default


@dataclass
class Answer:
    """What the client's connection returns."""

    status: int
    data: bytes


class Refusal(Exception):
    """An answer that isn't 2xx."""

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.answer = Answer(status, json.dumps({"reason": reason, "message": message or reason}).encode())


class Listener(Protocol):
    """Somebody who watches."""

    def hear(self, kind: str, body: Body, *, gone: bool) -> None:
        """Something has changed."""


class ApiServer:
    """The objects of one namespace.

    Attributes:
        pods: as they are, by name.
        populations: the same.
        events: the reasons of the Events, by name.
        on_pod: called with each pod that has changed, and whether it is gone.
    """

    def __init__(self, world: World, weather: Weather) -> None:
        self.pods: dict[str, Body] = {}
        self.populations: dict[str, Body] = {}
        self.events: dict[str, Body] = {}
        self.on_pod: Callable[[Body, bool], None] = lambda *_: None
        self.watches: list[Listener] = []
        self._world, self._weather = world, weather
        self._random = world.chance("api")
        self._version = self._made = 0
        self._states: dict[str, PodState | None] = {}
        self.configuration = SimpleNamespace(host="", auth_settings=dict)
        self.rest_client = SimpleNamespace(request=self.request)

    # requests

    def request(
        self, method: str, url: str, *, headers: Any, body: Any = None, _request_timeout: Any = None
    ) -> Answer:
        """One request of the process that runs now."""
        world, weather = self._world, self._weather
        split = urlsplit(url)
        options = {name: values[0] for name, values in parse_qs(split.query).items()}
        world.sleep(weather.latency("api"))
        weather.strike_process()
        weather.hold_current(split.path)
        if weather.is_down("api"):
            raise ReadTimeoutError(None, url, "down")  # type: ignore[arg-type]
        if weather.strikes("api fails"):
            return Refusal(self._random.choice((429, 500, 503)), "Busy").answer
        world.tell(f"{method} {split.path} {options}")
        try:
            done = self._do(method, split.path.split("/"), options, body)
        except Refusal as refusal:
            world.tell(f"refused: {refusal.answer.data.decode()}")
            return refusal.answer
        weather.strike_process()
        if weather.strikes("api answer lost"):
            raise ReadTimeoutError(None, url, "lost")  # type: ignore[arg-type]
        return Answer(200, msgspec.json.encode(done))

    def _do(self, method: str, path: list[str], options: Mapping[str, str], body: Any) -> Any:
        kind, *named = path[path.index("namespaces") + 2 :]
        if kind == "events":
            return self._create_event(body)
        return (self._do_pods if kind == "pods" else self._do_populations)(method, named, options, body)

    def _do_pods(self, method: str, named: list[str], options: Mapping[str, str], body: Any) -> Any:
        match method, named:
            case "POST", []:
                return self._create_pod(body, dry="dryRun" in options)
            case "GET", []:
                uid = options["labelSelector"].partition("=")[2]
                found = [pod for pod in self.pods.values() if population_of(pod) == uid]
                return {"metadata": {}, "items": found}
            case "GET", [name]:
                if name not in self.pods:
                    raise Refusal(404, "NotFound")
                return self.pods[name]
            case "DELETE", [name]:
                grace = body.get("gracePeriodSeconds")
                return self.delete_pod(name, uid=body["preconditions"]["uid"], grace=grace)
            case "PATCH", [name]:
                return self._label(name, body["metadata"])
        raise AssertionError(f"nobody asks for {method} pods {named}")

    def _do_populations(self, method: str, named: list[str], _: Mapping[str, str], body: Any) -> Any:
        match method, named:
            case "PATCH", [name]:
                return self._patch_population(name, body["metadata"])
            case "PATCH", [name, "status"]:
                return self._patch_status(name, body["status"])
            case "DELETE", [name]:
                return self.delete_population(name, uid=body["preconditions"]["uid"])
        raise AssertionError(f"nobody asks for {method} populations {named}")

    def _create_event(self, body: Body) -> Body:
        name = body["metadata"]["name"]
        if name in self.events:
            raise Refusal(409, "AlreadyExists")
        self.events[name] = body
        return body

    # pods

    def _create_pod(self, body: Body, *, dry: bool) -> Body:
        name = body["metadata"]["name"]
        if self._weather.strikes("api quota"):
            raise Refusal(403, "Forbidden", "exceeded quota: gpus")
        if dry:
            return body
        if name in self.pods:
            raise Refusal(409, "AlreadyExists")
        owner = body["metadata"]["ownerReferences"][0]
        self._made += 1
        metadata = {**body["metadata"], "uid": f"pod-{self._made}"}
        pod = {**body, "metadata": metadata, "status": {"phase": "Pending"}}
        if all(found["metadata"]["uid"] != owner["uid"] for found in self.populations.values()):
            return pod  # its owner is gone: garbage collection takes it away at once
        if self._weather.strikes("pod goes unseen"):
            return pod  # so does somebody, before any watch shows it
        self.write_pod(pod)
        return pod

    def write_pod(self, pod: Body) -> None:
        """A pod has changed. Nothing happens if it was deleted meanwhile."""
        metadata = {**pod["metadata"], "resourceVersion": self._next()}
        pod = self.pods[metadata["name"]] = {**pod, "metadata": metadata}
        self._world.tell(f"pod {metadata['name']} {metadata.get('deletionTimestamp', '')} {pod['status']}")
        self._tell("pods", pod, gone=False)
        self.on_pod(pod, False)

    def remove_pod(self, pod: Body) -> None:
        """A pod is gone, if it is that one."""
        name = pod["metadata"]["name"]
        known = self.pods.get(name)
        if known is not None and known["metadata"]["uid"] == pod["metadata"]["uid"]:
            del self.pods[name]
            self._world.tell(f"pod {name} is gone")
            self._tell("pods", known, gone=True)
            self.on_pod(known, True)

    def pod(self, uid: str) -> Body | None:
        """One pod as it is."""
        return next((pod for pod in self.pods.values() if pod["metadata"]["uid"] == uid), None)

    def state_of(self, pod: Body) -> PodState | None:
        """What a pod's resource says; each version is read once."""
        version = pod["metadata"]["resourceVersion"]
        if version not in self._states:
            self._states[version] = read(pod)
        return self._states[version]

    def delete_pod(self, name: str, *, uid: str | None = None, grace: int | None = None) -> Body:
        """Asks for a pod's end; the kubelet carries it out."""
        pod = self.pods.get(name)
        if pod is None:
            raise Refusal(404, "NotFound")
        if uid is not None and pod["metadata"]["uid"] != uid:
            raise Refusal(409, "Conflict")
        over = pod["status"]["phase"] in {"Succeeded", "Failed"} or "nodeName" not in pod["spec"]
        if grace == 0 or over:
            self.remove_pod(pod)
        elif "deletionTimestamp" not in pod["metadata"]:
            seconds = pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS)
            stamp = rfc3339(self._world.now() + seconds)
            self.write_pod({**pod, "metadata": {**pod["metadata"], "deletionTimestamp": stamp}})
        return pod

    def _label(self, name: str, patch: Mapping[str, Any]) -> Body:
        pod = self.pods.get(name)
        if pod is None:
            raise Refusal(404, "NotFound")
        if pod["metadata"]["uid"] != patch["uid"]:
            raise Refusal(422, "Invalid", "metadata.uid: field is immutable")
        metadata = pod["metadata"]
        told = {kind: {**metadata[kind], **patch.get(kind, {})} for kind in ("labels", "annotations")}
        self.write_pod({**pod, "metadata": {**metadata, **told}})
        return pod

    # Populations

    def create_population(self, name: str, spec: Mapping[str, Any]) -> Body:
        """What `kubectl apply` does to a new one."""
        self._made += 1
        body: Body = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": f"{self._made:08x}-population",
                "generation": 1,
            },
            "spec": dict(spec),
            "status": {},
        }
        return self._write_population(body)

    def change_spec(self, name: str, **changes: Any) -> None:
        """What `kubectl patch` does, if it is there."""
        body = self.populations.get(name)
        if body is not None:
            metadata = {**body["metadata"], "generation": body["metadata"]["generation"] + 1}
            self._write_population({**body, "metadata": metadata, "spec": {**body["spec"], **changes}})

    def delete_population(self, name: str, *, uid: str | None = None) -> Body:
        """It goes once nothing holds it; its pods follow."""
        body = self.populations.get(name)
        if body is None:
            raise Refusal(404, "NotFound")
        if uid not in {None, body["metadata"]["uid"]}:
            raise Refusal(409, "Conflict")
        metadata = {**body["metadata"], "deletionTimestamp": rfc3339(self._world.now())}
        return self._write_population({**body, "metadata": metadata})

    def _patch_population(self, name: str, metadata: Body) -> Body:
        body = self.populations.get(name)
        if body is None:
            raise Refusal(404, "NotFound")
        if metadata["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict")
        return self._write_population({**body, "metadata": {**body["metadata"], **metadata}})

    def _patch_status(self, name: str, patch: Body) -> Body:
        body = self.populations.get(name)
        if body is None:
            raise Refusal(404, "NotFound")
        status = {k: v for k, v in {**body["status"], **patch}.items() if v is not None}
        return self._write_population({**body, "status": status})

    def _write_population(self, body: Body) -> Body:
        metadata = {**body["metadata"], "resourceVersion": self._next()}
        body, name = {**body, "metadata": metadata}, metadata["name"]
        gone = "deletionTimestamp" in metadata and not metadata.get("finalizers")
        if gone:
            del self.populations[name]
        else:
            self.populations[name] = body
        self._tell("populations", body, gone=gone)
        for pod in list(self.pods.values()) if gone else ():
            if pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]:
                self.delete_pod(pod["metadata"]["name"])
        return body

    def _next(self) -> str:
        self._version += 1
        return str(self._version)

    def _tell(self, kind: str, body: Body, *, gone: bool) -> None:
        for watch in self.watches:
            watch.hear(kind, body, gone=gone)
