"""Restart policy: clean exits resume; crashes are counted and capped by backoffLimit. Pure: nothing is written here."""

import re
from dataclasses import dataclass

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Cause, Claim, Ending, Report
from pbt_contract.text import quoted
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod
from pbt_operator.core import births
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec

LONGEST_BACKOFF_SECONDS = 60.0
MAX_LINE = 200
LAST_LINES = 3  # of a Python traceback: where, the line itself, and the error
ANNOUNCEMENT = re.compile(
    r"\bmember \d+, incarnation \d+, from step \d+: "
)  # in whatever format a script logs


def was_in_force(pod: Pod, birth: Birth, claim: Claim | None) -> bool:
    """Whether a pod that ended lived its member's newest birth, or was to; else that birth isn't over."""
    return claim.pod == pod.uid if claim is not None else pod.incarnation == birth.incarnation


def fault_of(pod: Pod, *, hung: bool, has_record: bool) -> str | None:
    """Why a pod's end was the trainer's fault; None if it wasn't.

    Args:
        pod: it has ended, before its member was finished.
        hung: it was stopped because no record came in time.
        has_record: whether the life that it lived has recorded anything.
    """
    if hung:
        told = f": {last_words(pod.message)}" if pod.message else ""
        return f"made no record within progressDeadlineSeconds{told}"
    if pod.stopping or pod.disrupted or pod.exit_code in {ExitCode.UNCLAIMED, ExitCode.STORAGE}:
        return None
    last = last_words(pod.message)
    if pod.exit_code == ExitCode.MISTAKE:
        return f"made a mistake that no retry can mend: {last}"
    if pod.exit_code == 0:
        return None if has_record else f"ended by itself before the last step, without a record: {last}"
    code = "without an exit code" if pod.exit_code is None else f"with exit code {pod.exit_code}"
    return f"ended {code}: {last}"


def has_stopped_by_itself(pod: Pod, newest: Report | None, *, hung: bool) -> bool:
    """Whether the member is done though no record says so: its process ended with 0 right after a report.

    One that is to go on leaves a save: at SIGTERM, or before it makes room.
    """
    excused = hung or pod.stopping or pod.disrupted
    is_report = newest is not None and newest.round is not None and not newest.ends
    return pod.exit_code == 0 and is_report and not excused


def has_failed_after_all(pod: Pod, newest: Report | None, *, hung: bool) -> bool:
    """Whether the script had left its loop before the last step, and then its process ended by its own fault."""
    if newest is None or newest.ending is not Ending.LEFT or pod.exit_code in {0, None}:
        return False
    return fault_of(pod, hung=hung, has_record=True) is not None


@dataclass(frozen=True, slots=True)
class Crash:
    """What a crash counts as.

    Attributes:
        birth: what the process lived, or was to.
        fault: what it died of.
        count: crashes in a row without a record, this one included.
        limit: so many in a row a member may have.
        hopeless: another try would end in the same way.
    """

    birth: Birth
    fault: str
    count: int
    limit: int
    hopeless: bool = False

    @property
    def fails(self) -> bool:
        """It was one too many, or no retry can mend it: the member is closed for good."""
        return self.hopeless or self.count > self.limit

    @property
    def replaces(self) -> bool:
        """The member goes on from a donor, if there is one, for its own line crashes again and again."""
        return not self.fails and self.count >= births.CRASHES_BEFORE_REPLACEMENT

    @property
    def reason(self) -> str:
        """What its birth, and the Event, say of it."""
        if self.hopeless:
            return self.fault
        counted = f"crash {self.count} in a row without a record" if self.count > 1 else "crashed"
        above = f", above backoffLimit {self.limit}" if self.fails else ""
        return f"{counted}{above}: {self.fault}"


def is_hopeless(pod: Pod, *, hung: bool) -> bool:
    """Whether the trainer said of its own end that another try would end in the same way."""
    return pod.exit_code == ExitCode.MISTAKE and not hung


def crash_of(birth: Birth, fault: str, *, has_record: bool, spec: Spec, hopeless: bool = False) -> Crash:
    """Counts a crash of the process that lived `birth`; a record since its start sets the count back."""
    count = 1 if has_record else birth.crashes + 1
    return Crash(birth, fault, count, limit=spec.backoff_limit, hopeless=hopeless)


def birth_after(crash: Crash, *, history: History, spec: Spec) -> Birth:
    """The birth that a crash calls for: an end for good, a copy of a donor, or a resume."""
    previous, member = crash.birth, crash.birth.member
    if crash.fails:
        position = history.position(member)
        return births.closed(previous, cause=Cause.FAILED, position=position, reason=crash.reason)
    reborn = None
    if crash.replaces:
        reborn = births.from_donor(
            history,
            spec=spec,
            member=member,
            cause=Cause.REPLACE,
            crashes=crash.count,
            reason=crash.reason,
        )
    own = history.own_record(member)
    return reborn or births.resumed(previous, own, crashed=crash.fault, reason=crash.reason)


def crash_event(crash: Crash, stored: Birth) -> Event:
    """What is told of a crash, once the birth that follows is stored."""
    member = crash.birth.member
    if crash.fails:
        told = f"member {member} failed for good: {crash.reason}"
        return Event("MemberFailed", told, member, warning=True)
    told = f"member {member} crashed and goes on at step {stored.start_step}: {stored.reason}"
    return Event("Crashed", told, member, warning=True)


def blameless_event(pod: Pod) -> Event | None:
    """What is worth telling of an end that was nobody's fault."""
    member = pod.member
    if pod.exit_code == ExitCode.STORAGE:
        told = f"member {member} gave up on the store and is started again: {last_words(pod.message)}"
        return Event("StoreGivenUp", told, member, warning=True)
    if pod.disrupted:
        told = f"member {member} lost {pod.name} ({pod.message}) and goes on from its newest record"
        return Event("Disrupted", told, member)
    return None


def wait_seconds(pod: Pod, crash: Crash | None) -> float | None:
    """How long the member waits before it may start again, after that end; None if nothing holds it back."""
    if crash is not None:
        return None if crash.fails else backoff_seconds(crash.count)
    return LONGEST_BACKOFF_SECONDS / 4 if pod.exit_code == ExitCode.STORAGE else None


def backoff_seconds(crashes: int) -> float:
    """How long a member waits after so many crashes in a row: none at first, then 1 s, doubled each time."""
    return 0.0 if crashes <= 1 else min(2.0 ** (crashes - 2), LONGEST_BACKOFF_SECONDS)


def last_words(output: str) -> str:
    """The last lines of a trainer's output, but for the one by which the SDK announces itself."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not ANNOUNCEMENT.search(line)]
    return " | ".join(quoted(line, size=MAX_LINE) for line in lines[-LAST_LINES:]) if lines else "no output"
