"""The laws of quorums: no round from fewer than its quorum of the living, none left that could be decided (10, 7)."""

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass

from msgspec import UNSET

from pbt_contract.records import Birth
from pbt_operator.control.pods import Phase
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result
from pbt_operator.core.sub_populations import belongs
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.pod_laws import labelled_member
from simulate.trainer import Trainer

SEEN_SECONDS = 150.0
"""How long an operator that works may not know of a pod's new state: deaf watches, and a pass that takes long."""

SHORT_SECONDS = 120.0
"""Below that timeout a member may be missing before anybody can tell that room lacks."""

DECIDED_SECONDS = 300.0
"""How long a round may stay undecided, with a working operator, once nothing is awaited."""


@dataclass
class Pending:
    """A pod that doesn't run yet.

    Attributes:
        since, until: virtual seconds; `until` is infinite while it is so.
        placed_at: when it got a place; infinite before.
    """

    member: int
    since: float
    until: float = math.inf
    placed_at: float = math.inf


class QuorumLaws(Judge):
    """Who a round may be decided without, and how long it may take."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._pending: dict[str, Pending] = {}
        self._ripe_since: dict[int, float] = {}
        self._ran: dict[str, float] = {}  # by pod, since when it runs

    def on_begin(self, trainer: Trainer, birth: Birth, state: object) -> None:
        """From now on it can make room for others."""
        self._ran.setdefault(trainer.pod, self.now)

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """Times the pods that wait for a node or for their start."""
        uid, seen = pod["metadata"]["uid"], self.facts.server.state_of(pod)
        if seen is not None and seen.pod.phase is Phase.PENDING and not gone:
            known = self._pending.setdefault(uid, Pending(labelled_member(pod), self.now))
            known.member = labelled_member(pod)  # it may be for another one by now
            if seen.placed_since is not None:
                known.placed_at = min(known.placed_at, self.now)
        elif uid in self._pending:
            self._pending[uid].until = min(self._pending[uid].until, self.now)

    def may_be_missing(self, member: int, timeout: float) -> bool:
        """Whether an operator may think that the member has been without a running pod for too long."""
        birth = self.facts.newest_birth(member)
        if birth is not None and any(
            self.facts.written[r.key] < self.now - SEEN_SECONDS
            for r in self.facts.records.get(birth.life, ())
        ):
            return False
        for uid, one in self._pending.items():
            is_its = member in {one.member, self.facts.members.get(uid)}
            if is_its and self.now <= one.until + SEEN_SECONDS:
                since = one.placed_at if self._gets_its_turn(member, timeout) else one.since
                if min(one.until + SEEN_SECONDS, self.now) - since > timeout:
                    return True
        return False

    def _gets_its_turn(self, member: int, timeout: float) -> bool:
        """Whether somebody has long been able to make room for the member: it is living, however long it waits."""
        if timeout < SHORT_SECONDS:
            return False
        return any(
            trainer.alive
            and self.facts.lives_now(trainer) != member
            and self._ran.get(trainer.pod, math.inf) < self.now - SEEN_SECONDS
            for trainer in self.facts.trainers.values()
        )

    def _is_missing(self, member: int, timeout: float) -> bool:
        """Whether every operator must know that it has been, and nobody has run meanwhile who could have made room."""
        return any(
            self.now - (one.placed_at if self._has_run_since(one.since) else one.since)
            > timeout + SEEN_SECONDS
            for one in self._pending.values()
            if one.member == member and one.until == math.inf
        )

    def _has_run_since(self, since: float) -> bool:
        return any(one.alive for one in self.facts.trainers.values()) or any(
            began >= since for began in self._ran.values()
        )

    def on_round(self, decided: Round) -> None:
        """It has its quorum, counted from those that are sure to be living; and nothing is decided while suspended."""
        facts, spec = self.facts, self.facts.spec(decided.spec)
        if spec.suspend:
            self.blame(f"10: {decided.key} is decided while the population is suspended")
        have = {entry.member for entry in decided.entries}
        if len(have) < 2:
            self.blame(f"10: {decided.key} compares {sorted(have)}")
        if facts.is_lawless or any(number > decided.number for number in facts.rounds):
            return
        timeout = spec.schedule.straggler_timeout_seconds
        sure = {m for m in self._living(spec) if not self.may_be_missing(m, timeout)}
        awaited = {m for m in sure - have if facts.position(m) < decided.step}
        percent, living = spec.schedule.quorum_percent, len(sure | have)
        if percent >= 100 and awaited and not facts.had_zombies:
            self.blame(f"10: {decided.key} is decided without {sorted(awaited)}, at quorum 100")
        if decided.sub_populations is not UNSET:
            self._judge_parts(decided, sure, spec)
        elif percent < 100 and len(have) < math.ceil(living * percent / 100):
            self.blame(f"10: {decided.key} compares {len(have)} of {living} living, at quorum {percent}")

        if percent < 100:
            self.blame_all(f"10: {decided.key}", self._skipped(decided, spec))

    def _judge_parts(self, decided: Round, sure: Set[int], spec: Spec) -> None:
        """Each sub-population that decides has its quorum, of its own members; one that is due and whole decides."""
        turns, percent = decided.sub_populations, spec.schedule.quorum_percent
        assert turns is not UNSET, "it was looked at"
        births = {member: self.facts.newest_birth(member) for member in self._living(spec)}
        for number, turn in enumerate(turns):
            have = {entry.member for entry in decided.entries if entry.sub_population == number}
            whole = {
                m for m, birth in births.items() if birth is not None and belongs(birth, turns) == number
            }
            # Nobody waits for who is past the round without a report of it.
            own = {m for m in whole & sure if m in have or self.facts.position(m) < decided.step}
            is_due = (
                turn.into is UNSET and decided.number >= turn.due and spec.schedule.decides(decided.number)
            )
            if is_due and not turn.decides and len(have) > 1 and whole <= have:
                self.blame(
                    f"10: {decided.key} lets sub-population {number} decide nothing, and all of it reported"
                )
            if turn.decides and len(have) < max(2, math.ceil(len(own | have) * percent / 100)):
                told = f"{len(have)} of {len(own | have)} living of sub-population {number}"
                self.blame(f"10: {decided.key} compares {told}, at quorum {percent}")

    def _skipped(self, decided: Round, spec: Spec) -> Iterator[str]:
        """Older rounds that had their quorum long ago, and were passed over though nobody was far ahead."""
        facts = self.facts
        before = max((number for number in facts.rounds if number < decided.number), default=0)
        if decided.number > before + spec.schedule.max_lead + 1:
            return
        for number in range(before + 1, decided.number):
            step = spec.schedule.step_of(number)
            records = (r for m in range(spec.members) for r in facts.line_records(m))
            known = {
                r.member
                for r in records
                if r.round == number and r.step == step and facts.written[r.key] < self.now - SEEN_SECONDS
            }
            # Of sub-populations only those that are due count: with all members it has its quorum for certain.
            percent = 100 if spec.sub_populations else spec.schedule.quorum_percent
            if len(known) >= max(2, math.ceil(spec.members * percent / 100)):
                yield f"skips round {number}, which {sorted(known)} have reported long ago"

    def _living(self, spec: Spec) -> set[int]:
        """Members that were born, are not closed and have still something to report."""
        births = {member: self.facts.newest_birth(member) for member in range(spec.members)}
        return {
            member
            for member, birth in births.items()
            if birth is not None and not birth.cause.closes and not self.facts.is_through(member, spec)
        }

    def _is_due(self, number: int, spec: Spec) -> bool:
        """Whether a round has all that it can wait for but the half interval, whatever the operator can't know yet."""
        facts, schedule = self.facts, spec.schedule
        step = schedule.step_of(number)
        have = self._reports(number, spec)
        if len(have) < 2:
            return False
        if any(facts.newest_birth(member) is None for member in range(spec.members)):
            return False
        timeout = schedule.straggler_timeout_seconds
        if schedule.quorum_percent >= 100:  # nobody is left out, however long it has been missing
            return all(m in have or facts.position(m) >= step for m in self._living(spec))
        living = {m for m in self._living(spec) if not self._is_missing(m, timeout)}
        if spec.sub_populations:  # any of them may be waited for, once it is overdue
            return all(m in have or facts.position(m) >= step for m in living)
        return len(have) >= math.ceil(len(living | have) * schedule.quorum_percent / 100)

    def _reports(self, number: int, spec: Spec) -> set[int]:
        """The members whose reports count for a round."""
        step = spec.schedule.step_of(number)
        return {
            member
            for member in range(spec.members)
            if any(r.round == number and r.step == step for r in self.facts.line_records(member))
        }

    def _undecided(self, spec: Spec) -> range:
        return range(self.facts.decided + 1, spec.schedule.last_round + 1)

    def on_tick(self) -> None:
        """With a working operator, a round that has its quorum is decided soon."""
        spec = self.facts.in_force
        if spec is None or not self.facts.is_at_work:
            self._ripe_since.clear()
            return
        undecided = self._undecided(spec)
        self._ripe_since = {n: since for n, since in self._ripe_since.items() if n in undecided}
        for number in undecided:
            if not self._is_due(number, spec):
                self._ripe_since.pop(number, None)
                continue
            since = self._ripe_since.setdefault(number, self.now)
            longest = max(
                (r.seconds for m in range(spec.members) for r in self.facts.line_records(m)), default=0.0
            )
            if self.now > since + DECIDED_SECONDS + longest:
                self.blame(f"7: round {number} has its quorum since {since:.1f} s and isn't decided")

    def on_result(self, result: Result) -> None:
        """Where all are through, every round that two or more can be compared in has been decided."""
        facts, spec = self.facts, self.facts.spec(result.spec)
        if result.reason != "AllStepsDone" or facts.is_lawless or facts.had_zombies or spec.suspend:
            return
        left = {n: have for n in self._undecided(spec) if len(have := self._reports(n, spec)) >= 2}
        for number, have in left.items():
            self.blame(f"7: it ended, and round {number} with the reports of {sorted(have)} isn't decided")
