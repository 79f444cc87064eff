"""The newest decided rounds: as many as the rules look at."""

from pbt_operator.core.round_record import Round


class NewestRounds:
    """A window of the decided rounds, in their order."""

    def __init__(self) -> None:
        """Knows none yet, and keeps one."""
        self._rounds: list[Round] = []
        self._most = 1

    def keep(self, most: int) -> None:
        """Keeps so many from now on."""
        self._most = most
        del self._rounds[:-most]

    def add(self, decided: Round) -> None:
        """Learns of a decided round, in any order."""
        if all(known.number != decided.number for known in self._rounds):
            self._rounds = sorted([*self._rounds, decided], key=lambda known: known.number)
            del self._rounds[: -self._most]

    @property
    def newest(self) -> Round | None:
        """The last one."""
        return self._rounds[-1] if self._rounds else None

    def before(self, number: int, *, most: int) -> list[Round]:
        """The last ones before round `number`, the oldest first; fewer than `most` where there are no more."""
        found = [known for known in self._rounds if known.number < number]
        return found[len(found) - min(most, len(found)) :]
