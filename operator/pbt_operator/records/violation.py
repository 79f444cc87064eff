"""What an audit finds wrong, and in which record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a population's records.

    Attributes:
        invariant: the number of the invariant that doesn't hold (see `pbt_operator.records.audit`).
        key: the record that shows it.
        what: one sentence for people, without the key.
    """

    invariant: int
    key: str
    what: str

    def __str__(self) -> str:
        """`rounds/0000003.json: its decisions don't follow from its scores`."""
        return f"{self.key}: {self.what}"
