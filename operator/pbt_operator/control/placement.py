"""Which pods run: those that shouldn't are stopped, and the slots are shared out among the members that wait."""

from collections.abc import Callable, Mapping, Sequence

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, LifeName, Yield
from pbt_operator.control.events import Event
from pbt_operator.control.occupancy import asked_to_yield, has_left, lived
from pbt_operator.control.pods import Phase, Pod, Pods
from pbt_operator.control.restarts import Restarts, is_claimed, next_birth
from pbt_operator.control.timers import Timers
from pbt_operator.core.outcome import finished
from pbt_operator.core.round_record import Round
from pbt_operator.core.slots import Handover, Holder, Waiter, allot
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.records.repository import Repository

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
        repository: Repository,
        *,
        pods: Pods,
        ends: Restarts,
        timers: Timers,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Shares `ends` and `waits` with what accounts for pods that ended."""
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._ends, self._timers, self._clock, self._emit = ends, timers, clock, emit
        self.num_left = 0
        self._takeover: tuple[Round | None, float] | None = None

    def recognise(self, pod: Pod, spec: Spec) -> Pod:
        """The pod under the life that its process lives now; its labels are made to follow."""
        self._repository.learn_birth(pod.member, pod.incarnation)
        known = lived(self._repository, pod, ask=pod.ended and spec.shares_slots)
        if known != pod:
            self._timers.over("progress", pod.uid)
            self._pods.relabel(pod, member=known.member, incarnation=known.incarnation)
        return known

    def clear(self, live: Live, spec: Spec, *, ended: bool) -> None:
        """Stops all pods; of a population that ended, trainers that are through may end by themselves for a while."""
        self.num_left = 0
        for pod in live.values():
            through = ended and finished(self._history, pod.member, spec)
            if not through or self._timers.seconds("through", pod.uid, self._clock()) > TAKEOVER_SECONDS:
                self._pods.stop(pod)

    def place(self, live: Live, spec: Spec) -> None:
        """Stops what shouldn't run and starts what should."""
        self.num_left = 0
        asked = {member: asked_to_yield(self._repository, pod) for member, pod in live.items()}
        promised = {member: to for member, to in asked.items() if to is not None}
        self._supersede(live, promised, spec)
        self._fill(live, promised, spec)

    def _supersede(self, live: Live, promised: Mapping[int, Life], spec: Spec) -> None:
        """Stops the pods that shouldn't run what they run."""
        now = self._clock()
        later = self._left_to_later(live, spec)
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
                self._timers.over("takeover", pod.uid)
                self._watch_progress(pod, spec, now)
                self._watch_yield(pod, promised.get(member), now)
            elif spec.restart is Restart.RECREATE or birth.cause.resumes:
                self._pods.stop(pod)
            elif self._timers.seconds("takeover", pod.uid, now) > self._takeover_seconds():
                self._emit(
                    Event(
                        "TakeoverLate",
                        f"member {member} didn't swap to incarnation {birth.incarnation} in time: new pod",
                        member,
                    )
                )
                self._pods.stop(pod)

    def _left_to_later(self, live: Live, spec: Spec) -> set[int]:
        """Looks at once who has taken newer births, and tells whose pods are too many to be stopped in this pass."""
        newer = [
            birth
            for member, pod in live.items()
            if (birth := self._history.newest_birth(member)) is not None
            if birth.incarnation > pod.incarnation and not pod.stopping
        ]
        # In place each of them may take over by itself at any time; else they only wait to be stopped.
        most = len(newer) if spec.restart is Restart.IN_PLACE else STARTS_A_PASS
        self._repository.learn_claims(newer[:most])
        later = {birth.member for birth in newer[most:]}
        self.num_left += len(later)
        return later

    def _watch_yield(self, pod: Pod, to: Life | None, now: float) -> None:
        """Who doesn't go on as another member in time is stopped, as where every member has its own pod."""
        if to is None:
            self._timers.over("yield", pod.uid)
        elif self._timers.seconds("yield", pod.uid, now) > 2 * self._takeover_seconds():
            told = f"member {pod.member} didn't make room for member {to.member} in time: new pod"
            self._emit(Event("TakeoverLate", told, pod.member))
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
        claim = self._repository.claim(birth)
        return claim is not None and claim.pod == pod.uid

    def _watch_progress(self, pod: Pod, spec: Spec, now: float) -> None:
        """No record within the deadline counts as a crash, and so does a pod that can't start for as long."""
        if pod.phase is not Phase.RUNNING and not pod.stuck:
            return
        waited = self._timers.seconds("progress", pod.uid, now, at=self._history.position(pod.member))
        if waited > spec.schedule.progress_deadline_seconds:
            self._ends.hung.add(pod.uid)
            self._pods.stop(pod)

    def _fill(self, live: Live, promised: Mapping[int, Life], spec: Spec) -> None:
        """Shares the slots out: starts who waits, asks to yield who is ahead."""
        now = self._clock()
        taken = {*live, *(to.member for to in promised.values())}
        waiters = [
            Waiter(member=member, position=self._history.position(member))
            for member in range(spec.members)
            if member not in taken and self._may_start(member, spec, now)
        ]
        # Else nobody need yield, and looking takes requests.
        is_contested = len(waiters) > spec.slots - len(live)
        holders = [
            Holder(
                member=member,
                position=self._history.position(member),
                reported=is_contested and member not in promised and self._reported(pod),
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
        self._hand_over(allotment.yields, live, spec)
        for birth in self._births(allotment.start[:STARTS_A_PASS], spec).values():
            self._pods.start(birth)
        self.num_left += max(0, len(allotment.start) - STARTS_A_PASS)

    def _hand_over(self, handovers: Sequence[Handover], live: Live, spec: Spec) -> None:
        """Makes holders yield: to a member that their process goes on as where it can, else by their end."""
        asked = {
            handover.holder: handover.waiter
            for handover in handovers
            if handover.waiter is not None and self._can_ask(live[handover.holder], spec)
        }
        births = self._births(list(asked.values()), spec)
        for handover in handovers:
            member, whom = handover.holder, None
            if member in asked:
                to = births.get(asked[member])
                if to is None:
                    continue  # the waiter is lived somewhere after all
                whom = self._ask(member, to)
            if whom is None:
                self._pods.stop(live[member])
            told = f"member {member} is ahead at step {self._history.position(member)} and yields its slot"
            told += f" to member {whom.member}, in place" if whom is not None else ""
            self._emit(Event("Yielded", told, member))

    def _can_ask(self, pod: Pod, spec: Spec) -> bool:
        """Whether the process can go on as a member that waits; nobody is asked twice in one life."""
        own = self._history.newest_birth(pod.member)
        if not spec.shares_slots or own is None or not self._runs(pod, own):
            return False
        return next(self._repository.yields.known(pod.member, since=own.incarnation), None) is None

    def _ask(self, member: int, to: Birth) -> Life | None:
        """Asks the member's process to go on with a birth; returns with which it is to, as the store has it."""
        own = self._history.newest_birth(member)
        assert own is not None, "its process has claimed it"
        heir = LifeName(member=to.member, incarnation=to.incarnation)
        return self._repository.yields.write(Yield(member=member, incarnation=own.incarnation, to=heir))

    def _births(self, members: Sequence[int], spec: Spec) -> dict[int, Birth]:
        """The births to go on with, of those members that nobody lives."""
        newest = [self._history.newest_birth(member) for member in members]
        if any(birth is None or birth.cause is Cause.REMOVED for birth in newest):
            self._repository.learn_rounds()  # they are born from a donor
        self._repository.learn_claims(
            birth for birth in newest if birth is not None and not birth.cause.closes
        )
        claimed = {
            member: birth
            for member in members
            if is_claimed(self._repository, member)
            and (birth := self._history.newest_birth(member)) is not None
        }
        hidden = self._hidden(claimed)
        found = {
            member: next_birth(self._repository, member, spec, claimed=member in claimed)
            for member in members
            if member not in hidden
        }
        return {member: birth for member, birth in found.items() if birth is not None}

    def _hidden(self, claimed: Mapping[int, Birth]) -> set[int]:
        """Who is there all the same: in a pod that isn't seen yet, or one that is labelled as another member's.

        One that isn't seen yet and has ended counts as well: the next pass sees why.
        """
        if not claimed:
            return set()
        seen = {pod.uid for pod in self._pods.observe()}
        there = {
            pod.uid: lived(self._repository, pod)
            for pod in self._pods.look_again()
            if not (pod.ended and pod.uid in seen)
        }
        hidden = {pod.member for pod in there.values()} & claimed.keys()
        for member in claimed.keys() - hidden:
            birth = claimed[member]
            claim = self._repository.claim(birth)
            pod = there.get(claim.pod) if claim is not None else None
            life = Life(member=member, incarnation=birth.incarnation)
            if pod is not None and not has_left(self._repository, life, pod.uid):
                lived(self._repository, pod, ask=True)  # another operator has asked it: the next pass knows
                hidden.add(member)
        return hidden

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
