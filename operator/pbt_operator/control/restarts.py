"""Restart policy: clean exits resume; crashes are counted and capped by backoffLimit. Pure: nothing is written here."""

from dataclasses import dataclass

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Cause, Claim, Ending, Report
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod
from pbt_operator.core import births
from pbt_operator.core.crash_words import fault_of
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec

LONGEST_BACKOFF_SECONDS = 60.0


def was_in_force(pod: Pod, birth: Birth, claim: Claim | None) -> bool:
    """Whether a pod that ended lived its member's newest birth, or was to; else that birth isn't over."""
    return claim.pod == pod.uid if claim is not None else pod.incarnation == birth.incarnation


def has_stopped_by_itself(end: End, newest: Report | None) -> bool:
    """Whether the member is done though no record says so: its process ended with 0 right after a report.

    One that is to go on leaves a save: at SIGTERM, or before it makes room.
    """
    excused = end.hung or end.stopped or end.disrupted
    is_report = newest is not None and newest.round is not None and not newest.ends
    return end.exit_code == 0 and is_report and not excused


def has_failed_after_all(end: End, newest: Report | None) -> bool:
    """Whether the script had left its loop before the last step, and then its process ended by its own fault."""
    if newest is None or newest.ending is not Ending.LEFT or end.exit_code in {0, None}:
        return False
    return fault_of(end, has_record=True) is not None


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


def blameless_event(end: End, pod: str) -> Event | None:
    """What is worth telling of an end that was nobody's fault, in the pod of this name."""
    member, last = end.member, end.message or "no output"
    if end.exit_code == ExitCode.STORAGE:
        told = f"member {member} gave up on the store and is started again: {last}"
        return Event("StoreGivenUp", told, member, warning=True)
    if end.disrupted:
        told = f"member {member} lost {pod} ({end.message}) and goes on from its newest record"
        return Event("Disrupted", told, member)
    return None


def wait_seconds(end: End, crash: Crash | None) -> float | None:
    """How long the member waits before it may start again, after that end; None if nothing holds it back."""
    if crash is not None:
        return None if crash.fails else backoff_seconds(crash.count)
    return LONGEST_BACKOFF_SECONDS / 4 if end.exit_code == ExitCode.STORAGE else None


def backoff_seconds(crashes: int) -> float:
    """How long a member waits after so many crashes in a row: none at first, then 1 s, doubled each time."""
    return 0.0 if crashes <= 1 else min(2.0 ** (crashes - 2), LONGEST_BACKOFF_SECONDS)
