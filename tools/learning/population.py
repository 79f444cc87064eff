"""Trains a population in one loop, fast: the core decides as it does for an operator, with a quorum of 100 percent.

There is no store, pod or clock. All that decides is the core's: `initial`, `Spec.view`, `choose`, the horizon. A test
holds that it equals the real reconcile. The same seed gives the same first values, states and noise whatever decides,
so that arms can be compared in pairs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from learning.task import Task, Values
from pbt_contract.records import Source
from pbt_operator.core.exploit import choose
from pbt_operator.core.explore import initial
from pbt_operator.core.quorum import planned_due
from pbt_operator.core.replay import replay_faults
from pbt_operator.core.round_record import Decision, Entry, Recorded, Round, Standing, Turn
from pbt_operator.core.rules import ExploreRule, Perturb, RoundView
from pbt_operator.core.search import Objective, Schedule
from pbt_operator.core.spec import Exploit, Spec
from pbt_operator.core.sub_populations import SubPopulation, merged, planned, settled_in

METRIC = "score"
AUDITED = 10
Decide = Callable[[RoundView, Spec], Sequence[Decision]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a population has come to.

    Attributes:
        score: the true score of the member that is named as best at the end, by a fresh evaluation.
        observed: the score by which it was named, NaN where nobody had a finite one.
        replaced: how many members were replaced, all rounds together.
        steps: that all members trained.
        curve: the best observed score of each round.
    """

    score: float
    observed: float
    replaced: int
    steps: int
    curve: tuple[float, ...]


class Kept(NamedTuple):
    """A member's newest finite report, to go back to, and the state of its checkpoint."""

    standing: Standing
    state: Any


@dataclass(slots=True)
class Member:
    """One member between two intervals."""

    values: Values
    state: Any
    step: int = 0
    incarnation: int = 1
    kept: Kept | None = None


def spec_of(
    task: Task,
    members: int,
    *,
    exploit: Exploit = Exploit(),  # noqa: B008 - frozen
    explore: ExploreRule | None = None,
    first: Sequence[Values] = (),
    parts: Sequence[SubPopulation] = (),
) -> Spec:
    """A population's spec for a task.

    Args:
        task: what is trained.
        members: how many.
        exploit: the core's.
        explore: the core's; its default where None.
        first: what members begin with, where not with what the task says.
        parts: the sub-populations, if there are any.
    """
    return Spec(
        members=members,
        objective=Objective(METRIC),
        schedule=Schedule(
            total_steps=task.total_steps, interval_steps=task.interval_steps, quorum_percent=100
        ),
        hyperparameters=task.space,
        exploit=exploit,
        explore=explore or Perturb(),
        initial=tuple(first),
        sub_populations=tuple(parts),
    )


def seeded(task: Task, spec: Spec, seed: int) -> Spec:
    """The spec with a seed, and with the first values that the task asks for under it."""
    asked = [task.initial(m, generator(seed, m, 0, "initial")) for m in range(spec.members)]
    first = [spec.initial[m] if m < len(spec.initial) else asked[m] for m in range(spec.members)]
    return replace(spec, seed=seed, initial=tuple(first))


def first_values(task: Task, members: int, seed: int) -> list[Values]:
    """What the members begin with under a seed: the same for every arm, and for the peers."""
    spec = seeded(task, spec_of(task, members), seed)
    return [initial(spec, member=m) for m in range(members)]


def generator(seed: int, member: int, step: int, purpose: str) -> Random:
    """What a member draws from: `build` at step 0, `train` and `evaluate` at the step that its interval ends at."""
    return Random(f"{seed}/{member}/{step}/{purpose}")


def run(task: Task, spec: Spec, seed: int, *, decide: Decide | None = None) -> Outcome:
    """Trains all members to the end.

    Args:
        task: what is trained, in whatever form.
        spec: by `spec_of`.
        seed: of everything that is drawn.
        decide: in place of the core's `choose`; it is asked where the schedule lets a round decide.

    Raises:
        RuntimeError: a round doesn't follow from its scores as `pbt audit` replays it; every tenth seed is audited.
    """
    population = Population(task, seeded(task, spec, seed), decide)
    outcome = population.run()
    faults = population.faults() if decide is None and seed % AUDITED == 0 else []
    if faults:
        raise RuntimeError(f"{task.name}, {spec.members} members, seed {seed}: {'; '.join(faults)}")
    return outcome


