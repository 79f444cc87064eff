"""Who is in the quorum: members that are not scaled away, not failed and not without a running pod for too long.

Whoever waits for its turn is in it, however long. At quorum 100 nobody is left out: the manifest asks for all of them.
"""

from pbt_operator.control.look import Seen
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.timers import Timed, Timers
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec


class Living:
    """Times the pods that don't run."""

    def __init__(self, history: History) -> None:
        """Times nothing yet."""
        self._history, self._timers = history, Timers()

    def members(self, seen: Seen, spec: Spec, *, now: float) -> set[int]:
        """The members in the quorum.

        Args:
            seen: the pods.
            spec: what is asked.
            now: by a monotonic clock, in seconds.
        """
        self._timers.keep({pod.uid for pod in seen.live.values()})
        found = set()
        for member in range(spec.members):
            birth = self._history.newest_birth(member)
            if birth is not None and birth.cause.closes:
                continue
            if not self._is_missing(seen.live.get(member), seen, spec, now):
                found.add(member)
        return found

    def _is_missing(self, pod: Pod | None, seen: Seen, spec: Spec, now: float) -> bool:
        """Whether the pod should have run long ago: it was given a place, or nobody can make room for it."""
        if pod is None or pod.phase is not Phase.PENDING or spec.schedule.quorum_percent >= 100:
            return False
        # A watch may lag: who has recorded something in this life runs, whatever it shows.
        is_proven = self._history.own_record(pod.member) is not None
        waits_for_turn = pod.unplaced_for is not None and seen.makes_room
        if is_proven or waits_for_turn:
            self._timers.stop(Timed.PENDING, pod.uid)
            return False
        self._timers.start(Timed.PENDING, pod.uid, now)
        return self._timers.elapsed(Timed.PENDING, pod.uid, now) > spec.schedule.straggler_timeout_seconds
