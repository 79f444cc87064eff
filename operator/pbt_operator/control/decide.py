"""Station "decide": ripe rounds, stragglers, growing and shrinking, gates. Each is a record before anything follows.

What is decided is chosen by pure functions of the core (`quorum`, `scaling`, `births`); what is done here is the order:
read what they need, let them choose, record it, and follow what is stored.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from typing import TypeVar

from pbt_contract.errors import NotFound
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Value
from pbt_operator.control.events import Event
from pbt_operator.control.record import Recorder
from pbt_operator.control.ripening import Ripening
from pbt_operator.core import births, quorum, scaling
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.comeback import retried, returned
from pbt_operator.core.gates import gate_after
from pbt_operator.core.outcome import too_many_failed
from pbt_operator.core.quorum import Attendance
from pbt_operator.core.round_record import Decision, Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result
from pbt_operator.records.repository import Repository
from pbt_operator.records.round_log import ROUNDS_KEPT

GATES_A_PASS = 8
"""Another operator may write gates at the same time; what is missed, the next pass writes."""

T = TypeVar("T")


class Decisions:
    """Decides for one population.

    Attributes:
        num_left: how many births, or looks that they depend on, the pass's allowance leaves to the next one. Until
            there are none, nothing else may follow.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        recorder: Recorder,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Takes a repository that was loaded, a monotonic clock in seconds, and what takes each event."""
        self._repository, self._history, self._recorder = repository, repository.history, recorder
        self._emit, self._ripening = emit, Ripening(self._history, clock=clock)
        self._judged: set[str] = set()
        self._allowance, self.num_left = Allowance(), 0
        self._caught_up: set[int] = set()  # members, before some are scaled away
        self._traced: set[Life] = set()  # whose sources were looked for, before something is decided by them
        self._compared: dict[int, frozenset[int]] = {}  # by round, those whom its record holds

    @property
    def awaited(self) -> frozenset[int]:
        """Whose reports the round waits for that lacked the fewest in the last pass; empty if none waits."""
        return self._ripening.awaited

    @property
    def ripe_in(self) -> float | None:
        """Seconds until a round that has its quorum is ripe; None if none waits so."""
        return self._ripening.seconds_left

    def begin_pass(self, allowance: Allowance) -> None:
        """What is done from now on may take so much. What the last one left is continued, unless it failed."""
        if not self.num_left:
            self._caught_up.clear()
            self._traced.clear()
        self._allowance, self.num_left = allowance, 0

    def scale(self, spec: Spec) -> None:
        """Opens the lines of a new population, closes those of members that were scaled away."""
        unborn = self._now(scaling.unborn(self._history, spec))
        self._order([births.first(spec, member=member) for member in unborn])
        leaving = scaling.leaving(self._history, spec)
        if not leaving:
            self._caught_up.clear()
            return
        for member in self._one_by_one([m for m in self._history.members if m not in self._caught_up]):
            self._repository.catch_up(member)  # a save may say that it is done: it takes nothing over
            self._caught_up.add(member)
        if self.num_left:
            return
        rescue = scaling.rescue(self._history, spec, leaving=leaving)
        if rescue is not None:
            self._order([rescue])
            self._emit(Event("Rescued", f"member {rescue.member} {rescue.reason}", rescue.member))
        for member in self._one_by_one(leaving):
            end = scaling.removed(self._history, member)
            self._order([end])
            told = f"member {member} is scaled away at step {end.start_step}"
            self._emit(Event("ScaledAway", told, member))

    def _now(self, due: Sequence[T]) -> Sequence[T]:
        """As many as may be ordered in this pass."""
        most = self._allowance.at_once(len(due))
        self.num_left += len(due[most:])
        return due[:most]

    def _one_by_one(self, due: Sequence[T]) -> Iterator[T]:
        """As many as the allowance has room for, one at least."""
        left = len(due)
        for one in self._allowance.among(due):
            left -= 1
            yield one
        self.num_left += left

    def _order(self, wanted: Sequence[Birth]) -> list[Birth]:
        self._allowance.spend(writes=len(wanted))
        return self._recorder.births(wanted)

    def decide(self, spec: Spec, *, spec_number: int, living: Set[int]) -> None:
        """Decides the rounds that are ripe and judges stragglers; then every loser has its next birth."""
        newest = self._history.newest_round
        if newest is not None:
            self._follow(newest, spec)
        while (
            not self.num_left
            and (ripe := self._ripening.next(spec, living)) is not None
            and not self._is_behind(ripe)
        ):
            decided = self._record(ripe, spec, spec_number)
            if decided is None:
                return
            self._emit(round_event(decided, spec))
            self._follow(decided, spec)
            self._ripening.keep(range(decided.number + 1, spec.schedule.last_round + 1))
            records = (self._history.newest_record(member) for member in self._history.members)
            self._judged &= {record.key for record in records if record is not None}
        if spec.schedule.quorum_percent < 100 and not self.num_left:
            for member in self._one_by_one([m for m in living if self._is_to_judge(m)]):
                self._judge(member, spec)
        if not self.num_left:
            self._bring_back(spec)

    def _is_behind(self, ripe: Attendance) -> bool:
        """Whether a round that is passed over was decided by another operator: the next pass follows it first."""
        known = self._history.decided
        if ripe.number > known + 1:
            self._repository.learn_rounds()
        return self._history.decided > known

    def _bring_back(self, spec: Spec) -> None:
        """Lets members that failed try again, once after each decided round, unless they are too many."""
        if too_many_failed(self._history, spec) is not None:
            return
        if any(returned(self._history, spec, member) for member in range(spec.members)):
            self._learn_origins(range(spec.members))
        if not self.num_left:
            self._return(returned(self._history, spec, member) for member in range(spec.members))

    def retry(self, failed: Result, spec: Spec) -> None:
        """Lets members try again that had failed when the population did."""
        self._learn_origins(one.member for one in failed.members)
        if not self.num_left:
            self._return(
                retried(self._history, spec, one.member, incarnation=one.incarnation)
                for one in failed.members
            )

    def _learn_origins(self, members: Iterable[int]) -> None:
        """Learns what failed members may come back from: a donor, or the record that their last life began with."""
        self._repository.learn_rounds()
        newest = (self._history.newest_birth(member) for member in members)
        self._trace([birth for birth in newest if birth is not None and birth.cause is Cause.FAILED])

    def _trace(self, lives: Sequence[Birth]) -> None:
        """Learns the records that these began with, each once before something is decided by them."""
        for birth in self._one_by_one([birth for birth in lives if birth.life not in self._traced]):
            self._repository.learn_source(birth)
            self._traced.add(birth.life)

    def _return(self, found: Iterable[Birth | None]) -> None:
        wanted = self._now([birth for birth in found if birth is not None])
        for birth, stored in zip(wanted, self._order(wanted), strict=True):
            if stored == birth:
                self._emit(Event("Returned", f"member {birth.member} {birth.reason}", birth.member))
        if not self.num_left:
            self._traced.clear()

    def open(self, spec: Spec, *, spec_number: int, living: Set[int]) -> None:
        """Says how far one may train now. Only after the births: who waits at a gate finds its successor first."""
        for _ in range(GATES_A_PASS):
            wanted = gate_after(
                self._history,
                spec,
                spec_number=spec_number,
                living=living,
                previous=self._repository.gates.newest,
            )
            if wanted is None or self._recorder.gate(wanted, self._allowance) == wanted:
                return

    def _record(self, ripe: Attendance, spec: Spec, spec_number: int) -> Round | None:
        """Compares the members of a ripe round; returns the newest round that is stored then.

        None if there is more to be learned before.
        """
        if all(report.score(spec.objective.metric) is None for report in ripe.have.values()):
            # Each goes back to where it had a score.
            self._trace([self._history.line(member)[-1] for member in ripe.have])
        if self.num_left:
            return None
        self._traced.clear()
        return self._recorder.round(quorum.decide(self._history, spec, ripe, spec_number=spec_number))

    def _follow(self, decided: Round, spec: Spec) -> None:
        """Every loser is born once from its decision, whoever recorded it, and whatever was interrupted."""
        self._bear(decided.decisions, spec, round_number=decided.number, at_step=decided.step)

    def _bear(self, decisions: Sequence[Decision], spec: Spec, *, round_number: int, at_step: int) -> None:
        """Records the births of decisions about different members, all at once."""
        history = self._history
        while due := [d for d in decisions if births.is_due(d, history, spec, round_number=round_number)]:
            some = due[: self._allowance.at_once(len(due))]
            wanted = [
                births.decided(d, round_number=round_number, at_step=at_step, history=history) for d in some
            ]
            # Another operator may have written a resume under this key: then the decision takes the next one.
            for decision, birth, stored in zip(some, wanted, self._order(wanted), strict=True):
                if stored == birth:
                    self._emit(decision_event(birth, decision))
            if len(some) < len(due):
                self.num_left += len(due) - len(some)
                return

    def _is_to_judge(self, member: int) -> bool:
        """Whether the newest report came after its round was decided, and wasn't judged yet."""
        record = self._history.newest_record(member)
        if record is None or record.round is None or record.round > self._history.decided:
            return False
        return record.key not in self._judged

    def _judge(self, member: int, spec: Spec) -> None:
        """A report that came after its round was decided is judged by that round's scores."""
        record = self._history.newest_record(member)
        if record is None or record.round is None:
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


def round_event(decided: Round, spec: Spec) -> Event:
    """A decided round in one sentence."""
    scores = [entry.score for entry in decided.entries if entry.score is not None]
    best = max(scores, key=spec.objective.utility, default=None)
    unscored = sum(entry.unscored is True for entry in decided.entries)
    return Event(
        "RoundDecided",
        f"round {decided.number} at step {decided.step}: {len(decided.entries) - unscored} members compared, "
        f"{f'{unscored} not scored yet, ' if unscored else ''}"
        f"best {'none' if best is None else f'{best:.6g}'}, {len(decided.decisions)} replaced",
    )


def decision_event(birth: Birth, decision: Decision) -> Event:
    """A decision in one sentence, with what explore did, once its birth is stored."""
    changes = ", ".join(
        f"{name} {show(birth.hyperparameters[name])} ({operation})"
        for name, operation in birth.operations.items()
    )
    reason = "Migrated" if decision.migrated is True else "Exploited"
    return Event(reason, f"member {birth.member} {decision.reason}; {changes}", decision.member)


def show(value: Value) -> str:
    """A value with as many digits as a person reads."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
