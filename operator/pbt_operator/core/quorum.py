"""When a round is decided: quorum, stragglers and the wait that slow but good members get.

A round is ripe when every member that can still report it has, or when the quorum has and half a median interval has
passed since then. (Deciding on a bare timeout turns PBT into random search; without the half interval, slow but better
members never donate.)
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from statistics import median

from msgspec import UNSET, UnsetType

from pbt_contract.records import Cause, Report
from pbt_operator.core.crashed import crashed_since
from pbt_operator.core.exploit import choose, judge
from pbt_operator.core.history import History
from pbt_operator.core.horizon import due
from pbt_operator.core.outcome import finished
from pbt_operator.core.round_record import Decision, Entry, Round, Standing
from pbt_operator.core.spec import Spec
from pbt_operator.core.standing import standing_of


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who has reported a round, and who of the living still may.

    Attributes:
        have: the ready reports, by member.
        awaited: living members that haven't reported the round and still can.
        left: the members that the quorum is counted from: those that live and aren't done before, and `have`.
    """

    number: int
    have: Mapping[int, Report]
    awaited: Set[int]
    left: Set[int]

    def has_quorum(self, percent: float) -> bool:
        """At least two, and `percent` of those that are left; at 100 nobody may be awaited."""
        if percent >= 100:
            return len(self.have) >= 2 and not self.awaited
        return len(self.have) >= quorum_of(len(self.left), percent)

    def can_come(self, percent: float) -> bool:
        """Whether the quorum is there once all who are awaited have reported."""
        needed = 2 if percent >= 100 else quorum_of(len(self.left), percent)
        return len(self.have) + len(self.awaited) >= needed

    def wait_seconds(self) -> float:
        """How long the quorum waits for those who are awaited: half the median of the intervals that it took itself."""
        return median(r.seconds for r in self.have.values()) / 2 if self.awaited else 0.0


def attend(history: History, spec: Spec, number: int, *, living: Set[int]) -> Attendance:
    """Takes the attendance of round `number`.

    Args:
        history: what is known.
        spec: what is asked.
        number: the round.
        living: members that are not scaled away, not failed and not missing for too long.
    """
    step = spec.schedule.step_of(number)
    have = {m: report for m, report in history.ready(number, spec.schedule).items() if m < spec.members}
    to_come = {m for m in living if m in have or not finished(history, m, spec)}
    awaited = {m for m in to_come if m not in have and history.position(m) < step}
    return Attendance(number=number, have=have, awaited=awaited, left=to_come | have.keys())


def quorum_of(left: int, percent: float) -> int:
    """How many reports a round needs of so many members that are left."""
    return max(2, math.ceil(left * percent / 100))


def candidates(history: History, spec: Spec, *, living: Set[int]) -> Sequence[int]:
    """The rounds that may be decided next, the newest last: below quorum 100 those that somebody has reported."""
    first, last = history.decided + 1, spec.schedule.last_round
    if spec.schedule.quorum_percent >= 100:
        return rounds_that_matter(history, spec, living=living, first=first, last=last)
    return [number for number in history.rounds_seen() if first <= number <= last]


def rounds_that_matter(
    history: History, spec: Spec, *, living: Set[int], first: int, last: int
) -> Sequence[int]:
    """The rounds from `first` to `last` whose attendance isn't that of the one before, ascending; both are among them.

    Those are the rounds that somebody has reported, and those that a living member comes to next. One report of a far
    round must not make anybody look at each number up to it.
    """
    interval = spec.schedule.interval_steps
    following = (history.position(member) // interval + 1 for member in living)
    found = {first, last, *history.rounds_seen(), *following}
    return sorted(number for number in found if first <= number <= last)


def entry_of(report: Report, history: History, spec: Spec) -> Entry:
    """A ready report as a round compares it."""
    score = report.score(spec.objective.metric)
    unscored = report.is_unscored(spec.objective.metric)
    own = history.own_record(report.member)
    ended = own is not None and own.life == report.life and own.ends
    return Entry(
        member=report.member,
        incarnation=report.incarnation,
        score=score,
        values=report.values(spec.objective.metric) if score is not None else [],
        source=report.source,
        hyperparameters=report.hyperparameters,
        ancestor=ancestor_of(report, history, spec) if score is None and not unscored else None,
        unscored=True if unscored else UNSET,
        ended=True if ended else UNSET,
    )


def ancestor_of(report: Report, history: History, spec: Spec) -> Standing | None:
    """The newest finite record before `report` on its member's line, or the one that the line started from."""
    line = history.line(report.member)
    source = line[-1].source if line else None
    records = [r for r in history.line_records(report.member) if r.step < report.step]
    start = history.record(source.member, source.record) if source else None
    finite = [s for r in [*([start] if start else []), *records] if (s := standing_of(r, spec.objective))]
    return finite[-1] if finite else None


def planned_due(newest: Round | None, spec: Spec) -> int | UnsetType:
    """What the record of the round after `newest` says about the horizon; nothing where there is none."""
    percent = spec.exploit.horizon_percent
    return due(newest, percent, spec.schedule) if percent else UNSET


def decide(history: History, spec: Spec, attendance: Attendance, *, spec_number: int) -> Round:
    """Compares the members of a ripe round and draws the decisions, from this one snapshot."""
    number = attendance.number
    entries = [entry_of(attendance.have[m], history, spec) for m in sorted(attendance.have)]
    earlier = history.rounds.before(number, most=spec.rounds_needed - 1)
    planned = planned_due(history.newest_round, spec)
    crashed = crashed_since(history) or UNSET
    chosen = choose(spec.view(number, entries, earlier, due=planned, crashed=crashed), spec=spec)
    return Round(
        number=number,
        step=spec.schedule.step_of(number),
        spec=spec_number,
        entries=entries,
        decisions=chosen.decisions,
        best=history.best(spec.objective, up_to=number),
        due=planned,
        recorded=chosen.recorded,
        crashed=crashed,
    )


def judge_straggler(report: Report, *, own: Round, history: History, spec: Spec) -> Decision | None:
    """What becomes of a member that reported a round after it was decided without it.

    It is judged by that round's recorded scores; a donor comes from the newest decided round, else it never catches up.
    Once that is the last one, there is nothing left to train from a donor, and the straggler goes on. One that is done
    is not replaced, nor one that this round or a later one has thrown back already: it reports the round once more.
    """
    newest, first = history.newest_round, history.line(report.member)[-1]
    # A line that began again after crashes is still the one that the round began.
    begun = first.seed_round if first.cause is Cause.REPLACE else first.round
    if history.has_ended(report.member) or (begun is not None and begun >= own.number):
        return None
    if newest is None or not newest.step < spec.schedule.total_steps or report.step != own.step:
        return None
    straggler = entry_of(report, history, spec)
    return judge(
        straggler,
        recorded=own.entries,
        newest=newest.entries,
        spec=spec,
        round_number=own.number,
        earlier=history.rounds.before(own.number, most=spec.rounds_needed - 1),
        due=own.due,
        crashed=own.crashed,
    )
