"""The births to start members with that have a slot and no process."""

from collections.abc import Mapping, Sequence

from pbt_contract.records import Birth, Cause
from pbt_operator.control.account import Accounting
from pbt_operator.control.occupancy import has_left, is_taken, lived
from pbt_operator.control.pods import Phase, Pods
from pbt_operator.control.record import Recorder
from pbt_operator.core import births
from pbt_operator.core.blame import crash_of
from pbt_operator.core.comeback import joined
from pbt_operator.core.history import History
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


def next_birth(history: History, spec: Spec, member: int, *, claimed: bool) -> Birth | None:
    """The birth to go on with, now that the member has a slot and no process; None if it needs none any more. Pure.

    Unclaimed: the birth stands. Claimed: its process is gone by nobody's fault, so the member resumes from its newest
    record, which the history must know. A slot that is new or came back: a copy of a donor, or sampled where there is
    none; where nobody copies, its own again.
    """
    newest = history.newest_birth(member)
    if newest is None or newest.cause is Cause.REMOVED:
        reason = "the population grew"
        if spec.exploit.rule.never_replaces:
            return joined(history, spec, member, reason=reason)
        donated = births.from_donor(history, spec=spec, member=member, cause=Cause.SCALE, reason=reason)
        return donated or births.sampled(history, spec=spec, member=member, reason=reason)
    if newest.cause.closes:
        return None
    if not claimed:
        return newest
    if finished(history, member, spec):  # another operator has seen it through meanwhile
        return None
    return births.resumed(newest, history.own_record(member), reason="goes on after its process ended")


class Vacancies:
    """Finds the births to start members with, and records those that are new."""

    def __init__(
        self, repository: Repository, *, pods: Pods, accounting: Accounting, recorder: Recorder
    ) -> None:
        """Takes a repository that was loaded; `accounting` answers crashes that nobody has answered."""
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._accounting, self._recorder = accounting, recorder

    def births(self, members: Sequence[int], spec: Spec) -> dict[int, Birth]:
        """The stored birth to start, of each of these members that nobody lives and that needn't wait."""
        claimed = self._learn(members)
        hidden = self._hidden(claimed)
        gone = [member for member in claimed if member not in hidden]
        self._repository.ends.learn([claimed[member].life for member in gone])
        for member in gone:
            self._repository.catch_up(member)
        crashed = {member for member in gone if self._answer(member, spec)}
        found = {}
        for member in members:
            is_to_wait = member in crashed and self._accounting.waits(member)
            if member not in hidden and not is_to_wait:
                is_over = member in claimed and member not in crashed
                found[member] = next_birth(self._history, spec, member, claimed=is_over)
        new = [b for m, b in found.items() if b is not None and b != self._history.newest_birth(m)]
        stored = {birth.member: birth for birth in self._recorder.births(new)}
        return {m: stored.get(m, birth) for m, birth in found.items() if birth is not None}

    def _learn(self, members: Sequence[int]) -> dict[int, Birth]:
        """Learns what their next births depend on; returns the newest births that a process took."""
        newest = {member: self._history.newest_birth(member) for member in members}
        if any(birth is None or birth.cause is Cause.REMOVED for birth in newest.values()):
            self._repository.learn_rounds()  # they are born from a donor
        open_ = {m: birth for m, birth in newest.items() if birth is not None and not birth.cause.closes}
        self._repository.learn_claims(open_.values())
        return {m: birth for m, birth in open_.items() if self._repository.claim(birth) is not None}

    def _answer(self, member: int, spec: Spec) -> bool:
        """Whether its newest life has crashed; if whoever recorded that came no further, what follows is recorded."""
        birth = self._history.newest_birth(member)
        end = self._history.ends.get(birth.life) if birth is not None else None
        if end is None or finished(self._history, member, spec):
            return False
        crash = crash_of(end, self._history, spec)
        if crash is not None:
            self._accounting.answer(crash, spec)
        return crash is not None

    def _hidden(self, claimed: Mapping[int, Birth]) -> set[int]:
        """Members that in fact run: in a pod the watch has not shown, or in one still labelled as another member's.

        One that isn't shown yet and has ended counts as well: the next pass sees why.
        """
        if not claimed:
            return set()
        seen = {pod.uid for pod in self._pods.observe()}
        there = {
            pod.uid: lived(self._repository, pod)
            for pod in self._pods.look_again()
            if not (pod.ended and pod.uid in seen)
        }
        hidden = {
            pod.member
            for pod in there.values()
            # A pod that doesn't run yet may have been made for a birth that another process has claimed.
            if pod.member in claimed
            and not (pod.phase is Phase.PENDING and is_taken(self._repository, claimed[pod.member], pod.uid))
        }
        for member in claimed.keys() - hidden:
            claim = self._repository.claim(claimed[member])
            pod = there.get(claim.pod) if claim is not None else None
            if pod is not None and not has_left(self._repository, claimed[member].life, pod.uid):
                lived(self._repository, pod, ask=True)  # another operator has asked it: the next pass knows
                # Or it had started when its labels were changed.
                self._pods.relabel(pod, member=member, incarnation=claimed[member].incarnation)
                hidden.add(member)
        return hidden
