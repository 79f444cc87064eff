"""The births to start members with that have a slot and no process."""

from collections.abc import Mapping, Sequence

from pbt_contract.records import Birth, Cause
from pbt_operator.control.occupancy import has_left, lived
from pbt_operator.control.pods import Pods
from pbt_operator.control.record import Recorder
from pbt_operator.core import births
from pbt_operator.core.blame import after_crash, crash_of, setting_of
from pbt_operator.core.crash_words import fault_of
from pbt_operator.core.history import History
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


def next_birth(history: History, spec: Spec, member: int, *, claimed: bool) -> Birth | None:
    """The birth to go on with, now that the member has a slot and no process; None if it needs none any more. Pure.

    Unclaimed: the birth stands. Claimed: its process is gone, so the member resumes from its newest record, which the
    history must know. A slot that is new or came back: a copy of a donor, or sampled where there is none.
    """
    newest = history.newest_birth(member)
    if newest is None or newest.cause is Cause.REMOVED:
        reason = "the population grew"
        donated = births.from_donor(history, spec=spec, member=member, cause=Cause.SCALE, reason=reason)
        return donated or births.sampled(history, spec=spec, member=member, reason=reason)
    if newest.cause.closes:
        return None
    if not claimed:
        return newest
    if finished(history, member, spec):  # another operator has seen it through meanwhile
        return None
    end = history.ends.get(newest.life)
    crash = crash_of(end, history, spec) if end is not None else None
    if crash is not None:  # whoever recorded that end came no further
        return after_crash(crash, history, spec, setting_of(crash.end, history))
    return births.resumed(newest, history.own_record(member), reason="goes on after its process ended")


class Vacancies:
    """Finds the births to start members with, and records those that are new."""

    def __init__(self, repository: Repository, *, pods: Pods, recorder: Recorder) -> None:
        """Takes a repository that was loaded."""
        self._repository, self._history, self._pods = repository, repository.history, pods
        self._recorder = recorder

    def births(self, members: Sequence[int], spec: Spec) -> dict[int, Birth]:
        """The stored birth to go on with, of each of these members that nobody lives."""
        claimed = self._learn(members)
        hidden = self._hidden(claimed)
        self._repository.ends.learn([birth.life for m, birth in claimed.items() if m not in hidden])
        for member in claimed:
            if member not in hidden:
                self._repository.catch_up(member)
                self._learn_origin(member)
        found = {}
        for member in members:
            if member not in hidden:
                found[member] = next_birth(self._history, spec, member, claimed=member in claimed)
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

    def _learn_origin(self, member: int) -> None:
        """What the member may begin again from, where its process ended by its own fault."""
        birth = self._history.newest_birth(member)
        end = self._history.ends.get(birth.life) if birth is not None else None
        if end is not None and fault_of(end, has_record=False) is not None:
            line = self._history.line(member)
            self._repository.ends.learn_crashes(line)
            self._repository.learn_source(line[-1])

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
        hidden = {pod.member for pod in there.values()} & claimed.keys()
        for member in claimed.keys() - hidden:
            claim = self._repository.claim(claimed[member])
            pod = there.get(claim.pod) if claim is not None else None
            if pod is not None and not has_left(self._repository, claimed[member].life, pod.uid):
                lived(self._repository, pod, ask=True)  # another operator has asked it: the next pass knows
                hidden.add(member)
        return hidden
