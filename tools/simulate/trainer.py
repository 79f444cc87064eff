"""A trainer: the SDK's protocol of birth, claim, checkpoint, report and successor, in virtual time."""

import hashlib
import math
from collections.abc import Callable
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.assignment import Assignment
from pbt_contract.errors import ExitCode, PbtError, StoreUnavailable
from pbt_contract.records import Birth, Ending, Report, Started
from pbt_contract.scores import wire_metrics
from pbt_contract.stores.s3 import S3Store
from pbt_trainer.courier.incarnation import Incarnation
from simulate.gate_wait import GateWait
from simulate.script import Script
from simulate.stored_state import contents_of, listed, state_in
from simulate.weather import Weather
from simulate.world import Process, World

PAUSE_SECONDS = 2.0
SIGKILL = 137
WAYS = (Ending.FINISHED, Ending.LEFT, "exit")
"""How a script that is done ends: it says so, it leaves its loop, or it is one that can't say anything."""

T = TypeVar("T")


class Left(Exception):
    """The process ends with this exit code."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message)
        self.code = code


class Trainer:
    """One process of one pod.

    Attributes:
        life: the incarnation that it lives now.
        lived: the member that it lived when it began its life.
        step: how far it has trained.
        code, message: how it ended.
        gates: what it knows of them.
        is_on_bad_node: its GPU fails at its first step.
        recorded_at: when it made its newest record, or began its life.
        waits_since: when it began to wait at a gate; None while it trains.
    """

    def __init__(
        self,
        world: World,
        weather: Weather,
        assignment: Assignment,
        *,
        pod: str,
        store: S3Store,
        step_seconds: float,
        on_begin: Callable[["Trainer", Birth, dict[str, Any] | None], None],
        on_step: Callable[["Trainer"], None],
        script: Script,
        ignores_gates: bool = False,
    ) -> None:
        self.pod, self.assignment = pod, assignment
        self.lived, self.step, self.recorded = assignment.member, 0, 0
        self.code, self.message, self.out_of_memory = 0, "", False
        self.life = Incarnation(
            store,
            member=assignment.member,
            incarnation=assignment.incarnation,
            pod=pod,
            nonce=pod,
            yields=assignment.shared_slots,
        )
        self._world, self._weather, self._script, self._step_seconds = world, weather, script, step_seconds
        self._on_begin, self._on_step = on_begin, on_step
        self._process: Process | None = None
        self._terminating = False
        self._on_end: Callable[[], None] = lambda: None
        self._looked = 0.0
        self.gates = GateWait(world, self.life, poll_seconds=assignment.poll_seconds, ignores=ignores_gates)
        self._may_yield, self._request = assignment.shared_slots, 1
        self.is_on_bad_node = False
        self.waits_since: float | None = None
        self.recorded_at = 0.0

    def start(self, on_end: Callable[[], None]) -> None:
        """Begins; `on_end` is called when it is over."""
        self._on_end = on_end
        self._process = self._world.spawn(self.pod, self._run)

    @property
    def alive(self) -> bool:
        """Whether it can still write anything."""
        return self._process is not None and self._process.alive

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.alive:
            self.code = SIGKILL
            self._process.kill()
            self._on_end()

    def terminate(self) -> None:
        """SIGTERM."""
        self._terminating = True
        if self._process is not None:
            self._process.wake()

    def _run(self) -> None:
        assert self._process is not None
        try:
            self._begin()
            while self.step < self.assignment.total_steps:
                self._train_to_due()
        except Left as left:
            self.code, self.message = left.code, str(left)
        except StoreUnavailable as error:
            self.code, self.message = ExitCode.STORAGE, str(error)
        except PbtError as error:
            self.code, self.message = 1, f"{type(error).__name__}: {error}"
        self._process.alive = False
        self._on_end()

    def _patiently(self, action: Callable[[], T]) -> T:
        deadline = self._world.time.now + self.assignment.store_patience_seconds
        while True:
            try:
                return action()
            except StoreUnavailable:
                if self._world.time.now > deadline:
                    raise
            self._world.sleep(PAUSE_SECONDS)

    # a life

    def _begin(self, started: Started | UnsetType = UNSET) -> None:
        self._patiently(self.life.open)
        why = "a test" if started is Started.ANEW else UNSET
        if not self._patiently(lambda: self.life.claim(started, why=why)):
            raise Left(ExitCode.UNCLAIMED)
        self._go_on()

    def _go_on(self) -> None:
        """In a life that is claimed."""
        birth = self._patiently(self.life.open)
        source = self._patiently(self.life.source)
        state = state_in(source, self.life.store, self._patiently) if source is not None else None
        if source is not None and state is None and self._patiently(self.life.successor) is not None:
            raise Left(ExitCode.UNCLAIMED)
        self._on_begin(self, birth, state)
        if source is not None and state is None:
            raise Left(1, "NotFound: the checkpoint to start from is gone")
        self._quality: float = state["quality"] if state else 0.0
        self.step = self.recorded = birth.start_step
        self._may_yield, self._request = self.assignment.shared_slots, 1
        self._birth, self.recorded_at = birth, self._world.time.now
        self.gates.seconds = 0.0
        self.gates.becomes(self.life, 0.0 if source is None else source.seconds)

    def _train_to_due(self) -> None:
        interval = self.assignment.interval_steps
        due = min((self.step // interval + 1) * interval, self.assignment.total_steps)
        pace = 4.0 if self._weather.strikes("slow interval") else 1.0
        if not self._wait_for(-(-due // interval)):
            return
        while self.step < due:
            slow = 5.0 if self._weather.strikes("slow step") else pace
            self._world.idle(self._step_seconds * slow)
            if self._terminating:
                self._leave()
            if self._take_over():
                return
            self._do_step()
            self._on_step(self)
        diverges = self._weather.strikes("diverges") or self._weather.is_scoreless
        score = math.nan if diverges else self._quality
        number = -(-self.step // interval)
        told: float | list[float] = (
            [] if self._weather.strikes("no score yet") else self._script.evaluated(score)
        )
        metrics = {self.assignment.objective: told}
        way = self._world.chance(f"done {self.step}").choice(WAYS) if self._is_done() else None
        self._commit(round_number=number, metrics=metrics, ending=way if way is Ending.FINISHED else UNSET)
        if way is Ending.LEFT:
            self._commit(round_number=None, metrics={}, ending=way)
        if way is not None:
            raise Left(ExitCode.DONE)

    def _wait_for(self, number: int) -> bool:
        """Waits until the steps of a round may be trained; whether it still lives the same life then."""
        began, waits = self._world.time.now, False
        while True:
            if self.gates.may_train(number):
                break
            self.waits_since = began
            waits = True
            self._world.idle(self.gates.pause())
            if self._terminating:
                self._leave()
            if self._take_over():
                self.waits_since = None
                return False
        self.waits_since = None
        self.gates.seconds += self._world.time.now - began if waits else 0.0
        return True

    def _is_done(self) -> bool:
        return self.step < self.assignment.total_steps and self._weather.strikes("script is done")

    def _do_step(self) -> None:
        rate, made = float(self._birth.hyperparameters["rate"]), self.step - self._birth.start_step
        fall = self._script.fall(self.life.member, rate, steps=made)
        if fall is not None:
            raise Left(fall.code, fall.message)
        if self.is_on_bad_node:
            raise Left(1, "RuntimeError: CUDA error: uncorrectable ECC error encountered")
        if self._weather.strikes("script crashes"):
            raise Left(1, "RuntimeError: a bug in the script")
        if self._weather.strikes("out of memory"):
            self.out_of_memory = True
            raise Left(SIGKILL)
        while self._weather.strikes("hangs") or self._step_seconds == math.inf:
            self._step_seconds = math.inf
            self._world.sleep(3600.0)  # deaf to SIGTERM
        self.step += 1
        noise = int(hashlib.sha256(f"{self.life.member}/{self.step}/{rate}".encode()).hexdigest()[:6], 16)
        self._quality += 1.0 - abs(rate - 0.3) + noise / 2**24

    def _commit(
        self,
        *,
        round_number: int | None,
        metrics: dict[str, float | list[float]],
        ending: Ending | UnsetType = UNSET,
    ) -> None:
        contents = contents_of({"quality": self._quality, "step": self.step})
        nonce = f"{self.pod}-{int(self._world.time.now)}"
        place = keys.checkpoint(self.life.member, self.life.number, self.step, nonce)
        for name, data in contents.items():
            self._patiently(lambda n=name, d=data: self._put(place + n, d))
        report = Report(
            member=self.life.member,
            incarnation=self.life.number,
            step=self.step,
            round=round_number,
            metrics=wire_metrics(metrics),
            hyperparameters=self._birth.hyperparameters,
            checkpoint=place,
            files=listed(contents),
            seconds=max(0.0, self._world.time.now - self.recorded_at - self.gates.seconds),
            waited=self.gates.seconds or UNSET,
            ending=ending,
        )
        self._patiently(lambda: self.life.commit(report))
        self.recorded, self.recorded_at, self.gates.seconds = self.step, self._world.time.now, 0.0
        if round_number is not None:
            self.gates.reported(round_number, report.seconds)

    def _put(self, key: str, data: bytes) -> None:
        # `create` rather than `upload`, which moves real files in real threads; the key has a nonce in either case.
        self.life.store.create(key, data)

    # its end, or the next life

    def _leave(self) -> None:
        successor = self._patiently(self.life.successor)
        if successor is None and self.step > self.recorded:
            self._commit(round_number=None, metrics={})
        raise Left(ExitCode.DONE)

    def _take_over(self) -> bool:
        """Whether it goes on in another life: in place unasked with its member's next one, else as it was asked."""
        if self._world.time.now < self._looked + self.assignment.poll_seconds:
            return False
        self._looked = self._world.time.now
        try:
            successor = self.life.successor() if self.assignment.in_place else None
        except StoreUnavailable:
            return False
        if successor is None:
            return self._may_yield and self._make_room()
        if successor.cause.resumes or successor.cause.closes:
            raise Left(ExitCode.UNCLAIMED)
        self.life = self.life.next()
        self._begin(Started.ANEW if self.life.number % 3 == 0 else Started.IN_PLACE)
        return True

    def _make_room(self) -> bool:
        """Whether it goes on in the life that it was asked for; its own member is saved where that is another one's."""
        try:
            other = self.life.yielded(self._request)
            if other is None:
                return False
            other.open()
        except StoreUnavailable:
            return False
        if other.member != self.life.member:
            self._save_before_it_yields()
        if self._terminating:
            self._leave()
        started = Started.IN_PLACE if self.assignment.in_place else Started.ANEW
        why = UNSET if self.assignment.in_place else "restart is Recreate"
        if not self._patiently(lambda: other.claim(started, why=why)):
            self._request += 1
            self._may_yield = self._request <= keys.MOST_REQUESTS
            return False
        self.life = other
        self._go_on()
        return True

    def _save_before_it_yields(self) -> None:
        if self.step > self.recorded:
            self._commit(round_number=None, metrics={})
