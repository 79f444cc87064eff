"""A namespace for one test: what is applied there, what became of it, and the invariants when all is over."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cluster import pods
from cluster.applied import PATIENCE, Applied
from cluster.release import Release
from cluster.watch import Body, Watch
from pbt_contract.errors import NotFound
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.runners.kubernetes.pod_template import POPULATION
from support.cluster import Cluster
from support.s3server import Server
from support.trainers import DETERMINISTIC

SECRET = "s3"

TRAINERS = "trainers"
SCRIPTS = [
    DETERMINISTIC,
    *(Path(__file__).parent / "trainers").glob("*.py"),
]
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}

T = TypeVar("T")


class Space:
    """A namespace under the restricted Pod Security Standard, with the trainers' scripts and credentials.

    Attributes:
        populations, pods: what is there, and all that was.
        has_zombies: whether trainers went on after others had taken their members over. What they record then is lost,
            though the audit, which knows no times, misses it in the resume (invariant 3).
    """

    def __init__(self, cluster: Cluster, name: str, *, server: Server, release: Release) -> None:
        self.cluster, self.name, self.server, self.release = cluster, name, server, release
        self.client = server.client()
        self.applied: list[Applied] = []
        self.has_zombies = False
        cluster.kubectl(
            "apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": self._items()})
        )
        self._news = threading.Condition()
        self.populations = self._watch("populations")
        self.pods = self._watch("pods", f"--selector={POPULATION}")

    def _items(self) -> list[Body]:
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"namespace": self.name}
        credentials = {
            "AWS_ACCESS_KEY_ID": self.server.access_key,
            "AWS_SECRET_ACCESS_KEY": self.server.secret_key,
        }
        scripts = {path.name: path.read_text() for path in SCRIPTS}
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name, "labels": labels}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {**metadata, "name": SECRET},
                "stringData": credentials,
            },
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {**metadata, "name": TRAINERS},
                "data": scripts,
            },
        ]

    def _watch(self, *what: str) -> Watch:
        command = self.cluster.access.kubectl_command("get", *what, f"--namespace={self.name}")
        return Watch(command, environment=self.cluster.environment, news=self._news)

    # what a test does

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Runs kubectl in this namespace; returns all that it printed."""
        done = self.cluster.kubectl(f"--namespace={self.name}", *arguments, input=stdin, check=check)
        return done.stdout + done.stderr

    def get(self, *what: str) -> Body:
        """What `kubectl get` returns of something."""
        found: Body = json.loads(
            self.cluster.kubectl("get", *what, f"--namespace={self.name}", "--output=json").stdout
        )
        return found

    def template(
        self,
        script: str,
        *,
        gpus: int = 0,
        image: str | None = None,
        grace_seconds: int = 10,
        **environment: str,
    ) -> dict[str, Any]:
        """A pod template that runs one of the scripts.

        Args:
            script: its name.
            gpus: that each pod asks for.
            image: another than the trainers' own.
            grace_seconds: until SIGKILL; a busy machine may need more than the default for a save.
            environment: further variables.
        """
        limits = {"limits": {"nvidia.com/gpu": gpus}} if gpus else {}
        container = {
            "name": "trainer",
            "image": image or self.cluster.trainer_image,
            "command": ["python", f"/trainers/{script}"],
            "env": [
                {"name": name, "value": value}
                for name, value in {"OMP_NUM_THREADS": "1", **environment}.items()
            ],
            "resources": limits,
            "securityContext": RESTRICTED,
            "volumeMounts": [{"name": TRAINERS, "mountPath": "/trainers"}],
        }
        volumes = [{"name": TRAINERS, "configMap": {"name": TRAINERS}}]
        # Before a script's first import is over, SIGTERM doesn't end it: it is the container's first process.
        pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": grace_seconds}
        return {"spec": pod}

    def population(self, name: str, base: Mapping[str, Any], **changes: Any) -> Body:
        """A manifest like `base` that keeps its records in the cluster's bucket."""
        storage = {"credentialsSecretRef": {"name": SECRET}, **changes.pop("storage", {})}
        spec = {**base, **changes, "storage": storage}
        return {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {"name": name},
            "spec": spec,
        }

    def apply(self, manifest: Mapping[str, Any]) -> Applied:
        """Applies a Population with kubectl."""
        command = ("apply", "-f", "-", "--output=json", f"--namespace={self.name}")
        metadata = json.loads(self.cluster.kubectl(*command, input=json.dumps(manifest)).stdout)["metadata"]
        applied = Applied(self, metadata["name"], metadata["uid"])
        self.applied.append(applied)
        return applied

    def until(self, fact: Callable[[], T | None], what: str, *, seconds: float = PATIENCE) -> T:
        """Waits until `fact` returns something true, which is returned."""
        deadline = time.monotonic() + seconds
        while not (found := fact()):
            for watch in (self.populations, self.pods):
                assert watch.broken is None, watch.broken
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds:g} s: {what}\n{self.diagnosis()}"
            with self._news:
                self._news.wait(min(left, 1.0))
        return found

    def open(self, location: str) -> S3Store:
        """A location, as the status names it."""
        bucket, prefix = location.removeprefix("s3://").split("/", 1)
        return S3Store(bucket, prefix, client=self.client)

    def violations(self, store: S3Store, found: Archive) -> list[audit.Violation]:
        """What the audit finds wrong with the records of a population."""
        wrong = audit.violations(store, found)
        return [one for one in wrong if not (self.has_zombies and one.invariant == 3)]

    def diagnosis(self) -> str:
        """What a person would look at next."""
        parts = {
            "populations": self.kubectl("describe", "populations", check=False),
            "pods": self.kubectl("get", "pods", "--output=wide", check=False),
            "trainers": self.kubectl("logs", f"--selector={POPULATION}", "--prefix", "--tail=5", check=False),
            "events": self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-6000:],
            "operator": self.release.log(tail=60),
        }
        return "\n".join(f"----- {name} of {self.name}\n{text}" for name, text in parts.items())

    # the end

    def close(self) -> None:
        """Deletes everything, the Populations first, and checks the invariants of all that ran here."""
        locations = self._locations()
        try:
            self.kubectl("delete", "populations", "--all", "--wait=false")
            self.until(
                lambda: not self.populations.now and not self.pods.now,
                "populations and pods are gone",
            )
            wrong = [*self._wrong_records(locations), *self._crowds()]
        finally:
            for watch in (self.populations, self.pods):
                watch.close()
            self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")
            S3Store(self.server.bucket, f"{self.release.prefix}/{self.name}", client=self.client).purge()
            self.client.close()
        assert not wrong, wrong

    def _locations(self) -> set[str]:
        statuses = (change.body.get("status", {}) for change in self.populations.changes)
        return {status["location"] for status in statuses if "location" in status}

    def _wrong_records(self, locations: set[str]) -> Iterator[str]:
        for location in sorted(locations):
            store = self.open(location)
            try:
                found = read_archive(store, readers=8)
            except NotFound:  # purged with its Population
                continue
            yield from (f"{location}: {violation}" for violation in self.violations(store, found))

    def _crowds(self) -> Iterator[str]:
        slots: dict[str, int] = {}
        for applied in self.applied:
            slots[applied.name] = max(applied.slots, slots.get(applied.name, 0))
        for name, most in slots.items():
            yield from pods.crowds(self.pods.changes, population=name, slots=most)
