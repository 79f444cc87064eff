"""The hyperparameters that a script reads, with an account of where it read them: what a change of each can reach."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from pbt_contract.records import Value
from pbt_trainer.session.forked_reads import ForkedReads
from pbt_trainer.session.reader import place_of_reader

T = TypeVar("T")
_LISTED = 3  # names in a sentence


class Hyperparameters(Mapping[str, Value]):
    """One mapping for the whole life of a run; a takeover in place replaces its values.

    Whoever takes all of it (`dict`, `**`, iterating, a copy, a pickle) has read every name. Printing it, `len`, `in`
    and `peek` read none.

    Attributes:
        looping: whether the loop has begun. What is read from then on, is read again after each takeover.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.looping = False
        self._values = dict(values)
        self._read: set[str] = set()
        self._before: dict[str, str] = {}  # where each was read that a change can't reach
        self._copied: dict[str, str] = {}  # where each was copied or pickled
        self._unseen: dict[str, str] = {}  # where each was put into something whose reads can't be seen
        self._followers: list[Callable[[Mapping[str, Value]], None]] = []
        self._reaching = 0  # within how many calls that are made again after a takeover
        self._forks = ForkedReads.none()

    @classmethod
    def watched(cls, values: Mapping[str, Value]) -> Self:
        """Such a mapping that also notices what forked processes read."""
        hyperparameters = cls(values)
        hyperparameters._forks = ForkedReads.watch(values)
        return hyperparameters

    def __getitem__(self, name: str) -> Value:
        value = self._values[name]
        self._note([name])
        return value

    def __iter__(self) -> Iterator[str]:
        self._note(self._values)
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Hyperparameters({self._values})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Who gets the copy has the values as they are now, even where the loop made it: a spawned worker, say.
        if not self._reaching:
            place = place_of_reader()
            for name in self._values:
                self._copied.setdefault(name, place)
        self._note(self._values)
        return (dict, (dict(self._values),))

    def peek(self) -> dict[str, Value]:
        """All values, without counting as a reader."""
        return dict(self._values)

    def replace(self, values: Mapping[str, Value]) -> None:
        """New values for some names."""
        self._values.update(values)
        for follow in self._followers:
            follow(self._values)

    def follow(self, follower: Callable[[Mapping[str, Value]], None]) -> None:
        """Calls the function with all values, now and after each `replace`; nothing is counted as read by that."""
        follower(self._values)
        self._followers.append(follower)

    def note(self, names: Collection[str]) -> None:
        """Something read these names elsewhere, where they follow this mapping."""
        self._note(names)

    def note_unseen(self, names: Collection[str], *, kind: str) -> None:
        """From here these names are read in an object of this kind, and nobody sees when."""
        self._read.update(names)
        place = place_of_reader()
        for name in names:
            self._unseen.setdefault(name, f"{place} to a {kind}")

    @property
    def read(self) -> set[str]:
        """The names that were ever read."""
        return self._read | self._forks.names

    @contextmanager
    def noticing(self) -> Iterator[set[str]]:
        """The names that this process reads within the block."""
        before, self._read = self._read, set()
        try:
            yield self._read
        finally:
            self._read = before | self._read

    @contextmanager
    def reaching(self) -> Iterator[None]:
        """For calls that are made again after each takeover, the build function's and hooks': a change reaches them."""
        self._reaching += 1
        try:
            yield
        finally:
            self._reaching -= 1

    def reached(self, function: Callable[..., T]) -> Callable[..., T]:
        """The function, with all of its reads `reaching`."""

        @functools.wraps(function)
        def call(*arguments: Any, **named: Any) -> T:
            with self.reaching():
                return function(*arguments, **named)

        return call

    def baked_in(self, names: Collection[str]) -> str | None:
        """Why a change of these names can't reach the running loop, for people; None if it can.

        It can if, since the process began, they were read in the loop only, or by what is called again.
        """
        before = {name: place for name, place in self._before.items() if name in names}
        if before:
            told = [f"`{name}` was read at {place}" for name, place in sorted(before.items())]
            return f"{_listed(told)}, before the loop"
        copied = {name: place for name, place in self._copied.items() if name in names}
        if copied:
            told = [f"`{name}` was copied at {place}" for name, place in sorted(copied.items())]
            return f"{_listed(told)}: the copy keeps its value"
        unseen = {name: place for name, place in self._unseen.items() if name in names}
        if unseen:
            told = [f"`{name}` was bound at {place}" for name, place in sorted(unseen.items())]
            return f"{_listed(told)}, which doesn't show who reads it"
        forked = sorted(self._forks.names & set(names))
        if forked:
            told = [f"`{name}`" for name in forked]
            return f"{_listed(told)} was read by a forked process, which keeps its value"
        return None

    def _note(self, names: Collection[str]) -> None:
        self._read.update(names)
        if self._forks.here:
            self._forks.note(names)
        elif not (self.looping or self._reaching) and not self._before.keys() >= set(names):
            place = place_of_reader()
            for name in names:
                self._before.setdefault(name, place)


def _listed(told: list[str]) -> str:
    shown, more = told[:_LISTED], len(told) - _LISTED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
