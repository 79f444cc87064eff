"""Simulated trainers: for each pod that runs they write the claim, the checkpoints and the reports of a process.

All members train in step: after round r everybody is at its step, the losers from their donors' checkpoints.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from bench.scale_s3 import Bucket
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Birth, Claim, File, Report
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER, POPULATION

INTERVAL = 100
STATE = b'{"step": 0}'
WRITERS = 8
SECONDS = 300.0

Member = tuple[str, int]
"""Population and number."""


@dataclass
class Life:
    """A pod that runs."""

    incarnation: int
    pod: str
    birth: Birth | None = None


@dataclass
class Trainers:
    """All trainers of one namespace.

    Attributes:
        lives: the newest pod of each member that runs.
        created, gone: when a pod was first seen, and when it was last seen to be deleted, by its name.
    """

    core: client.CoreV1Api
    bucket: Bucket
    namespace: str
    lives: dict[Member, Life] = field(default_factory=dict)
    created: dict[str, float] = field(default_factory=dict)
    gone: dict[Member, float] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Sees what becomes of the pods, until `close`."""
        version = None
        while not self._closing.is_set():
            try:
                seen = watch.Watch().stream(
                    self.core.list_namespaced_pod, self.namespace, timeout_seconds=5, resource_version=version
                )
                for event in seen:
                    self._see(event["type"], event["raw_object"])
                    version = event["raw_object"]["metadata"]["resourceVersion"]
            except ApiException:
                version = None

    def close(self) -> None:
        """Lets `follow` return."""
        self._closing.set()

    def _see(self, kind: str, pod: Any) -> None:
        metadata = pod["metadata"]
        labels = metadata["labels"]
        member = (labels[POPULATION], int(labels[MEMBER]))
        self.created.setdefault(metadata["name"], time.time())
        if kind == "DELETED":
            self.gone[member] = time.time()
            return
        states = pod["status"].get("containerStatuses") or [{}]
        if "running" in (states[0].get("state") or {}) and not metadata.get("deletionTimestamp"):
            known = self.lives.get(member)
            if known is None or known.incarnation < int(labels[INCARNATION]):
                self.lives[member] = Life(int(labels[INCARNATION]), metadata["uid"])

    # what they write

    def begin(self, members: Iterable[Member]) -> None:
        """Those that have a new pod read their births and claim them."""
        fresh = [member for member in members if self.lives[member].birth is None]
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(self._begin, fresh))

    def _begin(self, member: Member) -> None:
        life, base = self.lives[member], self.bases[member[0]]
        key = keys.birth(member[1], life.incarnation)
        birth = decode(Birth, self.bucket.get(base + key), key=key)
        claim = Claim(member=member[1], incarnation=life.incarnation, pod=life.pod, nonce="bench")
        self.bucket.put(base + claim.key, encode(claim))
        life.birth = birth

    def report(self, number: int, members: Sequence[Member], *, seconds: float) -> float:
        """Each reports a round, at even distances over so many seconds; returns when the last one was there."""
        began = time.time()

        def one(place: int) -> None:
            due = began + seconds * place / len(members)
            time.sleep(max(0.0, due - time.time()))
            self._report(number, members[place])

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(one, range(len(members))))
        return time.time()

    def _report(self, number: int, member: Member) -> None:
        life, base = self.lives[member], self.bases[member[0]]
        assert life.birth is not None, "it has begun"
        step = number * INTERVAL
        checkpoint = keys.checkpoint(member[1], life.incarnation, step, "bench")
        self.bucket.put(f"{base}{checkpoint}state.json", STATE)
        score = int(hashlib.sha256(json.dumps([*member, number]).encode()).hexdigest()[:8], 16) / 2**32
        report = Report(
            member=member[1],
            incarnation=life.incarnation,
            step=step,
            round=number,
            metrics={"score": number + score, "loss": 1.0 - score},
            hyperparameters=life.birth.hyperparameters,
            effective=dict(life.birth.hyperparameters),
            checkpoint=checkpoint,
            files=[File(name="state.json", size=len(STATE), sha256=hashlib.sha256(STATE).hexdigest())],
            seconds=60.0,
        )
        self.bucket.put(base + report.key, encode(report))
