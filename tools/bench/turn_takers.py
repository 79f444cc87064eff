"""Simulated trainers that take turns: a process claims a birth, reports, waits at gates, goes on as it is asked to."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NotFound
from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Claim, File, Report
from pbt_contract.stores import Store
from pbt_contract.yields import Yield

STATE = b'{"step": 0}'
FILES = [File(name="state.json", size=len(STATE), sha256=hashlib.sha256(STATE).hexdigest())]


@dataclass
class Process:
    """One pod's.

    Attributes:
        pod: its uid.
        birth: that it lives; None where it has none yet.
        step: that it has done.
        since: when its interval began.
        request: the number of the next one to its life.
    """

    pod: str
    birth: Birth | None = None
    step: int = 0
    since: float = 0.0
    request: int = 1


@dataclass
class TurnTakers:
    """The processes of one population.

    Attributes:
        turns: how often one went on as another member.
        lost: pods whose process found no birth to claim.
    """

    store: Store
    interval_steps: int
    interval_seconds: float
    processes: dict[str, Process] = field(default_factory=dict)
    turns: int = 0
    lost: set[str] = field(default_factory=set)
    _gate: int = 0
    _bound: int = 0

    def look(self, running: Mapping[str, Life]) -> None:
        """Does what is due.

        Args:
            running: by the uid of the pods that run, the life that each was started for.
        """
        self._learn_gates()
        for uid, life in running.items():
            process = self.processes.setdefault(uid, Process(uid))
            if process.birth is None:
                self._begin(process, life)
            else:
                self._train(process, process.birth)

    def _learn_gates(self) -> None:
        while (data := self._read(keys.gate(self._gate + 1))) is not None:
            self._gate += 1
            self._bound = decode(Gate, data, key=keys.gate(self._gate)).up_to

    def _begin(self, process: Process, life: Life) -> None:
        """Claims the birth that the pod was started for or, where that is taken, the one it is to have instead."""
        asked: Iterable[Life | None] = (life, self._yielded(life))
        taken = any(other is not None and self._claim(process, other) for other in asked)
        (self.lost.discard if taken else self.lost.add)(process.pod)

    def _train(self, process: Process, birth: Birth) -> None:
        own = birth.life
        following = Life(own.member, own.incarnation + 1)
        if self._read(keys.birth(*following)) is not None and self._claim(process, following):
            return
        number = process.step // self.interval_steps + 1
        if number <= self._bound and time.monotonic() >= process.since + self.interval_seconds:
            self._report(process, birth, number)
        other = self._yielded(own, process.request)
        if other is None:
            return
        if self._claim(process, other):
            self.turns += 1
        else:  # somebody else has it: there may be another request
            process.request += 1

    def _claim(self, process: Process, life: Life) -> bool:
        data = self._read(keys.birth(*life))
        if data is None:
            return False
        claim = Claim(
            member=life.member,
            incarnation=life.incarnation,
            pod=process.pod,
            nonce=process.pod,
            yields=True,
            requests=keys.MOST_REQUESTS,
        )
        stored = decode(Claim, self.store.create(claim.key, encode(claim)), key=claim.key)
        if stored.pod != process.pod:
            return False
        birth = decode(Birth, data, key=keys.birth(*life))
        process.birth, process.step, process.since = birth, birth.start_step, time.monotonic()
        process.request = 1
        return True

    def _report(self, process: Process, birth: Birth, number: int) -> None:
        member, incarnation = birth.life
        step = number * self.interval_steps
        checkpoint = keys.checkpoint(member, incarnation, step, "bench")
        self.store.create(f"{checkpoint}state.json", STATE)
        drawn = hashlib.sha256(json.dumps([member, number]).encode()).hexdigest()[:8]
        report = Report(
            member=member,
            incarnation=incarnation,
            step=step,
            round=number,
            metrics={"score": number + int(drawn, 16) / 2**32},
            hyperparameters=birth.hyperparameters,
            effective=dict(birth.hyperparameters),
            checkpoint=checkpoint,
            files=FILES,
            seconds=self.interval_seconds,
        )
        self.store.create(report.key, encode(report))
        process.step, process.since = step, time.monotonic()

    def _yielded(self, life: Life, number: int = 1) -> Life | None:
        key = keys.yielded(*life, number)
        data = self._read(key)
        return None if data is None else decode(Yield, data, key=key).to.life

    def _read(self, key: str) -> bytes | None:
        try:
            return self.store.read(key)
        except NotFound:
            return None
