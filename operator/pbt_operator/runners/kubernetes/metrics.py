"""The operator's Prometheus metrics: how populations stand, what was decided and why, and what that cost."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from pbt_contract.records import Birth, Cause
from pbt_operator.control.pods import Pod
from pbt_operator.core.history import History
from pbt_operator.core.search import Objective
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.runners.kubernetes.gpu_time import Usage, Use

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

POPULATION = ("namespace", "population")
GAPS = tuple(float(f"{factor}e{power}") for power in range(-5, 4) for factor in (1, 3))
LATENCIES = (
    0.1,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    300,
    1800,
    7200,
)  # below quorum 100 half an interval is waited for
PASSES = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


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
        seconds: what the time of all processes went to, by kind; empty while that isn't known.
        pods: as the reconcile saw them last.
        gpus: of one pod.
    """

    spec: Spec
    phase: PopulationPhase
    states: Collection[MemberState]
    best: float | None
    seconds: Mapping[str, float]
    pods: Collection[Pod]
    gpus: float


class Metrics:
    """All of them, in a registry of their own; safe to use from several threads.

    Attributes:
        registry: what a scrape reads.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Registers them. `clock` is monotonic, in seconds."""
        # Each counter and histogram would have a second series, which nothing reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._clock = clock
        self._lock = Lock()
        self._followers: dict[tuple[str, str], Follower] = {}
        self._phases: dict[tuple[str, str], PopulationPhase] = {}
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self._register_populations(own)
        self._register_operator(own)

    def _register_populations(self, own: dict[str, Any]) -> None:
        """The series with a population's labels."""
        self._members = Gauge("pbt_population_members", "Members by state.", [*POPULATION, "state"], **own)
        self._best = Gauge("pbt_population_best_score", "The best score ever.", POPULATION, **own)
        self._seconds = Gauge(
            "pbt_population_seconds",
            "Time of all processes, as records tell it and the status shows it.",
            [*POPULATION, "kind"],
            **own,
        )
        self._births = Counter(
            "pbt_births", "Incarnations that were ordered, by cause.", [*POPULATION, "cause"], **own
        )
        self._decisions = Counter(
            "pbt_decisions",
            "Births that are no resumes, and lines that were closed.",
            [*POPULATION, "cause"],
            **own,
        )
        self._gaps = Histogram(
            "pbt_exploit_gap", "By how much donors were better.", POPULATION, buckets=GAPS, **own
        )
        self._gpu_seconds = Counter(
            "pbt_gpu_seconds",
            "GPU time of running pods, by what it was used for.",
            [*POPULATION, "kind"],
            **own,
        )

    def _register_operator(self, own: dict[str, Any]) -> None:
        """The series of the operator as a whole."""
        self._populations = Gauge("pbt_populations", "Populations by phase.", ["phase"], **own)
        self._latencies = Histogram(
            "pbt_decision_latency_seconds",
            "From a round's last report to its decision.",
            buckets=LATENCIES,
            **own,
        )
        self._passes = Histogram("pbt_reconcile_seconds", "How long passes take.", buckets=PASSES, **own)
        self._errors = Counter("pbt_reconcile_errors", "What passes ended with.", ["reason"], **own)
        self._requests = Counter(
            "pbt_store_requests",
            "Requests to stores, retries included; the outcome is the HTTP status or Unreachable.",
            ["store", "operation", "outcome"],
            **own,
        )

    # passes

    @contextmanager
    def timed(self) -> Iterator[float]:
        """Times a pass and counts what it raises; yields when it began, by the clock."""
        began = self._clock()
        try:
            yield began
        except Exception as error:
            self.count_error(type(error).__name__)
            raise
        finally:
            self._passes.observe(self._clock() - began)

    def count_error(self, reason: str) -> None:
        """A pass could not do all that it should; `reason` is one of few, in CamelCase."""
        self._errors.labels(reason).inc()

    def follow(self, namespace: str, name: str, history: History) -> Follower:
        """Begins to count a population, whose journal was loaded, before the first pass over it."""
        follower = Follower(namespace, name, history, now=self._clock())
        with self._lock:
            self._followers[follower.key] = follower
        return follower

    def observe_phase(self, namespace: str, name: str, phase: PopulationPhase) -> None:
        """The phase of a population, also of one that could not be opened."""
        with self._lock:
            self._phases[namespace, name] = phase
            self._count_phases()

    def observe_pass(self, follower: Follower, seen: Observation, *, began: float) -> None:
        """Counts what a pass did that ended well, and what those before it did that didn't.

        Args:
            follower: as `follow` gave it; one that was replaced or forgotten since isn't counted any more.
            seen: how the population stands now.
            began: as `timed` gave it.
        """
        now, spec = self._clock(), seen.spec
        latency = follower.latency(began=began, now=now)
        births = follower.births()
        gaps = [follower.gap(birth, spec.objective) for birth in births]
        used = follower.usage.update(seen.pods, spec, ended=seen.phase.ended, now=now)
        with self._lock:
            if self._followers.get(follower.key) is not follower:
                return
            self._show(follower.key, seen)
            self._count(follower.key, births, gaps)
            for use in Use if seen.gpus else ():
                self._gpu_seconds.labels(*follower.key, use).inc(used[use] * seen.gpus)
            if latency is not None:
                self._latencies.observe(latency)

    def forget(self, namespace: str, name: str) -> None:
        """Drops the series of a population that was deleted."""
        with self._lock:
            self._followers.pop((namespace, name), None)
            self._phases.pop((namespace, name), None)
            self._count_phases()
            for metric in (
                self._members, self._best, self._seconds, self._births, self._decisions, self._gaps, self._gpu_seconds,
            ):  # fmt: skip
                metric.remove_by_labels({"namespace": namespace, "population": name})

    def _show(self, key: tuple[str, str], seen: Observation) -> None:
        self._phases[key] = seen.phase
        self._count_phases()
        states = Tally(seen.states)
        for state in MemberState:
            self._members.labels(*key, state).set(states[state])
        for kind, seconds in seen.seconds.items():
            self._seconds.labels(*key, kind).set(seconds)
        if seen.best is not None:
            self._best.labels(*key).set(seen.best)

    def _count(self, key: tuple[str, str], births: list[Birth], gaps: list[float | None]) -> None:
        for birth in births:
            if not birth.cause.closes:
                self._births.labels(*key, birth.cause).inc()
            if not birth.cause.resumes:
                self._decisions.labels(*key, birth.cause).inc()
        for gap in gaps:
            if gap is not None:
                self._gaps.labels(*key).observe(gap)

    def _count_phases(self) -> None:
        counts = Tally(self._phases.values())
        for phase in PopulationPhase:
            self._populations.labels(phase).set(counts[phase])

    # stores

    def count_requests(self, client: "S3Client", *, store: str) -> None:
        """Counts every request that `client` makes from now on."""

        def count(event_name: str, response_dict: Mapping[str, Any] | None, **_: Any) -> None:
            outcome = str(response_dict["status_code"]) if response_dict else "Unreachable"
            self._requests.labels(store, event_name.rpartition(".")[2], outcome).inc()

        client.meta.events.register("response-received.s3", count)
