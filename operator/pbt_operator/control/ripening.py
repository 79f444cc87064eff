"""Which round is to be decided next, and how long those that have their quorum wait for the others."""

from collections.abc import Callable, Container, Hashable, Sequence, Set

from pbt_operator.control.timers import Timed, Timers
from pbt_operator.core import quorum
from pbt_operator.core.history import History
from pbt_operator.core.lead import reach
from pbt_operator.core.quorum import Attendance
from pbt_operator.core.spec import Spec


class Ripening:
    """Times the rounds that have their quorum.

    Attributes:
        awaited: whose reports the round waits for that lacked the fewest in the last look; empty if none waits.
        seconds_left: how long it takes at the most until a round is ripe that has its quorum; None if none has.
    """

    def __init__(self, history: History, *, clock: Callable[[], float]) -> None:
        """Takes what is known, and a monotonic clock in seconds."""
        self._history, self._clock = history, clock
        self._timers = Timers()
        self.awaited: frozenset[int] = frozenset()
        self.seconds_left: float | None = None

    def keep(self, rounds: Container[Hashable]) -> None:
        """Forgets all rounds but these."""
        self._timers.keep(rounds)

    def next(self, spec: Spec, living: Set[int]) -> Attendance | None:
        """The round that is to be decided now; None if none is ripe.

        With quorum 100 the rounds are decided in order. Below it they are too, as far as members may have trained
        ahead. Where the newest ripe one is beyond that, it is decided and what is older is skipped for good, so that an
        outage throws nobody back.
        """
        self.awaited, self.seconds_left = frozenset(), None
        numbers = quorum.candidates(self._history, spec, living=living)
        if spec.schedule.quorum_percent >= 100:
            return self._oldest(numbers, spec, living)
        newest = self._newest(numbers, spec, living)
        if newest is None or newest.number > reach(self._history.newest_round, spec):
            return newest
        return self._oldest([number for number in numbers if number <= newest.number], spec, living)

    def _newest(self, numbers: Sequence[int], spec: Spec, living: Set[int]) -> Attendance | None:
        looks = (self._look(number, spec, living) for number in reversed(numbers))
        return next((attendance for attendance, is_ripe in looks if is_ripe), None)

    def _oldest(self, numbers: Sequence[int], spec: Spec, living: Set[int]) -> Attendance | None:
        """The first one of these that is ripe, unless one before it is waited for.

        With quorum 100 that is one that anybody may still report, below it one that has its quorum.
        """
        for number in numbers:
            attendance, is_ripe = self._look(number, spec, living)
            if is_ripe:
                return attendance
            percent = spec.schedule.quorum_percent
            if attendance.awaited if percent >= 100 else attendance.has_quorum(percent):
                return None
        return None

    def _look(self, number: int, spec: Spec, living: Set[int]) -> tuple[Attendance, bool]:
        """Who has reported a round, and whether it is ripe."""
        percent, now = spec.schedule.quorum_percent, self._clock()
        attendance = quorum.attend(self._history, spec, number, living=living)
        if attendance.awaited and not 0 < len(self.awaited) <= len(attendance.awaited):
            self.awaited = frozenset(attendance.awaited)
        if not attendance.has_quorum(percent):
            return attendance, False
        self._timers.start(Timed.QUORUM, number, now)
        left = attendance.wait_seconds() - self._timers.elapsed(Timed.QUORUM, number, now)
        if left > 0:
            self.seconds_left = left if self.seconds_left is None else min(left, self.seconds_left)
        return attendance, left <= 0
