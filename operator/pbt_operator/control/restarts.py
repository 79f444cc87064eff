"""What is told of the ends of processes, and which of them concern a birth. Pure: nothing is written here."""

from pbt_contract.errors import ExitCode
from pbt_contract.records import Birth, Claim, Report
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod
from pbt_operator.core.blame import Crash, Setting, waits_for_others
from pbt_operator.core.crash_words import is_mistake, last_line
from pbt_operator.core.end_record import End

STORAGE_SECONDS = 15.0  # before a trainer that gave up on the store is started again


def was_in_force(pod: Pod, birth: Birth, claim: Claim | None) -> bool:
    """Whether a pod that ended lived its member's newest birth, or was to; else that birth isn't over."""
    return claim.pod == pod.uid if claim is not None else pod.incarnation == birth.incarnation


def has_stopped_by_itself(end: End, newest: Report | None) -> bool:
    """Whether the member is done though no record says so: its process ended with 0 right after a report.

    One that is to go on leaves a save: at SIGTERM, or before it makes room.
    """
    is_report = newest is not None and newest.round is not None and not newest.ends
    return end.exit_code == 0 and is_report and end.is_its_own


def crash_event(crash: Crash, stored: Birth, setting: Setting) -> Event:
    """What is told of a crash, once the birth that follows is stored."""
    member = crash.birth.member
    if waits_for_others(crash, setting):  # who says so, too, ends the population, with these words once
        said = "said that the script or the manifest is mistaken, and waits for others to say so too"
        what = said if is_mistake(crash.end) else "could not begin, and waits for others to try"
        return Event("Crashed", f"member {member} {what}", member, warning=True)
    if crash.fails:
        told = f"member {member} failed: {crash.reason}"
        return Event("MemberFailed", told, member, warning=True)
    told = f"member {member} crashed and goes on at step {stored.start_step}: {stored.reason}"
    return Event("Crashed", told, member, warning=True)


def blameless_event(end: End, pod: str) -> Event | None:
    """What is worth telling of an end that was nobody's fault, in the pod of this name."""
    member, last = end.member, end.message or "no output"
    if end.exit_code == ExitCode.STORAGE:
        told = f"member {member} gave up on the store and is started again: {last}"
        return Event("StoreGivenUp", told, member, warning=True)
    if end.exit_code == ExitCode.ACCESS:
        return Event(
            "StoreDenied",
            f"the store refuses member {member}, which tries again: {last_line(end) or last}",
            member,
            warning=True,
        )
    if end.disrupted:
        told = f"member {member} lost {pod} ({end.message}) and goes on from its newest record"
        return Event("Disrupted", told, member)
    return None


def loss_event(pod: Pod, birth: Birth) -> Event:
    """What is told of a pod that was lost after its member was born anew, and before its process took that birth."""
    told = (
        f"member {pod.member} lost {pod.name} ({pod.message}); incarnation {birth.incarnation} gets a new pod"
    )
    return Event("Disrupted", told, pod.member)


def slowed_event(end: End, *, ends: int, seconds: float) -> Event:
    """What is told of a member whose processes end again and again, though nobody is to blame."""
    why = end.message or ("no exit code" if end.exit_code is None else f"exit code {end.exit_code}")
    told = (
        f"member {end.member} has ended {ends} times in a row without a record, and it is nobody's fault ({why}): "
        f"its next start waits {seconds:g} s"
    )
    return Event("StartSlowed", told, end.member, warning=True)
