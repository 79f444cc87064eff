"""The record by which the process of a member is asked to go on with another birth."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.keys import Life, Request
from pbt_contract.records import FORMAT, IncarnationNumber, MemberNumber, Record


class LifeName(Record, frozen=True, kw_only=True):
    """A life as a record names it."""

    member: MemberNumber
    incarnation: IncarnationNumber

    @property
    def life(self) -> Life:
        """The life that it names."""
        return Life(self.member, self.incarnation)


class Yield(Record, frozen=True, kw_only=True):
    """Asks the process of an incarnation to continue with another birth.

    Mostly it is another member's, and its own member then waits for a slot. A later one of its own member is what
    follows its life: there is nothing left to save.

    Attributes:
        format: of the record.
        member: whose process is asked.
        incarnation: the life that the process has now.
        to: whose birth it is to claim.
        number: which request to this life it is; absent in the first one. The one before came to nothing: another
            process has claimed what it was to claim.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    to: LifeName
    number: Annotated[int, msgspec.Meta(ge=2, le=keys.MOST_REQUESTS)] | UnsetType = UNSET

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def request(self) -> Request:
        """Which one it is."""
        return Request(
            self.member, self.incarnation, 1 if isinstance(self.number, UnsetType) else self.number
        )

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.yielded(*self.request)