class Population:
    """A population while it is trained.

    Attributes:
        rounds: those that were compared, as their records would say it.
    """

    def __init__(self, task: Task, spec: Spec, decide: Decide | None = None) -> None:
        """Members with their first values and states. `spec` has its seed: see `seeded`."""
        self.task, self.spec, self.decide = task, spec, decide
        self.members = [Member(initial(spec, member=m), self._built(m)) for m in range(spec.members)]
        self.rounds: list[Round] = []
        self.unused = Random(0)
        self.steps = self.replaced = 0

    def run(self) -> Outcome:
        """Trains all members to the end."""
        curve, best = [], None
        for number in range(1, self.spec.schedule.last_round + 1):
            entries = [self._trained(m, number) for m in range(self.spec.members)]
            self._follow(self._decided(number, entries))
            best = _best(entries, self.spec.objective)
            curve.append(best.score if best else math.nan)
            for m in range(self.spec.members):
                self._catch_up(m, number)
        return Outcome(
            score=self._true_score(best),
            observed=curve[-1],
            replaced=self.replaced,
            steps=self.steps,
            curve=tuple(curve),
        )

    def faults(self) -> list[str]:
        """What a replay of the rounds finds wrong."""
        known = {decided.number: decided for decided in self.rounds}
        return [
            f"round {number}: {fault}"
            for number, decided in known.items()
            for fault in replay_faults(decided, spec=self.spec, rounds=known)
        ]

    def _trained(self, m: int, number: int) -> Entry:
        """Trains a member for the interval that ends with a round, and reports it."""
        task, member, stop = self.task, self.members[m], self.spec.schedule.step_of(number)
        task.advance(member.state, member.values, member.step, stop, self._rng(m, stop, "train"))
        self.steps += stop - member.step
        member.step = stop
        evaluations = task.evaluate(member.state, member.values, self._rng(m, stop, "evaluate"))
        score = finite_mean(evaluations)
        key = f"{m}-{member.incarnation}/{stop}"
        common = {
            "member": m,
            "incarnation": member.incarnation,
            "score": score,
            "source": Source(member=m, incarnation=member.incarnation, step=stop, checkpoint=key, record=key),
            "hyperparameters": member.values,
        }
        if score is None:
            return Entry(**common, ancestor=member.kept.standing if member.kept else None)
        member.kept = Kept(Standing(**common, step=stop), task.copy(member.state))
        return Entry(**common, values=evaluations)

    def _decided(self, number: int, entries: list[Entry]) -> Sequence[Decision]:
        """What is decided about a round, which goes on record."""
        due = planned_due(self.rounds[-1] if self.rounds else None, self.spec)
        turns = self._turns(number)
        entries = [_placed(entry, turns) for entry in entries]
        view = self.spec.view(number, entries, self.rounds, due=due)
        recorded: Recorded | UnsetType = UNSET
        if self.decide is None:
            decisions, recorded = choose(view, spec=self.spec, turns=turns)
        else:
            decisions = list(self.decide(view, self.spec)) if self.spec.schedule.decides(number) else []
        step = self.spec.schedule.step_of(number)
        self.rounds.append(
            Round(
                number=number,
                step=step,
                spec=1,
                entries=entries,
                decisions=decisions,
                due=due,
                recorded=recorded,
                sub_populations=turns,
            )
        )
        return decisions

    def _turns(self, number: int) -> list[Turn] | UnsetType:
        """How the sub-populations stand in a round: nobody is missing, so what is due decides."""
        spec = self.spec
        if not spec.sub_populations:
            return UNSET
        turns = planned(self.rounds[-1] if self.rounds else None, spec.sub_populations, spec.schedule)
        born = [m % len(turns) for m in range(spec.members)]
        turns = merged(
            turns, [born.count(settled_in(each, turns)) for each in range(len(turns))], number=number
        )
        may = spec.schedule.decides(number)
        return [
            msgspec.structs.replace(turn, decides=may and number >= turn.due and turn.into is UNSET)
            for turn in turns
        ]

    def _follow(self, decisions: Sequence[Decision]) -> None:
        """Every loser continues from its source: all are copied before anyone is replaced."""
        newborn = [self._newborn(decision) for decision in decisions]
        for decision, member in zip(decisions, newborn, strict=True):
            self.members[decision.member] = member
        self.replaced += len(decisions)

    def _newborn(self, decision: Decision) -> Member:
        source, incarnation = decision.source, decision.incarnation + 1
        if source is None:
            return Member(decision.hyperparameters, self._built(decision.member), incarnation=incarnation)
        for of in (self.members[decision.member], self.members[source.member]):
            if of.kept is not None and of.kept.standing.source == source:
                state = self.task.copy(of.kept.state)
                return Member(decision.hyperparameters, state, source.step, incarnation, of.kept)
        raise LookupError(f"nobody has the checkpoint that member {decision.member} is to continue from")

    def _catch_up(self, m: int, number: int) -> None:
        """Who went back where nobody had a score trains to the round again, which compared it already."""
        while self.members[m].step < self.spec.schedule.step_of(number):
            self._trained(m, self.members[m].step // self.spec.schedule.interval_steps + 1)

    def _true_score(self, best: Standing | None) -> float:
        """Of the member that `status.final` names; of the untrained start where there is none."""
        if best is None:
            return self.task.start
        member = self.members[best.member]
        return self.task.true_score(
            member.state, member.values, generator(self.spec.seed, best.member, best.step, "test")
        )

    def _built(self, m: int) -> Any:
        return self.task.build(generator(self.spec.seed, m, 0, "build"))

    def _rng(self, m: int, step: int, purpose: str) -> Random:
        return generator(self.spec.seed, m, step, purpose) if purpose in self.task.draws else self.unused


def _placed(entry: Entry, turns: Sequence[Turn] | UnsetType) -> Entry:
    """An entry with its sub-population, which follows from the member's birth and from merges."""
    if turns is UNSET:
        return entry
    return msgspec.structs.replace(entry, sub_population=settled_in(entry.member % len(turns), turns))


def finite_mean(evaluations: Sequence[float]) -> float | None:
    """The score of evaluations as a report has it: None where it isn't finite."""
    mean = math.fsum(evaluations) / len(evaluations) if all(map(math.isfinite, evaluations)) else math.nan
    return mean if math.isfinite(mean) else None


def _best(entries: Sequence[Entry], objective: Objective) -> Standing | None:
    """The best of a round that all members have reported; of equals the lowest member."""
    found = [
        Standing(
            member=entry.member,
            incarnation=entry.incarnation,
            step=entry.source.step,
            score=entry.score,
            hyperparameters=entry.hyperparameters,
            source=entry.source,
        )
        for entry in entries
        if entry.score is not None
    ]
    return max(found, key=lambda s: (objective.utility(s.score), -s.member), default=None)
