"""How one sub-population stands, as the status says it."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from pbt_contract.records import Count, Record


class PartStatus(Record, frozen=True, kw_only=True):
    """One sub-population as it is now."""

    pace: Annotated[str, Meta(description="When its losers are replaced, as the spec says it.")]
    members: Annotated[Count, Meta(description="How many of its members live.")]
    due: Annotated[
        Count | UnsetType,
        Meta(description="The round in which they are replaced next; absent where they aren't any more."),
    ] = UNSET
    into: Annotated[
        Count | UnsetType,
        Meta(description="The number of the one that it is merged into, since too few of its members lived."),
    ] = UNSET
    score: Annotated[float | None, Meta(description="The best of its members' newest scores.")] = None
