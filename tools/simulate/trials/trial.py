"""One population in virtual time in which nothing goes wrong but what is asked for, and what is measured of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.status import Result
from simulate.experiment import Experiment, _in
from simulate.spec_draw import draw_spec
from simulate.trainer import Trainer

DELAYS = {"store": 0.1, "api": 0.1, "watch": 1.0}
MOST_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Setting:
    """What is asked of a trial.

    Attributes:
        interval_seconds: of a member at pace 1.
        paces: how many times as long members take.
        pace_of: the same for an interval, by member and round; for bursts.
        away: from when to when there is no operator; seconds.
        region: what script crashes: above this value, from this step of a life on, with this probability per step.
        kills: how many processes are killed on the way.
    """

    interval_seconds: float = 60.0
    interval_steps: int = 10
    rounds: int = 40
    members: int = 8
    quorum: int = 75
    max_lead: int = 2
    paces: Sequence[float] = (1.0,) * 8
    pace_of: Callable[[int, int], float] = lambda _member, _round: 1.0
    has_gates: bool = True
    start_seconds: float = 20.0
    away: tuple[float, float] | None = None
    region: tuple[float, int, float] | None = None
    kills: int = 0
    spec: dict[str, Any] = field(default_factory=dict)


class Trial(Experiment):
    """One seed under a setting.

    Attributes:
        steps: when each step was made, by life and number.
        lead: how many rounds a ready report was ahead of the newest decided round, at most.
        wall_seconds: until it ended.
        slot_seconds: that pods held a place, all together: also those of which no record tells.
    """

    def __init__(self, seed: int | str, setting: Setting) -> None:
        self.setting = setting
        super().__init__(seed)
        self.weather._calm, self.weather._delays = True, dict(DELAYS)
        self.weather.is_scoreless = False
        self.room.most = None
        poll = max(2, min(30, int(setting.interval_seconds / 12)))
        self.config = self.config.model_copy(update={"poll_seconds": poll})
        self.kubelet._start_seconds = setting.start_seconds
        self.misfortune._deeds = []
        self.weather.clears_at = 0.0
        self.steps: dict[tuple[Life, int], float] = {}
        self.lead, self.wall_seconds, self.slot_seconds = 0, 0.0, 0.0
        self._watch_places()
        self._ignores_gates = not setting.has_gates
        script = self.script
        script.is_mistaken, script.mistaken, script.crashes_above = False, None, None
        if setting.region is not None:
            script.crashes_above, script.after_steps, script.chance = setting.region

    def _spec(self) -> dict[str, Any]:
        s, drawn = self.setting, draw_spec(self.world.chance("spec"))
        schedule = {
            "totalSteps": s.rounds * s.interval_steps,
            "intervalSteps": s.interval_steps,
            "quorumPercent": s.quorum,
            "maxLead": s.max_lead,
            "stragglerTimeoutSeconds": 600,
            "progressDeadlineSeconds": 86400,
        }
        return {
            "members": s.members,
            "parallelism": s.members,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": schedule,
            "strategy": "Explicit",
            "exploit": {"truncation": {"percent": 25}},
            "hyperparameters": [{"name": "rate", "uniform": {"min": 0.0, "max": 1.0}}],
            "retention": {"checkpointsPerMember": 2, "onDelete": "Retain"},
            "restart": "Recreate",
            "seed": drawn["seed"],
            "backoffLimit": 6,
            "storage": {},
            "template": drawn["template"],
            **s.spec,
        }

    def _watch_places(self) -> None:
        take, give_back, since = self.room.take, self.room.give_back, dict[str, float]()

        def taken(uid: str) -> bool:
            has_place = take(uid)
            if has_place:
                since.setdefault(uid, self.world.time.now)
            return has_place

        def given_back(uid: str) -> None:
            self.slot_seconds += self.world.time.now - since.pop(uid, self.world.time.now)
            give_back(uid)

        self.room.take, self.room.give_back = taken, given_back  # type: ignore[method-assign]

    def _trainer(self, assignment: Any, pod: str) -> Trainer:
        trainer = super()._trainer(assignment, pod)
        setting, step = self.setting, self.setting.interval_seconds / self.setting.interval_steps
        trainer.gates.ignores = not setting.has_gates
        trainer._on_step = lambda one: self._on_step(one, step)
        trainer._step_seconds = self._seconds(trainer.life.member, 1, step)
        begun = trainer._on_begin

        def on_begin(one: Trainer, birth: Birth, state: Any) -> None:
            begun(one, birth, state)
            number = birth.start_step // setting.interval_steps + 1
            one._step_seconds = self._seconds(birth.member, number, step)

        trainer._on_begin = on_begin
        return trainer

    def _seconds(self, member: int, number: int, step: float) -> float:
        paces = self.setting.paces
        return step * paces[member % len(paces)] * self.setting.pace_of(member, number)

    def _on_step(self, trainer: Trainer, step: float) -> None:
        self.laws.on_step(trainer)
        life = Life(trainer.life.member, trainer.life.number)
        self.steps[life, trainer.step] = self.world.time.now
        following = trainer.step // self.setting.interval_steps + 1
        trainer._step_seconds = self._seconds(life.member, following, step)

    def measure(self) -> Result:
        """Runs to the end.

        Raises:
            AssertionError: a law was broken, or it didn't end.
        """
        facts = self.laws.facts
        written = self.bucket.on_write

        def on_write(key: str, data: bytes, before: bytes | None) -> None:
            written(key, data, before)
            name = key.removeprefix(facts.base)
            if name.startswith("reports/"):
                self.lead = max(self.lead, int(name.split("/")[1]) - facts.decided)
            if name.startswith("results/"):
                self.wall_seconds = self.world.time.now

        self.bucket.on_write = on_write
        with _in(self):
            self.start_operator()
            self.world.spawn("plan", self._plan)
            while not facts.results or not self.has_ended:
                assert self.world.time.now < MOST_SECONDS, "it hasn't ended"
                assert not self.world.wrong, self.world.wrong
                self.world.time.advance()
            self.world.close()
        return facts.results[max(facts.results)]

    def _plan(self) -> None:
        """The operator goes and comes back, and processes are killed."""
        if self.setting.away is not None:
            begin, end = self.setting.away
            self.world.sleep(begin)
            for operator in self.operators:
                operator.kill()
            self.world.sleep(end - begin)
            self.start_operator()
        chance = self.world.chance("kills")
        for number in range(self.setting.kills):  # in turn: who crashes again and again goes to a donor
            self.world.sleep(chance.uniform(0.8, 1.4) * self.setting.interval_seconds)
            for placed in self.kubelet.running:
                trainer = placed.trainer
                if trainer is not None and trainer.life.member == number % self.setting.members:
                    trainer.kill()

    # what is measured

    @property
    def vain(self) -> int:
        """How many waits were in vain."""
        return sum(len(trainer.gates.in_vain) for trainer in self.laws.facts.trainers.values())

    def living_steps(self, begin: float, end: float) -> int:
        """The steps made in a span of time that lie in the lineage of a member at the end."""
        return sum(begin <= self.steps.get(step, -1.0) < end for step in set(self._living()))

    def _living(self) -> Iterator[tuple[Life, int]]:
        facts = self.laws.facts
        for member in range(self.setting.members):
            newest: Report | None = max(facts.line_records(member), key=lambda one: one.step, default=None)
            life, until = (newest.life, newest.step) if newest is not None else (None, 0)
            while life is not None:
                birth = facts.births[life]
                yield from ((life, step) for step in range(birth.start_step + 1, until + 1))
                until = birth.start_step
                life = birth.source.life if birth.source is not None else None

    def decisions(self) -> list[Any]:
        """What was decided, without the names of lives and checkpoints."""
        return [
            (
                decided.number,
                [(one.member, one.score, dict(one.hyperparameters)) for one in decided.entries],
                [(one.member, one.cause, dict(one.hyperparameters)) for one in decided.decisions],
            )
            for decided in sorted(self.laws.facts.rounds.values(), key=lambda one: one.number)
        ]

    def failed(self) -> int:
        """How many slots are failed at the end."""
        births = [self.laws.facts.newest_birth(member) for member in range(self.setting.members)]
        return sum(birth is not None and birth.cause is Cause.FAILED for birth in births)

    def reverted_wrongly(self) -> tuple[int, int]:
        """Births that blamed values outside of the region, of all that were blamed; and how many births explored."""
        births, region = self.laws.facts.births, self.setting.region
        assert region is not None
        wrong = 0
        for birth in births.values():
            if birth.cause is Cause.REPLACE:
                before = births[Life(birth.member, birth.incarnation - 1)]
                wrong += float(before.hyperparameters["rate"]) <= region[0]
        explored = sum(birth.cause in {Cause.INITIAL, Cause.EXPLOIT} for birth in births.values())
        return wrong, explored
