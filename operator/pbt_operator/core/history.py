"""What is known of a population: births, rounds and the reports that still matter, and which of them count.

Records are immutable, so knowledge only grows; `pbt_operator.records.repository` feeds it from the store. A member's
*line* is its newest birth that was a decision, with the resumes since: what it trains now goes back to there.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pbt_contract.counting import counts, line
from pbt_contract.records import Birth, Report
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.feed import Feed
from pbt_operator.core.known_ends import KnownEnds
from pbt_operator.core.newest_rounds import NewestRounds
from pbt_operator.core.round_record import Round, Standing
from pbt_operator.core.search import Objective, Schedule
from pbt_operator.core.standing import best_among, rank_of, standing_of

T = TypeVar("T")


@dataclass(slots=True)
class _Member:
    """What follows from a member's births and records; worked out once, until one of them changes."""

    line: Sequence[Birth]
    records: Sequence[Report]
    counting: Sequence[Report]
    line_records: Sequence[Report]
    line_reports: Sequence[Report]
    by_step: Mapping[int, Report]
    position: int
    derived: dict[Hashable, Any] = field(default_factory=dict)


class History:
    """Births, rounds and recent reports, with the questions that decisions ask of them.

    Attributes:
        rounds: the newest decided ones.
        ends: how the newest lives ended.
        has_recorded: whether anybody has ever recorded anything: its store lets trainers in.
        has_reported: whether anybody has ever reported, and so can train for an interval; a save doesn't tell that.
        ledger: counts over the whole life; None where nobody counts.
    """

    def __init__(self, *, kept_per_member: int = 3) -> None:
        """Knows nothing yet; `kept_per_member` records of each member are never forgotten."""
        self._kept_per_member = kept_per_member
        self._births: dict[int, dict[int, Birth]] = {}
        self._newest: dict[int, int] = {}
        self._records: dict[int, dict[str, Report]] = {}
        self._reporters: dict[int, set[int]] = {}  # by round, the members with a record of it
        self.rounds, self.ends = NewestRounds(), KnownEnds()
        self.has_recorded, self.has_reported = False, False
        self.ledger: Ledger | None = None
        self._order: list[int] | None = None
        self._members: dict[int, _Member] = {}  # each until the member's births or records change
        self._best: tuple[Objective, Standing | None] | None = None
        self._feeds: list[Feed] = []

    def follow(self) -> Feed:
        """A feed of what is learned from now on."""
        feed = Feed()
        self._feeds.append(feed)
        return feed

    def _changed(self, member: int) -> None:
        self._members.pop(member, None)
        self._best = None

    # births

    def add_birth(self, birth: Birth) -> None:
        """Learns of a birth, in any order."""
        self._births.setdefault(birth.member, {})[birth.incarnation] = birth
        newest = self._newest.get(birth.member)
        if newest is None:
            self._order = None
        if newest is None or birth.incarnation > newest:
            self._newest[birth.member] = birth.incarnation
            for feed in self._feeds:
                feed.births.append(birth)
        if self.ledger is not None:
            self.ledger.add_birth(birth)
        self._changed(birth.member)

    @property
    def members(self) -> Sequence[int]:
        """Every member that was ever born, ascending."""
        if self._order is None:
            self._order = sorted(self._newest)
        return self._order

    def births(self, member: int) -> Iterable[Birth]:
        """Those of the member that are known."""
        return self._births.get(member, {}).values()

    def birth(self, member: int, incarnation: int) -> Birth | None:
        """One birth, if it is known."""
        return self._births[member].get(incarnation) if member in self._births else None

    def newest_birth(self, member: int) -> Birth | None:
        """The birth that is in force."""
        return self._births[member][self._newest[member]] if member in self._newest else None

    def line(self, member: int) -> Sequence[Birth]:
        """The births of the member's line, the newest first."""
        return self._member(member).line

    def _member(self, member: int) -> _Member:
        known = self._members.get(member)
        if known is None:
            known = self._members[member] = self._work_out(member)
        return known

    def _work_out(self, member: int) -> _Member:
        own_line = line(self._births.get(member, {}), newest=self._newest.get(member, 0))
        records = sorted(self._records.get(member, {}).values(), key=lambda r: (r.incarnation, r.step))
        counting = [record for record in records if self.counts(record)]
        incarnations = {birth.incarnation for birth in own_line}
        found = [record for record in counting if record.incarnation in incarnations]
        found.sort(key=lambda record: (record.step, record.round is None, record.incarnation))
        reports = [record for record in found if record.round is not None]
        return _Member(
            line=own_line,
            records=records,
            counting=counting,
            line_records=found,
            line_reports=reports,
            by_step={report.step: report for report in reports},
            position=max(own_line[0].start_step if own_line else 0, found[-1].step if found else 0),
        )

    # reports

    def add_record(self, record: Report) -> None:
        """Learns of a report or save."""
        self.has_recorded = True
        self.has_reported |= record.round is not None
        self._records.setdefault(record.member, {})[record.key] = record
        if record.round is not None:
            self._reporters.setdefault(record.round, set()).add(record.member)
        for feed in self._feeds:
            feed.records.append(record)
        if self.ledger is not None:
            self.ledger.add_record(record)
        self._changed(record.member)

    def record(self, member: int, key: str) -> Report | None:
        """The record that `member` wrote under `key`, if it was added and is still kept."""
        return self._records.get(member, {}).get(key)

    def counts(self, record: Report) -> bool:
        """Whether a record is part of the member's story: no later birth closed its incarnation before its step."""
        return counts(record, self._births.get(record.member, {}), newest=self._newest.get(record.member, 0))

    def records(self, member: int) -> Sequence[Report]:
        """All records of the member that are kept, by incarnation and step."""
        return self._member(member).records

    def counting(self, member: int) -> Sequence[Report]:
        """The records of the member that count, by incarnation and step."""
        return self._member(member).counting

    def line_records(self, member: int) -> Sequence[Report]:
        """The records of the member's line that count, by step."""
        return self._member(member).line_records

    def newest_record(self, member: int) -> Report | None:
        """The newest record of the member's line."""
        records = self.line_records(member)
        return records[-1] if records else None

    def own_record(self, member: int) -> Report | None:
        """The newest record, if the member's newest incarnation wrote it."""
        birth, record = self.newest_birth(member), self.newest_record(member)
        return record if birth and record and record.incarnation == birth.incarnation else None

    def has_ended(self, member: int) -> bool:
        """Whether the member's newest life said that it is done. A birth since then goes on all the same."""
        return (own := self.own_record(member)) is not None and own.ends

    def line_reports(self, member: int) -> Sequence[Report]:
        """The ready reports among the records of the member's line, by step."""
        return self._member(member).line_reports

    def position(self, member: int) -> int:
        """The step that the member has durably reached."""
        return self._member(member).position

    def derived(self, member: int, what: Hashable, work_out: Callable[[Sequence[Report]], T]) -> T:
        """What `work_out` makes of the member's ready reports, remembered under `what` until something changes."""
        known = self._member(member)
        if what not in known.derived:
            known.derived[what] = work_out(known.line_reports)
        return cast("T", known.derived[what])

    def score(self, member: int, objective: Objective) -> float | None:
        """The score of the newest ready report of the member's line."""
        metric = objective.metric
        return self.derived(
            member, ("score", metric), lambda found: found[-1].score(metric) if found else None
        )

    def ready(self, number: int, schedule: Schedule) -> dict[int, Report]:
        """By member, the reports that count for round `number` after all decisions before it."""
        step, reporters = schedule.step_of(number), sorted(self._reporters.get(number, ()))
        found = {member: self._member(member).by_step.get(step) for member in reporters}
        return {m: report for m, report in found.items() if report is not None and report.round == number}

    def rounds_seen(self) -> Iterable[int]:
        """The rounds for which some report is known, ascending."""
        return sorted(self._reporters)

    # rounds and the best

    def add_round(self, decided: Round) -> None:
        """Learns of a decided round."""
        newest = self.newest_round
        self.rounds.add(decided)
        if self.newest_round is not newest:
            self._best = None

    @property
    def newest_round(self) -> Round | None:
        """The newest decided round."""
        return self.rounds.newest

    @property
    def decided(self) -> int:
        """The number of the newest decided round, 0 before the first."""
        return self.newest_round.number if self.newest_round else 0

    def best(self, objective: Objective, *, up_to: int | None = None) -> Standing | None:
        """The best report that counts, ever; of equals the earliest step, then the lowest member.

        Args:
            objective: what is compared.
            up_to: leave out the reports of later rounds.
        """
        if up_to is None and self._best is not None and self._best[0] == objective:
            return self._best[1]
        found = [self.newest_round.best] if self.newest_round and self.newest_round.best else []
        for member in self.members:
            own = self._best_of(member, objective, up_to)
            found += [] if own is None else [own]
        best = min(found, key=lambda standing: rank_of(standing, objective), default=None)
        if up_to is None:
            self._best = (objective, best)
        return best

    def _best_of(self, member: int, objective: Objective, up_to: int | None) -> Standing | None:
        derived, what = self._member(member).derived, ("best", objective)
        if what not in derived:
            derived[what] = best_among(self.counting(member), objective)
        found: tuple[int, Standing] | None = derived[what]
        if found is not None and up_to is not None and found[0] > up_to:
            early = [r for r in self.counting(member) if r.round is not None and r.round <= up_to]
            found = best_among(early, objective)
        return found[1] if found is not None else None

    def final(self, objective: Objective) -> Standing | None:
        """The best of the members' newest scores; of equals the lowest member.

        That is what training has come to. Members have none whose newest report has no finite score, which haven't
        reported since they were replaced, which failed or were scaled away. Saves have none.
        """
        scores = {m: s for m in self.members if (s := self.score(m, objective)) is not None}
        first = max(scores, key=lambda member: (objective.utility(scores[member]), -member), default=None)
        return None if first is None else standing_of(self.line_reports(first)[-1], objective)

    def forget(self) -> None:
        """Drops what no decision can need again.

        Of records those that are older than the newest round and not a member's newest few; of births those before the
        line and before the oldest record that is left.
        """
        for member, found in self._records.items():
            if len(found) > self._kept_per_member:
                known = self.records(member)
                needed = [r for r in known if r.round is not None and r.round >= self.decided]
                self._records[member] = {r.key: r for r in [*known[-self._kept_per_member :], *needed]}
                self._changed(member)
        for member, births in self._births.items():
            records = self._records.get(member, {}).values()
            # The next round says what crashed.
            crashed = [b.incarnation - 1 for b in births.values() if b.decided == self.decided]
            line = [birth.incarnation for birth in self.line(member)[-1:]]
            first = min(line + crashed + [r.incarnation for r in records])
            if any(incarnation < first for incarnation in births):
                self._births[member] = {n: birth for n, birth in births.items() if n >= first}
        self._reporters = {}
        for member, found in self._records.items():
            for record in found.values():
                if record.round is not None:
                    self._reporters.setdefault(record.round, set()).add(member)
