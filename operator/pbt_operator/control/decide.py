"""What is decided: ripe rounds, stragglers, growing and shrinking. A decision is a record before it is done."""

from collections.abc import Callable, Sequence, Set
from contextlib import suppress

from pbt_contract.errors import NotFound
from pbt_contract.records import Birth, Cause, Value
from pbt_operator.control.events import Event
from pbt_operator.control.timers import Timers
from pbt_operator.core import births, quorum
from pbt_operator.core.history import standing_of
from pbt_operator.core.round_record import Decision, Round, Standing
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository
from pbt_operator.records.round_log import ROUNDS_KEPT


class Decisions:
    """Decides for one population and writes the births that follow.

    Attributes:
        awaited: whose reports the round waits for that lacked the fewest in the last pass; empty if none waits.
    """

    def __init__(
        self, repository: Repository, *, clock: Callable[[], float], emit: Callable[[Event], None]
    ) -> None:
        """Takes a repository that was loaded, a monotonic clock in seconds, and what takes each event."""
        self._repository, self._history = repository, repository.history
        self._clock, self._emit = clock, emit
        self._timers = Timers()
        self._judged: set[str] = set()
        self._compared: dict[int, frozenset[int]] = {}  # by round, those whom its record holds
        self.awaited: frozenset[int] = frozenset()

    def scale(self, spec: Spec) -> None:
        """Opens the lines of a new population, closes those of members that were scaled away."""
        if self._history.decided == 0:
            unborn = [m for m in range(spec.members) if self._history.newest_birth(m) is None]
            self._repository.write_births([births.first(spec, member=member) for member in unborn])
        leaving = []
        for member in self._history.members:
            birth = self._history.newest_birth(member)
            if member >= spec.members and birth is not None and not birth.cause.closes:
                leaving.append(birth)
        if leaving:
            self._rescue({birth.member for birth in leaving}, spec)
        for birth in leaving:
            self._repository.catch_up(birth.member)
            position = self._history.position(birth.member)
            end = births.closed(birth, cause=Cause.REMOVED, position=position, reason="scaled away")
            self._repository.write_births([end])
            self._emit(
                Event("ScaledAway", f"member {birth.member} is scaled away at step {position}", birth.member)
            )

    def _rescue(self, leaving: set[int], spec: Spec) -> None:
        """If a leaving member holds the best score, the worst remaining slot takes it over first."""
        objective = spec.objective
        standings = {
            member: standing
            for member in self._history.members
            if (record := self._history.newest_record(member))
            and (standing := standing_of(record, objective))
        }
        best = max(standings, key=lambda m: objective.utility(standings[m].score), default=None)
        remaining = [m for m in standings if m < spec.members]
        if best not in leaving or not remaining or self._is_rescued(standings[best], spec):
            return
        worst = min(remaining, key=lambda m: objective.utility(standings[m].score))
        previous = self._history.newest_birth(worst)
        assert previous is not None, "it has a record"
        birth = births.rescued(
            previous,
            leaving=standings[best],
            number=self._history.decided,
            position=self._history.position(worst),
        )
        self._repository.write_births([birth])
        self._emit(Event("Rescued", f"member {worst} {birth.reason}", worst))

    def _is_rescued(self, standing: Standing, spec: Spec) -> bool:
        """Whether a remaining member started from it already, before an interruption."""
        lines = (self._history.line(member) for member in range(spec.members))
        return any(line and line[-1].source == standing.source for line in lines)

    def decide(self, spec: Spec, *, spec_number: int, living: Set[int]) -> None:
        """Decides the rounds that are ripe and judges stragglers; then every loser has its next birth."""
        newest = self._history.newest_round
        if newest is not None:
            self._follow(newest, spec)
        while (decided := self._decide_next(spec, spec_number, living)) is not None:
            self._tell(decided, spec)
            self._follow(decided, spec)
            self._timers.keep(range(decided.number + 1, spec.schedule.last_round + 1))
            records = (self._history.newest_record(member) for member in self._history.members)
            self._judged &= {record.key for record in records if record is not None}
        if spec.schedule.quorum_percent < 100:
            for member in living:
                self._judge(member, spec)

    def _decide_next(self, spec: Spec, spec_number: int, living: Set[int]) -> Round | None:
        percent = spec.schedule.quorum_percent
        self.awaited = frozenset()
        for number in quorum.candidates(self._history, spec):
            attendance = quorum.attend(self._history, spec, number, living=living)
            if attendance.awaited and not 0 < len(self.awaited) <= len(attendance.awaited):
                self.awaited = frozenset(attendance.awaited)
            waited = 0.0
            if attendance.has_quorum(percent):
                waited = self._timers.seconds("quorum", number, self._clock())
            if attendance.is_ripe(percent, waited_seconds=waited):
                if all(r.score(spec.objective.metric) is None for r in attendance.have.values()):
                    for member in attendance.have:
                        self._repository.learn_source(self._history.line(member)[-1])
                decided = quorum.decide(self._history, spec, attendance, spec_number=spec_number)
                return self._repository.write_round(decided)
            if percent >= 100 and attendance.awaited:
                return None  # in order; only a round that nobody can be compared in is passed over
        return None

    def _tell(self, decided: Round, spec: Spec) -> None:
        scores = [entry.score for entry in decided.entries if entry.score is not None]
        best = max(scores, key=spec.objective.utility, default=None)
        self._emit(
            Event(
                "RoundDecided",
                f"round {decided.number} at step {decided.step}: {len(decided.entries)} members compared, "
                f"best {'none' if best is None else f'{best:.6g}'}, {len(decided.decisions)} replaced",
            )
        )

    def _follow(self, decided: Round, spec: Spec) -> None:
        """Every loser is born once from its decision, whoever recorded it, and whatever was interrupted."""
        self._bear(decided.decisions, spec, round_number=decided.number, at_step=decided.step)

    def _bear(self, decisions: Sequence[Decision], spec: Spec, *, round_number: int, at_step: int) -> None:
        """Writes the births of decisions about different members, all at once."""
        while decisions := [d for d in decisions if self._is_due(d, spec, round_number=round_number)]:
            due = [
                births.decided(d, round_number=round_number, at_step=at_step, history=self._history)
                for d in decisions
            ]
            stored = self._repository.write_births(due)
            # Another operator may have written a resume under this key: then the decision takes the next one.
            for decision, birth, found in zip(decisions, due, stored, strict=True):
                if found == birth:
                    self._emit(Event("Exploited", describe(birth, decision), decision.member))

    def _is_due(self, decision: Decision, spec: Spec, *, round_number: int) -> bool:
        """Whether the loser's line still is the one that lost."""
        line = self._history.line(decision.member)
        if not any(birth.incarnation == decision.incarnation for birth in line):
            return False
        over = line[-1].round == round_number or line[0].cause.closes
        return not over and decision.member < spec.members

    def _judge(self, member: int, spec: Spec) -> None:
        """A report that came after its round was decided is judged by that round's scores."""
        record = self._history.newest_record(member)
        if record is None or record.round is None or record.round > self._history.decided:
            return
        if record.key in self._judged:
            return
        with suppress(NotFound):  # a round that was skipped for good judges nobody
            own = self._repository.round(record.round)
            if member not in self._members_of(own):
                decision = quorum.judge_straggler(record, own=own, history=self._history, spec=spec)
                if decision is not None:
                    self._bear([decision], spec, round_number=own.number, at_step=own.step)
        self._judged.add(record.key)

    def _members_of(self, decided: Round) -> frozenset[int]:
        if decided.number not in self._compared:
            if len(self._compared) >= ROUNDS_KEPT:
                del self._compared[min(self._compared)]
            self._compared[decided.number] = frozenset(entry.member for entry in decided.entries)
        return self._compared[decided.number]


def describe(birth: Birth, decision: Decision) -> str:
    """A decision in one sentence, with what explore did."""
    changes = ", ".join(
        f"{name} {show(birth.hyperparameters[name])} ({operation})"
        for name, operation in birth.operations.items()
    )
    return f"member {birth.member} {decision.reason}; {changes}"


def show(value: Value) -> str:
    """A value with as many digits as a person reads."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
