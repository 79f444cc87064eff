"""Which pods run: those that shouldn't are stopped, and the slots are shared out among the members that wait."""

from collections.abc import Callable, Sequence

from pbt_operator.core.round import Round
from pbt_operator.core.slots import Holder, Waiter, allot
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.events import Event
from pbt_operator.journal import Journal
from pbt_operator.lives import Ends, finished, is_claimed, next_birth
from pbt_operator.pods import Phase, Pod, Pods
from pbt_operator.waits import Waits
from pbt_trainer.records import Birth, Cause

STARTS_A_PASS = 128  # each takes requests, and what has begun is to go on meanwhile
TAKEOVER_SECONDS = 60.0  # how long a process may take to swap in place, at the least

Live = dict[int, Pod]
"""The pod of each member that hasn't ended."""


class Placement:
    """Makes the pods of one population what its births ask for.

    Attributes:
        num_left: how many members could start or be stopped at once and are left to the next pass.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        pods: Pods,
        ends: Ends,
        waits: Waits,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Shares `ends` and `waits` with what accounts for pods that ended."""
        self._journal, self._history, self._pods = journal, journal.history, pods
        self._ends, self._waits, self._clock, self._emit = ends, waits, clock, emit
        self.num_left = 0
        self._takeover: tuple[Round | None, float] | None = None

    def clear(self, live: Live, spec: Spec, *, ended: bool) -> None:
        """Stops all pods; of a population that ended, trainers that are through may end by themselves for a while."""
        self.num_left = 0
        for pod in live.values():
            through = ended and finished(self._history, pod.member, spec)
            if not through or self._waits.seconds("through", pod.uid, self._clock()) > TAKEOVER_SECONDS:
                self._pods.stop(pod)

    def place(self, live: Live, spec: Spec) -> None:
        """Stops what shouldn't run and starts what should."""
        self.num_left = 0
        self._supersede(live, spec)
        self._fill(live, spec)

    def _supersede(self, live: Live, spec: Spec) -> None:
        """Stops the pods that shouldn't run what they run."""
        now = self._clock()
        newer = [
            birth
            for member, pod in live.items()
            if (birth := self._history.newest_birth(member)) is not None
            if birth.incarnation > pod.incarnation and not pod.stopping
        ]
        # In place each of them may take over by itself at any time; else they only wait to be stopped.
        most = len(newer) if spec.restart is Restart.IN_PLACE else STARTS_A_PASS
        self._journal.learn_claims(newer[:most])
        later = {birth.member for birth in newer[most:]}
        self.num_left += len(later)
        for member, pod in live.items():
            if member in later:
                continue
            birth = self._history.newest_birth(member)
            if pod.stopping:
                continue
            # Who may create pods here may also label them as a member's that was never born.
            if birth is None or birth.cause.closes or (pod.incarnation > birth.incarnation):
                self._pods.stop(pod)
            elif pod.incarnation == birth.incarnation or self._runs(pod, birth):
                self._waits.over("takeover", pod.uid)
                self._watch_progress(pod, spec, now)
            elif spec.restart is Restart.RECREATE or birth.cause.resumes:
                self._pods.stop(pod)
            elif self._waits.seconds("takeover", pod.uid, now) > self._takeover_seconds():
                self._emit(
                    Event(
                        "TakeoverLate",
                        f"member {member} didn't swap to incarnation {birth.incarnation} in time: new pod",
                        member,
                    )
                )
                self._pods.stop(pod)

    def _takeover_seconds(self) -> float:
        """Half of the longest interval of the newest round; worked out once for a round."""
        newest = self._history.newest_round
        if self._takeover is None or self._takeover[0] is not newest:
            self._takeover = (newest, self._longest_takeover(newest))
        return self._takeover[1]

    def _longest_takeover(self, newest: Round | None) -> float:
        seconds = [
            record.seconds
            for entry in (newest.entries if newest else [])
            if (record := self._history.record(entry.member, entry.source.record)) is not None
        ]
        return max([TAKEOVER_SECONDS, *(s / 2 for s in seconds)])

    def _runs(self, pod: Pod, birth: Birth) -> bool:
        claim = self._journal.claim(birth)
        return claim is not None and claim.pod == pod.uid

    def _watch_progress(self, pod: Pod, spec: Spec, now: float) -> None:
        """No record within the deadline counts as a crash, and so does a pod that can't start for as long."""
        if pod.phase is not Phase.RUNNING and not pod.stuck:
            return
        waited = self._waits.seconds("progress", pod.uid, now, at=self._history.position(pod.member))
        if waited > spec.schedule.progress_deadline_seconds:
            self._ends.hung.add(pod.uid)
            self._pods.stop(pod)

    def _fill(self, live: Live, spec: Spec) -> None:
        """Shares the slots out: starts who waits, asks to yield who is ahead."""
        now = self._clock()
        waiters = [
            Waiter(member=member, position=self._history.position(member))
            for member in range(spec.members)
            if member not in live and self._may_start(member, spec, now)
        ]
        is_contested = len(waiters) > spec.slots - len(
            live
        )  # else nobody need yield, and looking takes requests
        holders = [
            Holder(
                member=member,
                position=self._history.position(member),
                reported=is_contested and self._reported(pod),
                leaving=pod.stopping,
            )
            for member, pod in live.items()
        ]
        allotment = allot(
            slots=spec.slots,
            holders=holders,
            waiters=waiters,
            interval_steps=spec.schedule.interval_steps,
        )
        for member in allotment.yields:
            told = f"member {member} is ahead at step {self._history.position(member)} and yields its slot"
            self._emit(Event("Yielded", told, member))
            self._pods.stop(live[member])
        self._start(allotment.start[:STARTS_A_PASS], spec)
        self.num_left += max(0, len(allotment.start) - STARTS_A_PASS)

    def _start(self, members: Sequence[int], spec: Spec) -> None:
        """Starts members that have no live pod; who claimed a birth may be there all the same, and not seen yet."""
        births = (self._history.newest_birth(member) for member in members)
        self._journal.learn_claims(birth for birth in births if birth is not None and not birth.cause.closes)
        claimed = {member for member in members if is_claimed(self._journal, member)}
        hidden = claimed - self._pods.vacant(claimed)
        for member in members:
            if member in hidden:
                continue
            birth = next_birth(self._journal, member, spec, claimed=member in claimed)
            if birth is not None:
                self._pods.start(birth)

    def _reported(self, pod: Pod) -> bool:
        """Whether the pod's process has made a ready report since it started or took over."""
        birth, record = self._history.newest_birth(pod.member), self._history.own_record(pod.member)
        return bool(birth and record and record.round is not None and self._runs(pod, birth))

    def _may_start(self, member: int, spec: Spec, now: float) -> bool:
        birth = self._history.newest_birth(member)
        if birth is not None and birth.cause is Cause.FAILED:
            return False
        if finished(self._history, member, spec):
            return False
        return now >= self._ends.not_before.get(member, now)
