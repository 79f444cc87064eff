"""What became of processes, and which birth follows: fault-free ends resume, crashes are counted and limited."""

import re
from dataclasses import dataclass, field

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Cause
from pbt_contract.text import quoted
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod
from pbt_operator.core import births
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository

LONGEST_BACKOFF_SECONDS = 60.0
MAX_LINE = 200
LAST_LINES = 3  # of a Python traceback: where, the line itself, and the error
ANNOUNCEMENT = re.compile(
    r"\bmember \d+, incarnation \d+, from step \d+: "
)  # in whatever format a script logs


@dataclass
class Restarts:
    """Accounts for pods that ended.

    Attributes:
        hung: uids of pods that were stopped because no record came in time.
        not_before: by member, when it may start again.
    """

    hung: set[str] = field(default_factory=set)
    not_before: dict[int, float] = field(default_factory=dict)

    def settle(self, pod: Pod, *, repository: Repository, spec: Spec, now: float) -> list[Event]:
        """Draws the consequence of a pod's end. A resume is written later, once a slot is free."""
        history = repository.history
        birth = history.newest_birth(pod.member)
        if birth is None or birth.cause.closes:
            return []
        claim = repository.claim(birth)
        claimed = claim is not None and claim.pod == pod.uid
        if not claimed and (claim is not None or pod.incarnation != birth.incarnation):
            return []  # it lived an incarnation that was superseded before
        repository.catch_up(pod.member)
        if finished(history, pod.member, spec):
            return []
        fault = self._fault(pod, repository)
        if fault is None:
            return self._blameless(pod, now=now)
        if not claimed:
            repository.void(birth, pod=pod.uid)
        return self._crashed(birth, fault, repository=repository, spec=spec, now=now)

    def _blameless(self, pod: Pod, *, now: float) -> list[Event]:
        """What is worth telling of an end that was nobody's fault."""
        member = pod.member
        if pod.exit_code == ExitCode.STORAGE:
            self.not_before[member] = now + LONGEST_BACKOFF_SECONDS / 4
            told = f"member {member} gave up on the store and is started again: {last_words(pod.message)}"
            return [Event("StoreGivenUp", told, member, warning=True)]
        if pod.disrupted:
            told = f"member {member} lost {pod.name} ({pod.message}) and goes on from its newest record"
            return [Event("Disrupted", told, member)]
        return []

    def _fault(self, pod: Pod, repository: Repository) -> str | None:
        """Why the end was the trainer's fault; None if it wasn't."""
        if pod.uid in self.hung:
            self.hung.discard(pod.uid)
            return "made no record within progressDeadlineSeconds" + (
                f": {last_words(pod.message)}" if pod.message else ""
            )
        if pod.stopping or pod.disrupted or pod.exit_code in {ExitCode.UNCLAIMED, ExitCode.STORAGE}:
            return None
        last = last_words(pod.message)
        if pod.exit_code == 0:
            if repository.history.own_record(pod.member) is not None:
                return None
            return f"ended by itself before the last step, without a record: {last}"
        code = "without an exit code" if pod.exit_code is None else f"with exit code {pod.exit_code}"
        return f"ended {code}: {last}"

    def _crashed(
        self, birth: Birth, fault: str, *, repository: Repository, spec: Spec, now: float
    ) -> list[Event]:
        history, member = repository.history, birth.member
        own = history.own_record(member)
        crashes = 1 if own else birth.crashes + 1
        counted = f"crash {crashes} in a row without a record" if crashes > 1 else "crashed"
        if crashes > spec.backoff_limit:
            reason = f"{counted}, above backoffLimit {spec.backoff_limit}: {fault}"
            end = births.closed(birth, cause=Cause.FAILED, position=history.position(member), reason=reason)
            repository.write_births([end])
            return [Event("MemberFailed", f"member {member} failed for good: {reason}", member, warning=True)]
        self.not_before[member] = now + backoff_seconds(crashes)
        reborn = None
        if crashes >= births.CRASHES_BEFORE_REPLACEMENT:
            repository.learn_rounds()
            reason = f"{counted}: {fault}"
            reborn = births.from_donor(
                history, spec=spec, member=member, cause=Cause.REPLACE, crashes=crashes, reason=reason
            )
        if reborn is None:
            reborn = births.resumed(birth, own, crashed=fault, reason=f"{counted}: {fault}")
        (stored,) = repository.write_births([reborn])
        told = f"member {member} crashed and goes on at step {stored.start_step}: {stored.reason}"
        return [Event("Crashed", told, member, warning=True)]


def last_words(output: str) -> str:
    """The last lines of a trainer's output, but for the one by which the SDK announces itself."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not ANNOUNCEMENT.search(line)]
    return " | ".join(quoted(line, size=MAX_LINE) for line in lines[-LAST_LINES:]) if lines else "no output"


def backoff_seconds(crashes: int) -> float:
    """How long a member waits after so many crashes in a row: none at first, then 1 s, doubled each time."""
    return 0.0 if crashes <= 1 else min(2.0 ** (crashes - 2), LONGEST_BACKOFF_SECONDS)


def is_claimed(repository: Repository, member: int) -> bool:
    """Whether a process took the member's newest birth."""
    newest = repository.history.newest_birth(member)
    return newest is not None and not newest.cause.closes and repository.claim(newest) is not None


def next_birth(repository: Repository, member: int, spec: Spec, *, claimed: bool) -> Birth | None:
    """The birth to start a member with, now that it has a slot and no process; None if it needs none any more.

    An unclaimed birth stands. A claimed one is over, so the member resumes. A slot that is new or came back is born
    from a donor.
    """
    history = repository.history
    newest = history.newest_birth(member)
    if newest is None or newest.cause is Cause.REMOVED:
        reason = "the population grew"
        donated = births.from_donor(history, spec=spec, member=member, cause=Cause.SCALE, reason=reason)
        sampled = births.sampled(history, spec=spec, member=member, reason=reason)
        return repository.write_births([donated or sampled])[0]
    if newest.cause.closes:
        return None
    if not claimed:
        return newest
    repository.catch_up(member)
    if finished(history, member, spec):  # another operator has seen it through meanwhile
        return None
    own = history.own_record(member)
    resumed = births.resumed(newest, own, crashed=None, reason="goes on after its process ended")
    return repository.write_births([resumed])[0]
