"""When a round is decided: quorum, stragglers and the wait that slow but good members get.

A round is ripe when every member that can still report it has, or when the quorum has and half a median interval has
passed since then. (Deciding on a bare timeout turns PBT into random search; without the half interval, slow but better
members never donate.)
"""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from statistics import median

from msgspec import UNSET, UnsetType

from pbt_contract.records import Cause, Report
from pbt_operator.core import horizon
from pbt_operator.core.crashed import crashed_since
from pbt_operator.core.exploit import choose, judge
from pbt_operator.core.history import History
from pbt_operator.core.lead import lead_of
from pbt_operator.core.membership import sizes_of
from pbt_operator.core.outcome import finished
from pbt_operator.core.round_record import Decision, Entry, Round, Standing, Turn
from pbt_operator.core.spec import Spec
from pbt_operator.core.standing import standing_of
from pbt_operator.core.sub_populations import belongs, merged, planned


@dataclass(frozen=True, slots=True)
class Attendance:
    """Who has reported a round, and who of the living still may.

    Attributes:
        have: the ready reports, by member.
        awaited: living members that haven't reported the round and still can.
        left: the members that the quorum is counted from: those that live and aren't done before, and `have`.
        parts: the same for each sub-population, by its number, whose losers are due in this round.
        overdue: those of them that have been due for as many rounds as members may be ahead.
        turns: how the sub-populations stand, before it is said which of them decide; empty where there are none.
    """

    number: int
    have: Mapping[int, Report]
    awaited: Set[int]
    left: Set[int]
    parts: Mapping[int, "Attendance"] = field(default_factory=dict)
    overdue: Set[int] = frozenset()
    turns: Sequence[Turn] = ()

    def has_quorum(self, percent: float) -> bool:
        """At least two, and `percent` of those that are left; at 100 nobody may be awaited.

        Of sub-populations one that is due is enough: another one decides in the next round that it comes to. But not
        without those that are overdue, or a slow one would never decide.
        """
        if percent >= 100:
            return len(self.have) >= 2 and not self.awaited
        if self.parts:
            has = {number for number, part in self.parts.items() if part.has_quorum(percent)}
            lacking = self.overdue - has
            return bool(has) and not any(self.parts[number].can_come(percent) for number in lacking)
        return len(self.have) >= quorum_of(len(self.left), percent)

    def can_come(self, percent: float) -> bool:
        """Whether the quorum is there once all who are awaited have reported."""
        if self.parts and percent < 100:
            return any(part.can_come(percent) for part in self.parts.values())
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
    whole = Attendance(number=number, have=have, awaited=awaited, left=to_come | have.keys())
    return _with_parts(whole, history, spec) if spec.sub_populations else whole


def _with_parts(whole: Attendance, history: History, spec: Spec) -> Attendance:
    """With what the sub-populations that are due say; below quorum 100 nobody else is waited for."""
    number, percent = whole.number, spec.schedule.quorum_percent
    turns = planned(history.newest_round, spec.sub_populations, spec.schedule)
    turns = merged(turns, sizes_of(history, spec, turns), number=number)
    members: dict[int, set[int]] = {
        part: set()
        for part, turn in enumerate(turns)
        if spec.schedule.decides(number) and number >= turn.due and turn.into is UNSET
    }
    for member in whole.left:
        birth = history.newest_birth(member)
        part = None if birth is None else belongs(birth, turns)
        if part in members:
            members[part].add(member)
    parts = {
        part: Attendance(
            number=number,
            have={m: report for m, report in whole.have.items() if m in those},
            awaited=whole.awaited & those,
            left=those,
        )
        for part, those in members.items()
        if those
    }
    is_strict = percent >= 100 or not parts
    awaited = whole.awaited if is_strict else whole.awaited & set().union(*members.values())
    overdue = {part for part in parts if number - turns[part].due >= lead_of(spec)}
    return replace(whole, parts=parts, overdue=overdue, turns=turns, awaited=awaited)


def _turns_taken(attendance: Attendance, percent: float) -> list[Turn] | UnsetType:
    """How the sub-populations stand in a round that is decided now; nothing where there are none."""
    if not attendance.turns:
        return UNSET
    # At quorum 100 nobody is awaited any more.
    needs = 0 if percent >= 100 else percent
    taken = {
        number
        for number, part in attendance.parts.items()
        if len(part.have) >= quorum_of(len(part.left), needs)
    }
    return [
        Turn(since=turn.since, due=turn.due, decides=number in taken, into=turn.into)
        for number, turn in enumerate(attendance.turns)
    ]


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

    Those are the rounds that somebody has reported, those that a living member comes to next, and those in which a
    sub-population becomes due. One report of a far round must not make anybody look at each number up to it.
    """
    interval = spec.schedule.interval_steps
    following = (history.position(member) // interval + 1 for member in living)
    turns = planned(history.newest_round, spec.sub_populations, spec.schedule) if spec.sub_populations else ()
    found = {first, last, *history.rounds_seen(), *following, *(turn.due for turn in turns)}
    return sorted(number for number in found if first <= number <= last)


def entry_of(report: Report, history: History, spec: Spec, turns: Sequence[Turn] = ()) -> Entry:
    """A ready report as a round compares it; `turns` are the sub-populations' in that round, if there are any."""
    birth = history.birth(*report.life)
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
        sub_population=belongs(birth, turns) if turns and birth is not None else UNSET,
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
    return horizon.due(newest, percent, spec.schedule) if percent else UNSET


def decide(history: History, spec: Spec, attendance: Attendance, *, spec_number: int) -> Round:
    """Compares the members of a ripe round and draws the decisions, from this one snapshot."""
    number = attendance.number
    entries = [entry_of(attendance.have[m], history, spec, attendance.turns) for m in sorted(attendance.have)]
    earlier = history.rounds.before(number, most=spec.rounds_needed - 1)
    due = planned_due(history.newest_round, spec)
    turns = _turns_taken(attendance, spec.schedule.quorum_percent)
    crashed = crashed_since(history) or UNSET
    view = spec.view(number, entries, earlier, due=due, crashed=crashed)
    chosen = choose(view, spec=spec, turns=turns)
    return Round(
        number=number,
        step=spec.schedule.step_of(number),
        spec=spec_number,
        entries=entries,
        decisions=chosen.decisions,
        best=history.best(spec.objective, up_to=number),
        due=due,
        recorded=chosen.recorded,
        crashed=crashed,
        sub_populations=turns,
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
    turns = () if own.sub_populations is UNSET else own.sub_populations
    straggler = entry_of(report, history, spec, turns)
    return judge(
        straggler,
        recorded=own.entries,
        newest=newest.entries,
        spec=spec,
        round_number=own.number,
        earlier=history.rounds.before(own.number, most=spec.rounds_needed - 1),
        due=own.due,
        crashed=own.crashed,
        turns=own.sub_populations,
    )
