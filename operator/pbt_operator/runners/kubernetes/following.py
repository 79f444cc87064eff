"""What is known of one population for its metrics: what happened since it was looked at last, and how it stands now."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pbt_contract.errors import ExitCode
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.history import History
from pbt_operator.core.search import Objective
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.runners.kubernetes.gpu_time import Usage


class Restarted(StrEnum):
    """Why a member that had a process was started again; no decision about it."""

    OUT_OF_MEMORY = "OutOfMemory"
    HUNG = "Hung"  # no record in time
    CRASHED = "Crashed"  # any other end by its own fault
    DISRUPTED = "Disrupted"  # evicted, preempted, drained, or its node was lost
    STORE = "Store"  # it couldn't reach the store, or was refused there
    RESUMED = "Resumed"  # after it was asked to leave: its turn, a suspension


class Waits(StrEnum):
    """What a pod that doesn't run yet waits for."""

    PLACE = "Place"  # a node with room, or a queue
    BLOCKED = "Blocked"  # something that no waiting cures
    START = "Start"  # its image, volumes and init containers


class Follower:
    """What was counted of one population: what the store held when the operator started is none of it."""

    def __init__(self, namespace: str, name: str, history: History, *, now: float) -> None:
        """Takes a history that was loaded, before the first pass over it."""
        self.key = (namespace, name)
        self.usage = Usage(history, now=now)
        self._history, self._feed = history, history.follow()
        self._round = history.decided
        known = (report for member in history.members for report in history.counting(member))
        self._reports = {r.round: now for r in known if r.round is not None and r.round > self._round}

    def births(self) -> list[Birth]:
        """Those that were written since the last call."""
        return self._feed.take_births()

    def latency(self, *, began: float, now: float) -> float | None:
        """From the last report of the newest round that was decided since the last call to its decision, in seconds."""
        self._see_reports(began)
        decided = self._history.decided
        if decided == self._round:
            return None
        seen = self._reports.get(decided, began)
        self._round = decided
        self._reports = {number: at for number, at in self._reports.items() if number > decided}
        return now - seen

    def restarts(self, births: Collection[Birth]) -> Mapping[Restarted, int]:
        """How many of these births follow the end of a process, by how that ended."""
        again = [birth for birth in births if birth.cause in {Cause.RESUME, Cause.CRASH, Cause.REPLACE}]
        return Counter(self._restarted(birth) for birth in again)

    def _restarted(self, birth: Birth) -> Restarted:
        end = self._history.ends.get(Life(birth.member, birth.incarnation - 1))
        if end is not None and end.out_of_memory:
            return Restarted.OUT_OF_MEMORY
        if end is not None and end.hung:
            return Restarted.HUNG
        if birth.cause is not Cause.RESUME:
            return Restarted.CRASHED
        if end is not None and end.exit_code in {ExitCode.STORAGE, ExitCode.ACCESS}:
            return Restarted.STORE
        return Restarted.DISRUPTED if end is not None and end.disrupted else Restarted.RESUMED

    def gap(self, birth: Birth, objective: Objective) -> float | None:
        """By how much the donor of an exploit was better; None where one of the two has no score."""
        if birth.cause is not Cause.EXPLOIT or birth.source is None or birth.source.member == birth.member:
            return None
        reports = self._history.counting(birth.member)
        lost = next((report for report in reversed(reports) if report.round == birth.round), None)
        donated = self._history.record(birth.source.member, birth.source.record)
        scores = [report.score(objective.metric) if report else None for report in (donated, lost)]
        better, worse = [None if score is None else objective.utility(score) for score in scores]
        return None if better is None or worse is None else better - worse

    def _see_reports(self, now: float) -> None:
        """Notes when the last report of each undecided round came."""
        for report in self._feed.take_records():
            if report.round is not None and report.round > self._round and self._history.counts(report):
                self._reports[report.round] = now


@dataclass(frozen=True, slots=True)
class Observation:
    """How a population stands after a pass.

    Attributes:
        states: of every member, not only of those in the status.
        best: the best score ever.
        rounds: how many are decided.
        progress: the newest decided round as a share of all, from 0 to 1.
        seconds: what the time of all processes went to, by kind; empty while that isn't known.
        pods: as the reconcile saw them last.
        devices: accelerators of one pod, by resource.
    """

    spec: Spec
    phase: PopulationPhase
    states: Collection[MemberState]
    best: float | None
    rounds: int
    progress: float
    seconds: Mapping[str, float]
    pods: Collection[Pod]
    devices: Mapping[str, int]

    @property
    def waiting(self) -> Mapping[Waits, int]:
        """How many pods don't run yet, by what they wait for."""
        return Counter(_waits(pod) for pod in self.pods if pod.phase is Phase.PENDING and not pod.stopping)


def _waits(pod: Pod) -> Waits:
    if pod.stuck:
        return Waits.BLOCKED
    return Waits.START if pod.unplaced_for is None else Waits.PLACE
