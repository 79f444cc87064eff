"""What the reconcile knows of pods and asks of them: the same verbs for a cluster, processes and a simulation."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.core.status import MemberState


class Phase(StrEnum):
    """How far a pod's trainer is. A pod that is being stopped is Running until it is over."""

    PENDING = "Pending"
    RUNNING = "Running"
    ENDED = "Ended"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod as it was last seen.

    Attributes:
        uid: unique for ever; claims carry it.
        member, incarnation: the birth that it was started for, or relabelled with. In place, its process may have taken
            a later one since.
        stopping: somebody asked it to stop.
        disrupted: it was ended by eviction, preemption, a drain or a lost node.
        exit_code: of the trainer, once it ended; None if it never ran or nobody knows.
        message: the last lines of its output, or why it doesn't run.
        remedy: what cures what `message` says; empty where nothing is known.
        stuck: pending for a reason that no waiting cures: its image can't be had, say.
        slow: what takes long before its trainer starts, and for how long it has; empty where that is short, or wrong.
        unstarted: it ended before its trainer ran: an init container failed.
        out_of_memory: whether the kernel ended it for want of memory.
        node: where it runs; empty where that is unknown, or says nothing, as there is one only.
        log: where its whole output is: a file, or a command that shows it. Empty where it is nowhere.
        unplaced_for: for how many seconds the cluster has known no place for it; None once it has one, and where
            places don't lack.
        readdressed: the lives that it was for before, the newest first: it was made another one's pod while it had no
            place, and its process may have started just then.
        placed_for: for how many seconds it has had its place; None where nobody says so.
        running_for: for how many seconds its trainer has run; None where it doesn't, or nobody says so.
    """

    name: str
    uid: str
    member: int
    incarnation: int
    phase: Phase
    stopping: bool = False
    disrupted: bool = False
    exit_code: int | None = None
    message: str = ""
    remedy: str = ""
    stuck: bool = False
    slow: str = ""
    unstarted: bool = False
    out_of_memory: bool = False
    node: str = ""
    log: str = ""
    unplaced_for: float | None = None
    placed_for: float | None = None
    running_for: float | None = None
    readdressed: tuple[Life, ...] = ()

    @property
    def life(self) -> Life:
        """Whose it is."""
        return Life(self.member, self.incarnation)

    @classmethod
    def pending(cls, birth: Birth, *, uid: str) -> "Pod":
        """A pod that was just asked for."""
        name = keys.life(birth.member, birth.incarnation)
        return cls(
            name=name, uid=uid, member=birth.member, incarnation=birth.incarnation, phase=Phase.PENDING
        )

    @property
    def ended(self) -> bool:
        """Whether its trainer is over and its slot free."""
        return self.phase is Phase.ENDED


def activity(pod: Pod | None) -> MemberState:
    """What a member does that goes on, by its pod that hasn't ended."""
    if pod is None:
        return MemberState.WAITING
    if pod.stopping:
        return MemberState.STOPPING
    return MemberState.TRAINING if pod.phase is Phase.RUNNING else MemberState.STARTING


class Pods(Protocol):
    """The pods of one population.

    Attributes:
        refused_for: for how many seconds no pod could be made for want of quota; None where one was made last.
    """

    @property
    def refused_for(self) -> float | None:
        """See above."""
        ...

    def observe(self) -> Sequence[Pod]:
        """All pods that were not forgotten, ended ones included."""
        ...

    def look_again(self) -> Sequence[Pod]:
        """As `observe`, with those that are there and that it doesn't show yet."""
        ...

    def start(self, birth: Birth) -> None:
        """Creates the pod for a birth; does nothing if there is one that hasn't ended."""
        ...

    def relabel(self, pod: Pod, *, member: int, incarnation: int) -> None:
        """Shows the pod as another member's from now on: its process goes on with that birth."""
        ...

    def readdress(self, pod: Pod, birth: Birth) -> None:
        """Makes a pod that has no place yet the one of another birth: its trainer will start as that."""
        ...

    def stop(self, pod: Pod) -> None:
        """Asks the trainer to leave (SIGTERM, then the grace period); does nothing if it was asked already."""
        ...

    def forget(self, pod: Pod) -> None:
        """Removes a pod that ended and was accounted for."""
        ...
