"""Who is in the quorum: members that are not scaled away, not failed and not without a running pod for too long."""

from collections.abc import Mapping

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.timers import Timed, Timers
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec


class Living:
    """Times the pods that don't run."""

    def __init__(self, history: History) -> None:
        """Times nothing yet."""
        self._history, self._timers = history, Timers()

    def members(self, live: Mapping[int, Pod], spec: Spec, *, now: float) -> set[int]:
        """The members in the quorum; one that waits for its turn is living.

        Args:
            live: the pod of each member that hasn't ended.
            spec: what is asked.
            now: by a monotonic clock, in seconds.
        """
        self._timers.keep({pod.uid for pod in live.values()})
        found = set()
        for member in range(spec.members):
            birth = self._history.newest_birth(member)
            if birth is not None and birth.cause.closes:
                continue
            pod = live.get(member)
            # A watch may lag: who has recorded something in this life runs, whatever it shows.
            is_proven = self._history.own_record(member) is not None
            if pod is not None and pod.phase is Phase.PENDING and not is_proven:
                self._timers.start(Timed.PENDING, pod.uid, now)
                waited = self._timers.elapsed(Timed.PENDING, pod.uid, now)
                if waited > spec.schedule.straggler_timeout_seconds:
                    continue
            found.add(member)
        return found
