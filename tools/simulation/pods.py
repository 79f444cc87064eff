"""Simulated pods: each follows the trainer's real protocol over the store, in virtual time."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import ClassVar

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Ending, File, Report, Started
from pbt_contract.scores import wire_metrics
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.spec import Restart, Spec
from pbt_trainer.courier.incarnation import Incarnation
from simulation.clock import Happening, VirtualTime
from simulation.memory_store import MemoryStore
from simulation.trainable import State, Trainable, TrainerCrashed
from simulation.waiting import Waiting

STATE = "state.json"
UNBOUNDED = 10**6  # places


@dataclass(frozen=True, slots=True)
class Durations:
    """How long things take, in virtual seconds: a step by its member; a start takes longer for members in `late`."""

    start: float = 0.0
    late: Mapping[int, float] = field(default_factory=dict)
    stop: float = 0.0
    poll: float = 1.0
    step: Callable[[int], float] = lambda _member: 1.0


class SimulatedPods:
    """The pods of one simulated population.

    Attributes:
        anew: what keeps a running loop from continuing with a birth; None where nothing does.
        ignores_gates: whether the trainer of a member trains on without waiting.
    """

    def __init__(
        self, *, time: VirtualTime, store: MemoryStore, spec: Spec, trainable: Trainable, durations: Durations
    ) -> None:
        self.time, self.store, self.spec = time, store, spec
        self.trainable, self.durations, self.num_started = trainable, durations, 0
        self.anew: Callable[[Birth], str | None] = lambda _birth: None
        self.ignores_gates: Callable[[int], bool] = lambda _member: False
        self._trainers: dict[str, SimulatedTrainer] = {}
        self._places = UNBOUNDED

    def observe(self) -> Sequence[Pod]:
        """See `Pods.observe`."""
        return [trainer.shown for trainer in self._trainers.values()]

    def look_again(self) -> Sequence[Pod]:
        """See `Pods.look_again`."""
        return self.observe()

    def start(self, birth: Birth) -> None:
        """See `Pods.start`."""
        name = keys.life(birth.member, birth.incarnation)
        there = self._trainers.values()
        if any(one.pod.life == birth.life and not one.pod.ended for one in there):
            return
        self.num_started += 1
        pod = Pod.pending(birth, uid=f"pod-{self.num_started}")
        if name in self._trainers and not self._trainers[name].pod.ended:  # it is another member's by now
            pod = replace(pod, name=f"{name}-{self.num_started}")
        self._trainers[pod.name] = SimulatedTrainer(pod, self)
        self.place()

    def place(self) -> None:
        """Gives places to those that have waited longest, as far as there are any."""
        there = [trainer for trainer in self._trainers.values() if not trainer.pod.ended]
        placed = sum(trainer.placed_at is not None for trainer in there)
        for trainer in [one for one in there if one.placed_at is None][: max(0, self._places - placed)]:
            trainer.take_place()

    @property
    def places(self) -> int:
        """How many pods there is room for at once."""
        return self._places

    @places.setter
    def places(self, places: int) -> None:
        self._places = places
        self.place()

    @property
    def refused_for(self) -> None:
        """See `Pods.refused_for`: none is refused here."""
        return None

    def readdress(self, pod: Pod, birth: Birth) -> None:
        """See `Pods.readdress`."""
        trainer = self._trainers[pod.name]
        trainer.pod = replace(trainer.pod, member=birth.member, incarnation=birth.incarnation)
        trainer.life = trainer.incarnation(birth.incarnation)

    def relabel(self, pod: Pod, *, member: int, incarnation: int) -> None:
        """See `Pods.relabel`."""
        trainer = self._trainers[pod.name]
        trainer.pod = replace(trainer.pod, member=member, incarnation=incarnation)

    def stop(self, pod: Pod) -> None:
        """See `Pods.stop`."""
        self._trainers[pod.name].terminate()

    def forget(self, pod: Pod) -> None:
        """See `Pods.forget`."""
        del self._trainers[pod.name]

    def kill(self) -> None:
        """All trainers vanish at once, as when the machine loses power."""
        for trainer in self._trainers.values():
            trainer.kill()
        self._trainers.clear()


@dataclass
class SimulatedTrainer:
    """One trainer process. It trains in stretches that end at a due step, and catches up when it is interrupted."""

    pod: Pod
    world: SimulatedPods
    step: int = 0
    state: State = field(default_factory=dict)
    next: Happening | None = None
    stretch_began: float = 0.0
    recorded: tuple[int, float] = (0, 0.0)  # step and time of the newest record
    ranks: ClassVar[int] = 1
    yields: ClassVar[bool] = True
    made_at: float = 0.0
    placed_at: float | None = None
    _has_trained: bool = False
    _request: int = 1  # the number of the next one; somebody else was faster where it was asked before

    def __post_init__(self) -> None:
        self.life, self.waiting = self.incarnation(self.pod.incarnation), Waiting(self.world.store)
        self.made_at = self.world.time.now

    def take_place(self) -> None:
        """There is room for it: it starts."""
        self.placed_at = self.world.time.now
        durations = self.world.durations
        seconds = durations.start + durations.late.get(self.pod.member, 0.0)
        self.next = self.world.time.after(seconds, self._begin)

    @property
    def shown(self) -> Pod:
        """The pod as it is seen now."""
        now = self.world.time.now
        if self.placed_at is None:
            return replace(self.pod, unplaced_for=now - self.made_at)
        return replace(self.pod, placed_for=now - self.placed_at)

    def incarnation(self, number: int) -> Incarnation:
        return Incarnation(
            self.world.store,
            member=self.pod.member,
            incarnation=number,
            pod=self.pod.uid,
            nonce=self.pod.uid,
            ranks=self.ranks,
            yields=self.yields and self.ranks == 1,
        )

    @property
    def member(self) -> int:
        """Whose life it lives; the pod's labels may say so only later."""
        return self.life.member

    def _begin(self) -> None:
        self.birth = self.life.open()
        if not self._claim():
            self._end(ExitCode.UNCLAIMED)
            return
        self._go_on()

    def _claim(self) -> bool:
        if not self._has_trained:
            return self.life.claim()
        why = self._anew()
        return self.life.claim(Started.IN_PLACE) if why is None else self.life.claim(Started.ANEW, why=why)

    def _anew(self) -> str | None:
        if self.world.spec.restart is Restart.RECREATE:
            return "restart is Recreate"
        return self.world.anew(self.birth)

    def _go_on(self) -> None:
        """In a life that is claimed."""
        self._request, self._has_trained = 1, True
        self._restore()
        self.pod = replace(self.pod, phase=Phase.RUNNING)
        self._stretch()
        # Where there is room for everybody nobody is asked: looking would only take the simulation's time.
        if self.world.spec.restart is Restart.IN_PLACE or self.world.places < UNBOUNDED:
            self.world.time.after(self.world.durations.poll, self._look_for_successor)

    def _restore(self) -> None:
        source = self.life.source()
        self.step = self.birth.start_step
        self.waiting.reset()
        self.recorded = (self.step, self.world.time.now)
        if source is None:
            self.state = self.world.trainable.build(self.birth.hyperparameters, self._rng("build"))
        else:
            self.state = json.loads(self.world.store.read(source.checkpoint + STATE))

    def _rng(self, purpose: str) -> Random:
        """Random state as the SDK keeps it: a resume goes on with it, an exploit reseeds."""
        return Random(f"{self.world.spec.seed}/{self.member}/{self.step}/{purpose}")

    def _due(self) -> int:
        interval = self.world.spec.schedule.interval_steps
        return min((self.step // interval + 1) * interval, self.world.spec.schedule.total_steps)

    def _stretch(self) -> None:
        now, due = self.world.time.now, self._due()
        number = -(-due // self.world.spec.schedule.interval_steps)
        is_open = self.world.ignores_gates(self.member) or self.waiting.look(number)
        # Births are written before gates: a loser that waits goes on only in its next life.
        if not is_open or (self.waiting.since is not None and self.life.successor() is not None):
            self.waiting.begin(now)
            self.next = self.world.time.after(self.world.durations.poll, self._stretch)
            return
        self.waiting.end(now)
        self.stretch_began = now
        self.next = self.world.time.after(
            (due - self.step) * self.world.durations.step(self.member), self._report
        )

    def _train(self, until: int) -> None:
        while self.step < until:
            self.step += 1
            self.world.trainable.train(self.state, self.birth.hyperparameters, self.step, self._rng("train"))

    def _report(self) -> None:
        try:
            fate = getattr(self.world.trainable, "fate", lambda *_: None)(self.member, self._due())
            if fate is not None:
                raise fate
            self._train(self._due())
        except TrainerCrashed as crash:
            self.pod = replace(self.pod, message=str(crash))
            self._end(crash.code)
            return
        metric = self.world.trainable.evaluate(self.state, self.birth.hyperparameters, self._rng("evaluate"))
        interval = self.world.spec.schedule.interval_steps
        leaves = getattr(self.world.trainable, "leaves", lambda *_: None)(self.member, self.step)
        said = leaves.ending if leaves is not None else None
        self._commit(
            round_number=-(-self.step // interval),
            metrics={self.world.spec.objective.metric: metric},
            ending=said if said is Ending.FINISHED else None,
        )
        if said is Ending.LEFT:
            self._commit(round_number=None, metrics={}, ending=said)
        if leaves is not None or self.step >= self.world.spec.schedule.total_steps:
            self._end(leaves.code if leaves is not None else ExitCode.DONE)
        else:
            self._stretch()

    def _commit(
        self,
        *,
        round_number: int | None,
        metrics: dict[str, float | list[float]],
        ending: Ending | None = None,
    ) -> None:
        data = json.dumps(self.state).encode()
        checkpoint = keys.checkpoint(self.member, self.life.number, self.step, self.pod.uid)
        self.world.store.put(checkpoint + STATE, data)
        self.life.commit(
            Report(
                member=self.member,
                incarnation=self.life.number,
                step=self.step,
                round=round_number,
                metrics=wire_metrics(metrics),
                hyperparameters=self.birth.hyperparameters,
                checkpoint=checkpoint,
                files=[File(name=STATE, size=len(data), sha256=hashlib.sha256(data).hexdigest())],
                seconds=self.world.time.now - self.recorded[1] - self.waiting.seconds,
                waited=self.waiting.seconds or UNSET,
                ending=UNSET if ending is None else ending,
            )
        )
        self.recorded = (self.step, self.world.time.now)
        self.waiting.reset()

    # successors

    def _look_for_successor(self) -> None:
        if self.pod.ended:
            return
        is_in_place = self.world.spec.restart is Restart.IN_PLACE
        successor = self.life.successor() if is_in_place else None
        looks = successor is None and self.yields and self.ranks == 1 and self._request <= keys.MOST_REQUESTS
        other = self.life.yielded(self._request) if looks else None
        if other is not None:
            self._make_room(other)
        elif successor is None:
            self.world.time.after(self.world.durations.poll, self._look_for_successor)
        elif successor.cause.resumes or successor.cause.closes:
            self._end(ExitCode.UNCLAIMED)
        else:
            assert self.next is not None
            self.next.cancelled = True
            self.life = self.life.next()
            self._begin()

    def _make_room(self, other: Incarnation) -> None:
        """Saves the member and goes on as another one; if somebody else has that one already, as the same.

        Nothing of a life is saved that another one of its member follows.
        """
        assert self.next is not None
        self.next.cancelled = True
        if other.member != self.member:
            self._save()
        why = self._anew()
        if other.claim(Started.IN_PLACE) if why is None else other.claim(Started.ANEW, why=why):
            self.life, self.birth = other, other.open()
            self._go_on()
        else:
            self._request += 1
            self._stretch()
            self._look_for_successor()

    def _save(self) -> None:
        """What it has trained since its newest record; nothing while it waits."""
        if self.waiting.since is not None:
            return
        elapsed = self.world.time.now - self.stretch_began
        steps = int(elapsed / self.world.durations.step(self.member))
        self._train(min(self.step + steps, self._due() - 1))
        if self.step > self.recorded[0]:
            self._commit(round_number=None, metrics={})

    def terminate(self) -> None:
        """SIGTERM: leaves unsaved if there is a successor, saves at the step boundary otherwise."""
        if self.pod.ended or self.pod.stopping:
            return
        self.pod = replace(self.pod, stopping=True)
        if self.next is None:  # it has never had a place
            self._end(ExitCode.DONE)
            return
        self.next.cancelled = True
        if self.pod.phase is Phase.RUNNING and self.life.successor() is None:
            self._save()
        self.next = self.world.time.after(self.world.durations.stop, lambda: self._end(ExitCode.DONE))

    def kill(self) -> None:
        """SIGKILL."""
        if self.next is not None:
            self.next.cancelled = True
        self._end(137)

    def _end(self, code: int) -> None:
        if self.next is not None:
            self.next.cancelled = True
        self.pod = replace(self.pod, phase=Phase.ENDED, exit_code=code)
        self.placed_at = None
        self.world.place()
