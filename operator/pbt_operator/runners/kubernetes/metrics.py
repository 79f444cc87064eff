"""The operator's Prometheus metrics: how populations stand, what was decided and why, and what that cost."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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

from pbt_contract.records import Birth
from pbt_operator.core.history import History
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.runners.kubernetes.conditions import KINDS
from pbt_operator.runners.kubernetes.following import Follower, Observation, Waits
from pbt_operator.runners.kubernetes.gpu_time import Use

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
MOST_RESOURCES = 4
"""Of one Population with names of their own; a template may name any number, and each has a series."""
OTHER_RESOURCES = "other"
PASSES = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


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
        self._shown: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._told: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self._register_standing(own)
        self._register_counts(own)
        self._register_operator(own)

    def _register_standing(self, own: dict[str, Any]) -> None:
        """How a population stands, with its labels."""
        self._members = Gauge("pbt_population_members", "Members by state.", [*POPULATION, "state"], **own)
        self._best = Gauge("pbt_population_best_score", "The best score ever.", POPULATION, **own)
        self._conditions = Gauge(
            "pbt_population_condition",
            "1 for each condition as it stands now.",
            [*POPULATION, "type", "status", "reason"],
            **own,
        )
        self._rounds = Gauge("pbt_population_rounds", "Rounds that are decided.", POPULATION, **own)
        self._progress = Gauge(
            "pbt_population_progress",
            "The newest decided round as a share of all.",
            POPULATION,
            **own,
        )
        self._waiting = Gauge(
            "pbt_population_waiting_pods",
            "Pods that don't run yet, by what they wait for.",
            [*POPULATION, "waits_for"],
            **own,
        )
        self._seconds = Gauge(
            "pbt_population_seconds",
            "Time of all processes, as records tell it and the status shows it.",
            [*POPULATION, "kind"],
            **own,
        )

    def _register_counts(self, own: dict[str, Any]) -> None:
        """What happened to a population, with its labels."""
        self._births = Counter(
            "pbt_births", "Incarnations that were ordered, by cause.", [*POPULATION, "cause"], **own
        )
        self._restarts = Counter(
            "pbt_restarts",
            "Births that follow the end of a process, by how that ended.",
            [*POPULATION, "cause"],
            **own,
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
            "Time of the accelerators of running pods, by what it was used for.",
            [*POPULATION, "kind", "resource"],
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
            self._phase_is((namespace, name), phase)

    def observe_conditions(self, namespace: str, name: str, conditions: Iterable[Mapping[str, Any]]) -> None:
        """The conditions as the status has them: one series for each type, whatever it was before."""
        labels = {"namespace": namespace, "population": name}
        now = {c["type"]: (c["status"], c["reason"]) for c in conditions if c["type"] in KINDS}
        with self._lock:
            if self._told.get((namespace, name)) == now or (namespace, name) not in self._phases:
                return
            self._told[namespace, name] = now
            self._conditions.remove_by_labels(labels)
            for kind, told in now.items():
                self._conditions.labels(namespace, name, kind, *told).set(1)

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
        restarts = follower.restarts(births)
        used = follower.usage.update(seen.pods, spec, ended=seen.phase.ended, now=now)
        with self._lock:
            if self._followers.get(follower.key) is not follower:
                return
            self._show(follower.key, seen)
            self._count(follower.key, births, gaps)
            for cause, count in restarts.items():
                self._restarts.labels(*follower.key, cause).inc(count)
            for number, (resource, count) in enumerate(seen.devices.items()):
                name = resource if number < MOST_RESOURCES else OTHER_RESOURCES
                for use in Use:
                    self._gpu_seconds.labels(*follower.key, use, name).inc(used[use] * count)
            if latency is not None:
                self._latencies.observe(latency)

    def forget(self, namespace: str, name: str) -> None:
        """Drops the series of a population that was deleted."""
        with self._lock:
            self._followers.pop((namespace, name), None)
            self._phases.pop((namespace, name), None)
            self._told.pop((namespace, name), None)
            self._shown.pop((namespace, name), None)
            self._count_phases()
            for metric in (
                self._members, self._best, self._conditions, self._rounds, self._progress, self._waiting, self._seconds,
                self._births, self._restarts, self._decisions, self._gaps, self._gpu_seconds,
            ):  # fmt: skip
                metric.remove_by_labels({"namespace": namespace, "population": name})

    def _show(self, key: tuple[str, str], seen: Observation) -> None:
        self._phase_is(key, seen.phase)
        states, waiting = Tally(seen.states), seen.waiting
        shown = (states, seen.seconds, seen.rounds, seen.progress, waiting, seen.best)
        if self._shown.get(key) == shown:  # most passes change nothing
            return
        self._shown[key] = shown
        for state in MemberState:
            self._members.labels(*key, state).set(states[state])
        for kind, seconds in seen.seconds.items():
            self._seconds.labels(*key, kind).set(seconds)
        self._rounds.labels(*key).set(seen.rounds)
        self._progress.labels(*key).set(seen.progress)
        for waits in Waits:
            self._waiting.labels(*key, waits).set(waiting[waits])
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

    def _phase_is(self, key: tuple[str, str], phase: PopulationPhase) -> None:
        if self._phases.get(key) is not phase:
            self._phases[key] = phase
            self._count_phases()

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
