"""The ends of lives that are known: the newest few of each member."""

from collections.abc import Iterator, Sequence

from pbt_contract.keys import Life
from pbt_operator.core.end_record import End

ENDS_KEPT = 16


class KnownEnds:
    """How the newest lives of each member ended, as far as it is known."""

    def __init__(self) -> None:
        """Knows none yet."""
        self._ends: dict[int, dict[int, End]] = {}

    def add(self, end: End) -> None:
        """Learns of an end, in any order."""
        found = self._ends.setdefault(end.member, {})
        found[end.incarnation] = end
        for old in sorted(found)[:-ENDS_KEPT]:
            del found[old]

    def get(self, life: Life) -> End | None:
        """How a life ended, if it is known."""
        return self._ends.get(life.member, {}).get(life.incarnation)

    def of(self, member: int) -> Sequence[End]:
        """The member's, the newest first."""
        found = self._ends.get(member, {})
        return [found[incarnation] for incarnation in sorted(found, reverse=True)]

    def __iter__(self) -> Iterator[End]:
        """All of them, by member."""
        return (end for member in sorted(self._ends) for end in self.of(member))
