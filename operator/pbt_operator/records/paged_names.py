"""Listings that go on over several passes, and short ones that are broken off: anybody may have put names there."""

from collections.abc import Callable, Iterator
from itertools import islice

from pbt_contract import keys
from pbt_contract.errors import RecordRefused
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance

NAMES_A_READ = 1000  # a page of an object store's listing takes as long as a record
MOST_NUMBERED = 10_000
"""Specs, owners or results of one location: each is made by a person, or ends a population."""


class PagedNames:
    """A listing, as much of it in a pass as its allowance has room for.

    Attributes:
        is_whole: whether it was read to its end.
    """

    def __init__(self, names: Callable[[str], Iterator[str]]) -> None:
        """Takes what lists the names that sort after another one; ascending."""
        self._names, self._after, self.is_whole = names, "", False

    @classmethod
    def below(cls, store: Store, prefix: str) -> "PagedNames":
        """The names below a prefix."""
        return cls(lambda after: store.names(prefix, start_after=after))

    def go_on(self, allowance: Allowance) -> Iterator[str]:
        """More names; a page of them counts as a read. Nothing once it `is_whole`."""
        if self.is_whole:
            return
        for number, key in enumerate(self._names(self._after), start=1):
            self._after = key
            yield key
            if number % NAMES_A_READ == 0:
                allowance.spend(reads=1)
                if allowance.is_spent:
                    return
        allowance.spend(reads=1)
        self.is_whole = True


def newest_number(store: Store, prefix: str) -> int:
    """The highest number of the specs, owners or results of a location; 0 if there is none.

    Raises:
        RecordRefused: there are more names than such records can have.
    """
    return max(numbers(store, prefix), default=0)


def numbers(store: Store, prefix: str) -> list[int]:
    """All of them, ascending; raises as `newest_number`."""
    names = list(islice(store.names(prefix), MOST_NUMBERED + 1))
    if len(names) > MOST_NUMBERED:
        raise RecordRefused(
            f"{prefix}: there are more than {MOST_NUMBERED} names, which no population has written: "
            "remove what doesn't belong there"
        )
    return sorted(keys.numbers(names))
