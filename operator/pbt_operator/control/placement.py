"""Station "place": which pods run. Those that shouldn't are stopped, and the slots are shared among who waits.

What is done is chosen by pure functions (`tenancy`, `sharing`, `core.slots`); here they get what they need to know, and
what they choose is asked of the pods.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control import sharing, tenancy
from pbt_operator.control.account import Accounting
from pbt_operator.control.demand import Demand
from pbt_operator.control.events import Event
from pbt_operator.control.handing_over import HandingOver
from pbt_operator.control.knowledge import READS_OF_A_START, Knowledge, Live
from pbt_operator.control.look import Seen
from pbt_operator.control.occupancy import asked_for, has_claimed, lived
from pbt_operator.control.pods import Phase, Pod, Pods
from pbt_operator.control.record import Recorder
from pbt_operator.control.tenancy import Stay, Tenant, Waited
from pbt_operator.control.timers import Timed, Timers
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.gates import is_at_bound
from pbt_operator.core.outcome import finished
from pbt_operator.core.round_record import Round
from pbt_operator.core.slots import Handover, Holder, allot
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.records.repository import Repository

STARTS_A_PASS = 128  # each takes requests, and what has begun is to go on meanwhile


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
        accounting: Accounting,
        recorder: Recorder,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        """Takes a repository that was loaded; `accounting` is told of processes that hang, and says who has to wait."""
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._accounting = accounting
        self._vacancies = Vacancies(repository, pods=pods, accounting=accounting, recorder=recorder)
        self._handing_over = HandingOver(repository, recorder=recorder, vacancies=self._vacancies)
        self._knowledge = Knowledge(repository)
        self._demand = Demand(pods, vacancies=self._vacancies, knowledge=self._knowledge, stop=self._stop)
        self._clock, self._emit = clock, emit
        self._timers = Timers()
        self._takeover: tuple[Round | None, float] | None = None
        self._late: dict[str, Life] = {}  # by pod, whom its process was asked to go on as
        self.num_left = 0

    @property
    def late(self) -> Collection[str]:
        """The pods that keep their place though their processes didn't make room when they were asked."""
        return self._late.keys()

    def clear(self, seen: Seen, spec: Spec, *, ended: bool) -> None:
        """Stops all pods; of a population that ended, trainers that are through may end by themselves for a while."""
        self.num_left, now, live = 0, self._clock(), seen.live
        for pod in (*seen.demand, *seen.leaving):
            self._stop(pod)
        self._timers.keep({pod.uid for pod in live.values()})
        for pod in live.values():
            through = ended and finished(self._history, pod.member, spec)
            if through:
                self._timers.start(Timed.THROUGH, pod.uid, now)
            waited = self._timers.elapsed(Timed.THROUGH, pod.uid, now)
            if not through or waited > tenancy.TAKEOVER_SECONDS:
                self._stop(pod)

    def place(self, seen: Seen, spec: Spec, allowance: Allowance) -> None:
        """Stops what shouldn't run and starts what should, as far as the allowance goes."""
        self.num_left, live = 0, seen.live
        self._timers.keep({pod.uid for pod in live.values()})
        found = {member: asked_for(self._repository, pod) for member, pod in live.items()}
        asked = {member: to for member, to in found.items() if to is not None}
        self._late = {uid: to for m, to in asked.items() if self._late.get(uid := live[m].uid) == to}
        asked = {member: to for member, to in asked.items() if live[member].uid not in self._late}
        self._supersede(seen, asked, spec, allowance)
        # Who is asked to go on with what follows its own life makes no room.
        heirs = {member: to for member, to in asked.items() if to.member != member}
        self._fill(seen, heirs, spec, allowance)

    def _stop(self, pod: Pod) -> None:
        self._accounting.asked.add(pod.uid)
        self._pods.stop(pod)

    def _supersede(self, seen: Seen, asked: Mapping[int, Life], spec: Spec, allowance: Allowance) -> None:
        """Stops the pods that shouldn't run what they run."""
        now, live = self._clock(), seen.live
        # Each of them may take over by itself at any time, in place or asked; else they only wait to be stopped.
        may_take_over = seen.lacks_room or spec.restart is Restart.IN_PLACE
        stops = None if may_take_over else STARTS_A_PASS
        later = self._knowledge.learn_successors(live, allowance, most=stops)
        self.num_left += 0 if may_take_over else len(later)
        for member, pod in live.items():
            if member in later:
                continue
            tenant = self._tenant(pod, asked.get(member), spec, keeps=seen.lacks_room)
            waited, most = self._time(tenant, spec, now), self._takeover_seconds()
            notice = tenancy.notice_of(tenant, spec, waited, takeover_seconds=most, keeps=seen.lacks_room)
            # Who has gone on as another member since the look lives no life that is over: the next pass finds it there.
            if notice is None or lived(self._repository, pod) != pod:
                continue
            if notice.hung:
                self._accounting.hung.add(pod.uid)
                self._accounting.unstarted |= {pod.uid} if pod.phase is Phase.PENDING else set()
            if notice.event is not None:
                self._emit(notice.event)
            if notice.stops:
                self._stop(pod)
            elif tenant.heir is not None:
                self._late[pod.uid] = tenant.heir

    def _tenant(self, pod: Pod, asked: Life | None, spec: Spec, *, keeps: bool) -> Tenant:
        birth = self._history.newest_birth(pod.member)
        is_newer = birth is not None and birth.incarnation > pod.incarnation and not pod.stopping
        has_claimed = is_newer and self._has_claimed(pod, birth)
        is_asked = False
        if birth is not None and is_newer and not has_claimed and spec.restart is Restart.RECREATE:
            is_asked = asked is not None or (keeps and self._handing_over.follows(pod, birth))
        return Tenant(
            pod,
            birth,
            has_claimed=has_claimed,
            heir=asked if asked is not None and asked.member != pod.member else None,
            is_asked=is_asked,
        )

    def _has_claimed(self, pod: Pod, birth: Birth | None) -> bool:
        claim = self._repository.claim(birth) if birth is not None else None
        return claim is not None and claim.pod == pod.uid

    def _time(self, tenant: Tenant, spec: Spec, now: float) -> Waited:
        """Starts and stops the pod's timers as it stands, and reads them."""
        stay, timers, uid, member = tenant.stay(spec), self._timers, tenant.pod.uid, tenant.pod.member
        if stay is Stay.TO_SWAP and tenant.birth is not None and tenant.is_to_progress:
            # No pass need have seen it at home in between; it looks for this birth once it has begun the one before.
            at = (tenant.birth.life, has_claimed(self._repository, tenant.pod))
            timers.start(Timed.TAKEOVER, uid, now, at=at)
        elif stay is Stay.HOME:
            timers.stop(Timed.TAKEOVER, uid)
            if tenant.pod.phase is Phase.RUNNING and self._waits(member, spec):
                timers.stop(Timed.PROGRESS, uid)
            elif tenant.is_to_progress:  # a record starts it again, and so does another member
                timers.start(Timed.PROGRESS, uid, now, at=(member, self._history.position(member)))
            else:  # what is only slow to start may take as long as it takes
                timers.stop(Timed.PROGRESS, uid)
            if tenant.heir is None:
                timers.stop(Timed.YIELD, uid)
            else:
                timers.start(Timed.YIELD, uid, now, at=tenant.heir)
        return Waited(
            progress=timers.elapsed(Timed.PROGRESS, uid, now),
            takeover=timers.elapsed(Timed.TAKEOVER, uid, now),
            yield_=timers.elapsed(Timed.YIELD, uid, now),
        )

    def _waits(self, member: int, spec: Spec) -> bool:
        """Whether the member is as far as it may train for now."""
        return is_at_bound(self._history.position(member), self._repository.gates.newest, spec)

    def _takeover_seconds(self) -> float:
        """Worked out once for a round."""
        newest = self._history.newest_round
        if self._takeover is None or self._takeover[0] is not newest:
            self._takeover = (newest, tenancy.takeover_seconds(self._history))
        return self._takeover[1]

    def _fill(self, seen: Seen, heirs: Mapping[int, Life], spec: Spec, allowance: Allowance) -> None:
        """Shares the slots out: starts who waits, asks to yield who is ahead."""
        live = seen.live
        slots = min(spec.slots, len(live)) if seen.shares else spec.slots - len(seen.demand)
        taken = {*live, *(to.member for to in heirs.values())}
        self._accounting.hold_back(live.values(), allowance)
        waiting = {pod.member for pod in seen.demand}
        waiters = sharing.waiters(
            self._history, spec, taken=taken, not_before=self._accounting.not_before, now=self._clock()
        )
        is_contested = len(waiters) > slots - len(live)  # else nobody need yield, and looking takes requests
        if is_contested and not self._knowledge.learn_holders(live, allowance):
            is_contested, self.num_left = False, self.num_left + 1
        through = {member for member in live if finished(self._history, member, spec)}
        self._end_lingering({m: live[m] for m in through} if is_contested else {})
        holders = [
            Holder(
                member=member,
                position=self._history.position(member),
                reported=is_contested
                and member not in heirs
                and self._makes_room(pod, spec, is_through=member in through, keeps=seen.lacks_room),
                waits=member in through or self._waits(member, spec),
                leaving=pod.stopping,
            )
            for member, pod in live.items()
        ] + [Holder(pod.member, 0, leaving=True) for pod in seen.leaving]
        allotment = allot(
            slots=slots,
            holders=holders,
            waiters=[
                replace(w, waits=self._waits(w.member, spec), has_pod=w.member in waiting) for w in waiters
            ],
            interval_steps=spec.schedule.interval_steps,
        )
        heirs = {**heirs, **self._hand_over(allotment.yields, seen, spec, allowance, num_asked=len(heirs))}
        # A pod that waits for a place is for one of the others, whichever: nobody needs a second one.
        started = self._start(allotment.start[: max(0, len(waiters) - len(seen.demand))], spec, allowance)
        if seen.shares or seen.demand:
            self.num_left += self._demand.keep_up(
                seen, spec, waiters=waiters, heirs=heirs, allowance=allowance, started=started
            )

    def _start(self, members: Sequence[int], spec: Spec, allowance: Allowance) -> Mapping[int, Birth]:
        """Starts as many of these as there is time for; returns their births."""
        most = allowance.at_once(STARTS_A_PASS, each=READS_OF_A_START)
        started = self._vacancies.births(members[:most], spec)
        for birth in started.values():
            self._pods.start(birth)
        self.num_left += max(0, len(members) - most)
        return started

    def _end_lingering(self, live: Live) -> None:
        """Stops trainers that are through and don't end by themselves, while others wait for their slots."""
        now = self._clock()
        for pod in live.values():
            self._timers.start(Timed.THROUGH, pod.uid, now)
            if self._timers.elapsed(Timed.THROUGH, pod.uid, now) > tenancy.TAKEOVER_SECONDS:
                self._stop(pod)

    def _makes_room(self, pod: Pod, spec: Spec, *, is_through: bool, keeps: bool) -> bool:
        """Whether to yield costs the pod little now. One that is through just ends, unless its process is asked."""
        asks = (keeps or spec.restart is Restart.IN_PLACE) and pod.uid not in self._late
        can_ask = asks and self._handing_over.is_possible(pod)
        return can_ask if is_through else self._has_reported(pod, spec) and (can_ask or not keeps)

    def _has_reported(self, pod: Pod, spec: Spec) -> bool:
        """Whether the pod's process has made a ready report since it started or took over, or waits at a gate."""
        birth, record = self._history.newest_birth(pod.member), self._history.own_record(pod.member)
        has_reported = record is not None and record.round is not None
        return (has_reported or self._waits(pod.member, spec)) and self._has_claimed(pod, birth)

    def _hand_over(
        self, wanted: Sequence[Handover], seen: Seen, spec: Spec, allowance: Allowance, *, num_asked: int
    ) -> dict[int, Life]:
        """Makes holders yield: to a member that their process goes on as where it can, else by their end.

        Args:
            wanted: who yields to whom. More are asked once some of those that were have answered.
            seen: the pods. Where a slot that is given back goes to somebody else, who can't go on as another keeps it.
            spec: what is asked.
            allowance: of the pass.
            num_asked: how many were asked before and haven't answered.

        Returns:
            Whom the processes were asked to go on as, by member.
        """
        heirs, live, keeps = dict[int, Life](), seen.live, seen.lacks_room
        asks = keeps or spec.restart is Restart.IN_PLACE
        most = STARTS_A_PASS - num_asked if asks else len(wanted)
        handovers = wanted[: min(max(0, most), allowance.at_once(len(wanted), each=READS_OF_A_START))]
        self.num_left += max(0, min(most, len(wanted)) - len(handovers))
        asked = {
            handover.holder: handover.waiter
            for handover in handovers
            if handover.waiter is not None and asks
            if self._handing_over.is_possible(live[handover.holder])
        }
        answers = self._handing_over.ask(asked, live, spec)
        for handover in handovers:
            member, heir = handover.holder, None
            if member in asked:
                if member not in answers:
                    continue  # the waiter is lived somewhere after all
                heir = answers[member]
            if heir is not None:
                heirs[member] = heir
            elif keeps and handover.waiter is not None:
                continue
            else:
                self._stop(live[member])
            position = self._history.position(member)
            self._emit(sharing.yield_event(member, heir, position=position))
        return heirs
