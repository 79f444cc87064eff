"""What a history has learned since somebody looked last, for those who count it: nobody need look through all of it."""

from dataclasses import dataclass, field

from pbt_contract.records import Birth, Report


@dataclass
class Feed:
    """Births and records in the order in which they were learned.

    Attributes:
        births: each is the newest of its member when it is learned.
        records: one that was forgotten may be learned again.
    """

    births: list[Birth] = field(default_factory=list)
    records: list[Report] = field(default_factory=list)

    def take_births(self) -> list[Birth]:
        """Those since the last call, by member and incarnation."""
        found, self.births = self.births, []
        return sorted(found, key=lambda birth: birth.life)

    def take_records(self) -> list[Report]:
        """Those since the last call, by member, incarnation and step."""
        found, self.records = self.records, []
        return sorted(found, key=lambda record: (record.member, record.incarnation, record.step))
