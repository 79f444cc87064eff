"""The newest episodes of a member: evaluations that end by themselves, such as the returns of reinforcement learning.

Episodes count in the order in which they started. In the order of their ends the first ones after an exploit would be
the short ones, and where a long life is a good one a newborn would look worse than its donor.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbt_contract.errors import UsageError
from pbt_contract.limits import MAX_EVALUATIONS


@dataclass(slots=True)
class _Place:
    """One episode in the order of starts; open until it has ended, was dropped, or isn't its member's any more."""

    is_open: bool = True
    value: float | None = None


class Episode:
    """One evaluation under way. One that is dropped, or that nobody holds any more, doesn't count."""

    def __init__(self, place: _Place, settle: Callable[[], None]) -> None:
        """Use `Window.start`."""
        self._place, self._settle = place, settle

    def end(self, value: float) -> None:
        """It has come to `value`. Ignored where it was dropped, or its member was replaced since it started.

        Args:
            value: a number; 0-d tensors and arrays too.
        """
        if self._place.is_open:
            self._place.value = float(value)
            self.drop()

    def drop(self) -> None:
        """It doesn't go on: its environment was reset, say."""
        if self._place.is_open:
            self._place.is_open = False
            self._settle()

    def __del__(self) -> None:
        """Else one that was forgotten would hold back all that started after it."""
        self.drop()


class Window:
    """The newest episodes of one member; it is tracked, and reported as it is.

        returns = pbt_trainer.Window(20, at_least=5)
        run.track(model=model, returns=returns)
        episode = returns.start()                # for each environment, at its reset
        episode.end(total)                       # at its end, and start the next one
        run.report({"return": returns})          # a list

    An episode counts once all that started before it have ended or were dropped. An exploit empties the window, for
    what it held was another policy's; a resume and a handover to another member bring that member's own back. Episodes
    that began before either of them end without counting.
    """

    def __init__(self, n: int, *, at_least: int) -> None:
        """Holds nothing yet.

        Args:
            n: how many episodes are reported, the newest ones.
            at_least: with fewer an empty list is reported: the member has no score yet. It isn't compared then, neither
                replaced nor copied.

        Raises:
            UsageError: `at_least` is not between 1 and `n`, or `n` is more than a report may hold.
        """
        if not 1 <= at_least <= n:
            raise UsageError(f"Window({n}, at_least={at_least}): at_least is between 1 and {n}")
        if n > MAX_EVALUATIONS:
            raise UsageError(f"Window({n}): a report holds {MAX_EVALUATIONS} evaluations at the most")
        self._at_least = at_least
        self._counted: deque[float] = deque(maxlen=n)
        self._started: deque[_Place] = deque()

    def start(self) -> Episode:
        """An episode begins. Hold what this returns until it ends."""
        self._started.append(_Place())
        return Episode(self._started[-1], self._settle)

    def values(self) -> list[float]:
        """The newest `n` that count, the oldest first; however few they are."""
        return list(self._counted)

    def tolist(self) -> list[float]:
        """What a report holds: `values`, or nothing where there are fewer than `at_least`."""
        return self.values() if len(self._counted) >= self._at_least else []

    def state_dict(self) -> dict[str, Any]:
        """The episodes that count. Those under way are the process's own."""
        return {"values": self.values()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with the episodes of a checkpoint; those under way here don't count any more."""
        self._begin_again(state["values"])

    def __pbt_exploited__(self) -> None:
        """See `pbt_trainer.state.tracked.Tracked.exploited`: what the donor's policy came to is not this one's."""
        self._begin_again([])

    def _begin_again(self, values: list[float]) -> None:
        for place in self._started:
            place.is_open = False
        self._started.clear()
        self._counted.clear()
        self._counted.extend(values)

    def _settle(self) -> None:
        while self._started and not self._started[0].is_open:
            value = self._started.popleft().value
            if value is not None:
                self._counted.append(value)
