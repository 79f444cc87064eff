"""What is known of a population: births, rounds and the reports that still matter, and which of them count.

Records are immutable, so knowledge only grows; the journal (`pbt_operator.journal`) feeds it from the store. A member's
*line* is its newest birth that was a decision, with the resumes since: what it trains now goes back to there.
"""

from collections.abc import Iterable

from pbt_operator.core.round import Round, Standing
from pbt_operator.core.spec import Objective, Schedule
from pbt_trainer.records import Birth, Report


class History:
    """Births, rounds and recent reports, with the questions that decisions ask of them."""

    def __init__(self, *, kept_per_member: int = 3) -> None:
        """Knows nothing yet; `kept_per_member` records of each member are never forgotten."""
        self._kept_per_member = kept_per_member
        self._births: dict[int, dict[int, Birth]] = {}
        self._newest: dict[int, int] = {}
        self._records: dict[int, dict[str, Report]] = {}
        self._newest_round: Round | None = None
        self._counting: dict[int, list[Report]] = {}  # remembered until the member's births or records change

    # births

    def add_birth(self, birth: Birth) -> None:
        """Learns of a birth, in any order."""
        self._births.setdefault(birth.member, {})[birth.incarnation] = birth
        self._newest[birth.member] = max(birth.incarnation, self._newest.get(birth.member, 0))
        self._counting.pop(birth.member, None)

    @property
    def members(self) -> list[int]:
        """Every member that was ever born, ascending."""
        return sorted(self._newest)

    def birth(self, member: int, incarnation: int) -> Birth | None:
        """One birth, if it is known."""
        return self._births.get(member, {}).get(incarnation)

    def newest_birth(self, member: int) -> Birth | None:
        """The birth that is in force."""
        return self.birth(member, self._newest.get(member, 0))

    def line(self, member: int) -> list[Birth]:
        """The births of the member's line, the newest first."""
        births = []
        for incarnation in range(self._newest.get(member, 0), 0, -1):
            birth = self.birth(member, incarnation)
            if birth is None:
                break
            births.append(birth)
            if not birth.cause.resumes:
                break
        return births

    # reports

    def add_record(self, record: Report) -> None:
        """Learns of a report or save."""
        self._records.setdefault(record.member, {})[record.key] = record
        self._counting.pop(record.member, None)

    def record(self, member: int, key: str) -> Report | None:
        """The record that `member` wrote under `key`, if it was added and is still kept."""
        return self._records.get(member, {}).get(key)

    def counts(self, record: Report) -> bool:
        """Whether a record is part of the member's story: no later birth closed its incarnation before its step."""
        for incarnation in range(record.incarnation + 1, self._newest.get(record.member, 0) + 1):
            birth = self.birth(record.member, incarnation)
            if birth is None:
                return False
            if record.step > birth.previous_step:
                return False
            if not birth.cause.resumes:
                break
        return True

    def records(self, member: int) -> list[Report]:
        """All records of the member that are kept, by incarnation and step."""
        return sorted(
            self._records.get(member, {}).values(), key=lambda record: (record.incarnation, record.step)
        )

    def counting(self, member: int) -> list[Report]:
        """The records of the member that count, by incarnation and step."""
        if member not in self._counting:
            self._counting[member] = [record for record in self.records(member) if self.counts(record)]
        return self._counting[member]

    def line_records(self, member: int) -> list[Report]:
        """The records of the member's line that count, by step."""
        incarnations = {birth.incarnation for birth in self.line(member)}
        found = (record for record in self.counting(member) if record.incarnation in incarnations)
        return sorted(found, key=lambda record: (record.step, record.round is None, record.incarnation))

    def newest_record(self, member: int) -> Report | None:
        """The newest record of the member's line."""
        records = self.line_records(member)
        return records[-1] if records else None

    def own_record(self, member: int) -> Report | None:
        """The newest record, if the member's newest incarnation wrote it."""
        birth, record = self.newest_birth(member), self.newest_record(member)
        return record if birth and record and record.incarnation == birth.incarnation else None

    def line_reports(self, member: int) -> list[Report]:
        """The ready reports among the records of the member's line, by step."""
        return [record for record in self.line_records(member) if record.round is not None]

    def position(self, member: int) -> int:
        """The step that the member has durably reached."""
        birth, record = self.newest_birth(member), self.newest_record(member)
        return max(birth.start_step if birth else 0, record.step if record else 0)

    def ready(self, number: int, schedule: Schedule) -> dict[int, Report]:
        """By member, the reports that count for round `number` after all decisions before it."""
        return {
            member: record
            for member in self.members
            for record in self.line_records(member)
            if record.round == number and record.step == schedule.step_of(number)
        }

    def rounds_seen(self) -> Iterable[int]:
        """The rounds for which some report is known, ascending."""
        found = {record.round for records in self._records.values() for record in records.values()}
        return sorted(number for number in found if number is not None)

    # rounds and the best

    def add_round(self, decided: Round) -> None:
        """Learns of a decided round."""
        if self._newest_round is None or decided.number > self._newest_round.number:
            self._newest_round = decided

    @property
    def newest_round(self) -> Round | None:
        """The newest decided round."""
        return self._newest_round

    @property
    def decided(self) -> int:
        """The number of the newest decided round, 0 before the first."""
        return self._newest_round.number if self._newest_round else 0

    def best(self, objective: Objective, *, up_to: int | None = None) -> Standing | None:
        """The best report that counts, ever; of equals the earliest step, then the lowest member.

        Args:
            objective: what is compared.
            up_to: leave out the reports of later rounds.
        """
        found = [self._newest_round.best] if self._newest_round and self._newest_round.best else []
        found += [
            standing
            for member in self.members
            for record in self.counting(member)
            if record.round is not None and (up_to is None or record.round <= up_to)
            if (standing := standing_of(record, objective)) is not None
        ]
        return min(
            found, key=lambda s: (-objective.utility(s.score), s.step, s.member, s.incarnation), default=None
        )

    def final(self, objective: Objective) -> Standing | None:
        """The best of the newest decided round; of equals the lowest member."""
        entries = self._newest_round.entries if self._newest_round else []
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

    def forget(self) -> None:
        """Drops records that no decision can need again: older than the newest round, and not a member's newest few."""
        self._counting.clear()
        for member in self._records:
            known = self.records(member)
            needed = [r for r in known if r.round is not None and r.round >= self.decided]
            self._records[member] = {r.key: r for r in [*known[-self._kept_per_member :], *needed]}


def standing_of(record: Report, objective: Objective) -> Standing | None:
    """A report as a scored checkpoint; None if its score isn't finite."""
    score = record.score(objective.metric)
    if score is None:
        return None
    return Standing(
        member=record.member,
        incarnation=record.incarnation,
        step=record.step,
        score=score,
        hyperparameters=record.hyperparameters,
        source=record.source,
    )
