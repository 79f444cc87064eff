"""The record of how the process of a life ended. The births that follow crashes are worked out from it."""

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import FORMAT, IncarnationNumber, MemberNumber, Record


class End(Record, frozen=True, kw_only=True):
    """The end of one process that had a birth, or was to have it. The first write wins.

    Attributes:
        format: of the record.
        member: whose life is over.
        incarnation: which of its lives.
        pod: the pod, or local process, that it was lived in.
        exit_code: as a container's, 137 for SIGKILL; None where nobody knows it.
        out_of_memory: whether the kernel ended it for want of memory.
        disrupted: whether it was nobody's fault: the pod was evicted, preempted, deleted, or its node was lost
            or couldn't start it.
        stopped: whether the operator had asked it to stop.
        hung: whether it was stopped since it made no record in time.
        node: where it ran; empty where that is unknown.
        message: its last words.
        unstarted: true where the trainer never ran, as an init container failed, say; absent otherwise. That says
            nothing against the hyperparameters.
    """

    format: int = FORMAT
    member: MemberNumber
    incarnation: IncarnationNumber
    pod: str
    exit_code: int | None = None
    out_of_memory: bool = False
    disrupted: bool = False
    stopped: bool = False
    hung: bool = False
    node: str = ""
    message: str = ""
    unstarted: bool | UnsetType = UNSET

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @property
    def is_its_own(self) -> bool:
        """Whether the process ended by itself, so that its exit code says why."""
        return not (self.hung or self.stopped or self.disrupted)

    @property
    def key(self) -> str:
        """Where this record is stored."""
        return keys.ended(self.member, self.incarnation)
