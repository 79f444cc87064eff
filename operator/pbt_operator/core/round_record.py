"""The record of a round: what was compared and what was decided. Decisions can be replayed from it, bit for bit."""

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import (
    FORMAT,
    Cause,
    Count,
    IncarnationNumber,
    MemberNumber,
    Record,
    Source,
    Value,
)


class Entry(Record, frozen=True, kw_only=True):
    """One member's ready report as the round compared it.

    Attributes:
        score: None if the objective was missing, NaN or infinite.
        values: the evaluations behind the score: one, or one for each episode.
        hyperparameters: as assigned; with the checkpoint of `source` they are what a copy takes.
        ancestor: the member's newest finite record, to go back to where nobody has a finite score.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    score: float | None
    values: list[float] = []
    source: Source
    hyperparameters: dict[str, Value]
    ancestor: "Standing | None" = None

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Standing(Record, frozen=True, kw_only=True):
    """A scored checkpoint with the hyperparameters that it was trained with last."""

    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    score: float
    hyperparameters: dict[str, Value]
    source: Source

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Decision(Record, frozen=True, kw_only=True):
    """One loser and what becomes of it.

    Attributes:
        source: the checkpoint that it goes on from; None where it is sampled anew.
        operations: what explore did, per hyperparameter.
        reason: one sentence for people.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    cause: Cause
    source: Source | None
    hyperparameters: dict[str, Value]
    operations: dict[str, str] = {}
    reason: str


class Round(Record, frozen=True, kw_only=True):
    """One comparison. Written once: the first write wins and everyone follows it.

    Attributes:
        spec: the number of the spec record with the parameters that it was decided with.
        entries: by member number.
        best: the best report that counted up to and including this round.
    """

    format: int = FORMAT
    number: Count
    step: Count
    spec: Count
    entries: list[Entry]
    decisions: list[Decision] = []
    best: Standing | None = None

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.round_(self.number)
