"""What is wrong with a live pod, and what is done about it. Pure: it stops nothing, and looks nowhere."""

from dataclasses import dataclass
from enum import Enum, auto

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.history import History
from pbt_operator.core.spec import Restart, Spec

TAKEOVER_SECONDS = 60.0  # how long a process may take to swap in place, at the least


class Stay(Enum):
    """How a pod stands to its member's newest birth."""

    LEAVING = auto()  # it is being stopped
    OVER = auto()  # it lives what nobody ordered, or what ended: it is to be stopped
    HOME = auto()  # it lives that birth
    TO_SWAP = auto()  # its process is to go on with that birth by itself


@dataclass(frozen=True, slots=True)
class Tenant:
    """A live pod and what is asked of it.

    Attributes:
        pod: under the life that its process lives.
        birth: the newest one of its member.
        has_claimed: whether its process has claimed that birth.
        heir: the member's life that its process was asked to go on as and may still claim.
        is_asked: whether its process was asked to go on with a birth that follows its own life.
    """

    pod: Pod
    birth: Birth | None
    has_claimed: bool
    heir: Life | None
    is_asked: bool = False

    def stay(self, spec: Spec) -> Stay:
        """How the pod stands."""
        if self.pod.stopping:
            return Stay.LEAVING
        # Who may create pods here may also label them as a member's that was never born.
        birth, incarnation = self.birth, self.pod.incarnation
        if birth is None or birth.cause.closes or incarnation > birth.incarnation:
            return Stay.OVER
        if incarnation == birth.incarnation or self.has_claimed:
            return Stay.HOME
        takes_over = spec.restart is Restart.IN_PLACE or self.is_asked
        return Stay.TO_SWAP if takes_over and not birth.cause.resumes else Stay.OVER

    @property
    def is_to_progress(self) -> bool:
        """Whether it counts as a crash if no record comes: it runs, or can't start for a reason that stays."""
        return self.pod.phase is Phase.RUNNING or self.pod.stuck


@dataclass(frozen=True, slots=True)
class Waited:
    """For how many seconds a pod has not done what it is to do.

    Attributes:
        progress: made a record.
        takeover: swapped to its member's newest birth.
        yield_: gone on as the member that it makes room for.
    """

    progress: float = 0.0
    takeover: float = 0.0
    yield_: float = 0.0


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be done about a pod.

    Attributes:
        stops: whether it is stopped.
        hung: because no record came in time, which counts as a crash.
        event: what is told of it, if anything.
    """

    stops: bool = True
    hung: bool = False
    event: Event | None = None


def notice_of(
    tenant: Tenant, spec: Spec, waited: Waited, *, takeover_seconds: float, keeps: bool
) -> Notice | None:
    """Whether something is to be done about a pod.

    Args:
        tenant: the pod.
        spec: what is asked.
        waited: how long it has kept others waiting.
        takeover_seconds: how long it may take to swap; twice that, to make room.
        keeps: the place of a pod that is stopped is lost. Who doesn't make room keeps it; who trains a life that is
            over is stopped all the same.
    """
    stay, pod = tenant.stay(spec), tenant.pod
    if stay is Stay.OVER:
        return Notice()
    if stay is Stay.TO_SWAP and tenant.birth is not None and waited.takeover > takeover_seconds:
        told = f"member {pod.member} didn't swap to incarnation {tenant.birth.incarnation} in time: new pod"
        return Notice(event=Event("TakeoverLate", told, pod.member))
    if stay is Stay.HOME:
        hung = tenant.is_to_progress and waited.progress > spec.schedule.progress_deadline_seconds
        late = None
        if tenant.heir is not None and waited.yield_ > 2 * takeover_seconds:
            then = "it keeps its pod, for there is no room for another one" if keeps else "new pod"
            told = f"member {pod.member} didn't make room for member {tenant.heir.member} in time: {then}"
            late = Event("TakeoverLate", told, pod.member)
        return Notice(stops=hung or not keeps, hung=hung, event=late) if hung or late else None
    return None


def takeover_seconds(history: History) -> float:
    """How long a swap in place may take: half of the longest interval of the newest round."""
    newest = history.newest_round
    seconds = [
        record.seconds
        for entry in (newest.entries if newest else [])
        if (record := history.record(entry.member, entry.source.record)) is not None
    ]
    return max([TAKEOVER_SECONDS, *(s / 2 for s in seconds)])
