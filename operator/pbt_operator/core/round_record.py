"""The record of a round: what was compared and what was decided. Decisions can be replayed from it."""

from typing import Any

from msgspec import UNSET, UnsetType

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
        ended: the member is done: it may be copied, and is not replaced. Absent otherwise.
        unscored: it reported an empty list, since it has too few evaluations so far: it is neither copied nor replaced.
            Absent otherwise.
        sub_population: which one it belongs to in this round, merges included. Absent where there are none.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    score: float | None
    values: list[float] = []
    source: Source
    hyperparameters: dict[str, Value]
    ancestor: "Standing | None" = None
    ended: bool | UnsetType = UNSET
    unscored: bool | UnsetType = UNSET
    sub_population: Count | UnsetType = UNSET

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def stays(self) -> bool:
        """Whether the member isn't replaced, whatever its score."""
        return self.ended is True or self.unscored is True


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
        migrated: it takes its weights from another sub-population, unexplored. Absent otherwise.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    cause: Cause
    source: Source | None
    hyperparameters: dict[str, Value]
    operations: dict[str, str] = {}
    reason: str
    migrated: bool | UnsetType = UNSET


class Beaten(Record, frozen=True, kw_only=True):
    """One member that lost, as an exploit said it.

    Attributes:
        donors: whom it may copy, in the order that one is drawn from.
    """

    member: MemberNumber
    donors: list[MemberNumber]
    why: str


class Proposal(Record, frozen=True, kw_only=True):
    """What an exploit whose replay is recorded said about a round.

    Attributes:
        inputs: what it was computed from, beyond the round's entries, in the rule's own words.
    """

    inputs: dict[str, Any] = {}
    beaten: list[Beaten]


class ProposedMove(Record, frozen=True, kw_only=True):
    """What an explore whose replay is recorded said about one member.

    Attributes:
        copied: the hyperparameters that it was given.
        inputs: what it was computed from beyond those and the round's entries, in the rule's own words.
        hyperparameters: its answer, before what is missing or outside its space was resampled.
        operations: in words, per hyperparameter.
        why: what the decision's reason ends with; absent where it ends without.
    """

    member: MemberNumber
    copied: dict[str, Value]
    inputs: dict[str, Any] = {}
    hyperparameters: dict[str, Value]
    operations: dict[str, str]
    why: str | UnsetType = UNSET


class Recorded(Record, frozen=True, kw_only=True):
    """What a replay of a round can't recompute from its entries.

    Attributes:
        earlier: the numbers of the earlier rounds that the rules looked at, ascending.
        exploit: absent where the exploit's replay is exact.
        explore: by the order in which the members were decided; empty where the explore's replay is exact.
    """

    earlier: list[Count] = []
    exploit: Proposal | UnsetType = UNSET
    explore: list[ProposedMove] = []


class Crashed(Record, frozen=True, kw_only=True):
    """One life that ended by its own fault, with the hyperparameters that it crashed with.

    Attributes:
        blamed: whether its hyperparameters, or weights and hyperparameters, were replaced for that.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    hyperparameters: dict[str, Value]
    blamed: bool

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)


class Turn(Record, frozen=True, kw_only=True):
    """How one sub-population stands in a round.

    Attributes:
        since: the newest round before this one in which its losers were replaced; 0 if there was none.
        due: from which round on they are replaced again, as it was planned when this round was compared.
        decides: they are replaced in this round: it is due, and those of its members that it asks for had reported.
        into: the number of the one that it is merged into, from this round on, since too few of its members lived.
            Absent otherwise.
    """

    since: Count
    due: Count
    decides: bool = False
    into: Count | UnsetType = UNSET


class Round(Record, frozen=True, kw_only=True):
    """One comparison. Written once: the first write wins and everyone follows it.

    Attributes:
        spec: the number of the spec record with the parameters that it was decided with.
        entries: by member number.
        best: the best report that counted up to and including this round.
        due: with a horizon, from which round on losers are replaced again, as it was planned when this round was
            compared: they are replaced in this one if it isn't below. Absent without a horizon.
        recorded: absent where entries and spec are all that a replay needs, as with most rules.
        crashed: the lives that crashed after the decided round before it, as far as its operator knew: two operators at
            once may both say so of a life, in different rounds. Absent without any.
        sub_populations: one after the other, the merged ones included. Absent where there are none.
    """

    format: int = FORMAT
    number: Count
    step: Count
    spec: Count
    entries: list[Entry]
    decisions: list[Decision] = []
    best: Standing | None = None
    due: Count | UnsetType = UNSET
    recorded: Recorded | UnsetType = UNSET
    crashed: list[Crashed] | UnsetType = UNSET
    sub_populations: list[Turn] | UnsetType = UNSET

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.round_(self.number)
