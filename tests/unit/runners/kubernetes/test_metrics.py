"""Metrics: driven by the real reconcile in virtual time, and compared with what the store says afterwards."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from prometheus_client import generate_latest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.errors import ExitCode, StoreUnavailable
from pbt_contract.records import Cause
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.runners.kubernetes.conditions import KINDS
from pbt_operator.runners.kubernetes.following import Observation, Restarted, Waits
from pbt_operator.runners.kubernetes.metrics import MOST_RESOURCES, Metrics
from simulation import Simulation
from simulation.pods import Durations

DIGITS = {"namespace": "research", "population": "digits"}
UNEVEN = Durations(start=7, stop=3, step=lambda member: 1 + 0.1 * member)
GPU, GPUS = "nvidia.com/gpu", 2


MOST_SERIES = 100
"""docs/security.md says so."""
SECONDS = {"productive": 40.0, "discarded": 3.0, "waiting": 2.0, "starting": 1.0}


class Operator:
    """A population in virtual time under the metrics of an operator, which may restart."""

    def __init__(self, **changes: Any) -> None:
        schedule = {**DETERMINISTIC["schedule"], "quorumPercent": changes.pop("quorum", 75)}
        manifest = spec(DETERMINISTIC, schedule=schedule, **changes)
        self.simulation = Simulation(manifest, Deterministic(), durations=UNEVEN, tick_seconds=1)
        self.devices = {GPU: GPUS}
        self.held, self._running, self._at = 0.0, 0, 0.0
        self.starts()

    def starts(self) -> None:
        self.metrics = Metrics(clock=self.simulation.time)
        self._follower = self.metrics.follow("research", "digits", self.simulation.repository.history)

    def restarts(self) -> None:
        self.simulation.operator_restarts()
        self.starts()

    def passes(self) -> None:
        simulation = self.simulation
        self.held += self._running * (simulation.time.now - self._at) * GPUS
        with self.metrics.timed() as began:
            simulation.passes()
            self.observes(began)
        self._running = sum(pod.phase is Phase.RUNNING for pod in simulation.pods.observe())
        self._at = simulation.time.now
        tick = simulation.time.after(1, lambda: None)
        simulation.time.advance()
        tick.cancelled = True

    def observes(self, began: float) -> None:
        history, last = self.simulation.repository.history, self.simulation.last
        outcome = last.outcome if last else None
        best = history.best(self.simulation.spec.objective)
        seen = Observation(
            spec=self.simulation.spec,
            phase=outcome.phase if outcome else PopulationPhase.RUNNING,
            states=[MemberState.TRAINING] * 7 + [MemberState.FAILED],
            best=best.score if best else None,
            rounds=history.decided,
            progress=history.decided / 10,
            seconds=SECONDS,
            pods=self.simulation.pods.observe(),
            devices=self.devices,
        )
        self.metrics.observe_pass(self._follower, seen, began=began)

    def runs(self, *, until: float = 1e9) -> "Operator":
        while not self.simulation.ended and self.simulation.time.now < until:
            self.passes()
        return self

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def by_cause(self, name: str) -> dict[str, float]:
        found = {cause: self.value(name, **DIGITS, cause=cause) for cause in Cause}
        return {cause: count for cause, count in found.items() if count}

    def gpu_seconds(self) -> dict[str, float]:
        kinds = ("productive", "discarded", "idle")
        return {
            kind: self.value("pbt_gpu_seconds_total", **DIGITS, kind=kind, resource=GPU) for kind in kinds
        }

    @property
    def archive(self) -> Archive:
        return read_archive(self.simulation.store)


def births_by_cause(found: Archive) -> dict[str, float]:
    causes = [birth.cause for birth in found.births.values()]
    return {cause: causes.count(cause) for cause in Cause if cause in causes}


def recorded_seconds(found: Archive, *, counts: bool) -> float:
    records = [*found.reports.values(), *found.saves.values()]
    return GPUS * sum(record.seconds for record in records if found.counts(record) is counts)


def test_births_and_decisions_are_those_of_the_store():
    operator = Operator().runs()
    found = births_by_cause(operator.archive)
    assert found["Exploit"] > 3
    assert operator.by_cause("pbt_births_total") == found
    assert operator.by_cause("pbt_decisions_total") == found
    assert operator.value("pbt_population_best_score", **DIGITS) == operator.archive.best.score


def test_a_resume_is_a_birth_and_no_decision():
    operator = Operator().runs(until=50)
    operator.simulation.pods.kill()
    operator.runs()
    assert operator.by_cause("pbt_births_total")["Resume"] == births_by_cause(operator.archive)["Resume"]
    assert "Resume" not in operator.by_cause("pbt_decisions_total")


def test_a_member_that_was_scaled_away_is_a_decision_and_no_birth():
    operator = Operator().runs(until=50)
    operator.simulation.reconciler.spec = operator.simulation.spec = spec_of(members=6)
    operator.runs()
    assert operator.by_cause("pbt_decisions_total")["Removed"] == 2
    assert "Removed" not in operator.by_cause("pbt_births_total")


def spec_of(**changes: Any):
    return Simulation(spec(DETERMINISTIC, **changes), Deterministic()).spec


@pytest.mark.parametrize("quorum", [75, 100])
def test_a_restarted_operator_counts_nothing_twice_and_misses_nothing(quorum):
    operator = Operator(quorum=quorum)
    births: dict[str, float] = {}
    productive = 0.0
    for until in (33, 77, 78, 140, 1e9):
        operator.runs(until=until)
        for cause, count in operator.by_cause("pbt_births_total").items():
            births[cause] = births.get(cause, 0) + count
        productive += operator.gpu_seconds()["productive"]
        operator.restarts()
    assert births == births_by_cause(operator.archive)
    assert productive == recorded_seconds(operator.archive, counts=True)


def test_an_operator_that_starts_at_the_end_has_nothing_to_count():
    operator = Operator().runs()
    operator.restarts()
    operator.passes()
    assert operator.by_cause("pbt_births_total") == {}
    assert operator.value("pbt_decision_latency_seconds_count") == 0
    assert sum(operator.gpu_seconds().values()) == 0


def test_the_gap_is_between_the_scores_that_the_rounds_compared():
    operator = Operator(quorum=100).runs()
    gaps = []
    for decided in operator.archive.rounds:
        scores = {entry.source: entry.score for entry in decided.entries}
        own = {entry.member: entry.score for entry in decided.entries}
        gaps += [scores[d.source] - own[d.member] for d in decided.decisions]
    assert operator.value("pbt_exploit_gap_count", **DIGITS) == len(gaps)
    assert operator.value("pbt_exploit_gap_sum", **DIGITS) == pytest.approx(sum(gaps))


def test_a_lower_score_is_the_better_one_where_the_goal_says_so():
    operator = Operator(objective={"metric": "score", "goal": "Minimize"}).runs()
    assert operator.value("pbt_exploit_gap_sum", **DIGITS) > 0


@pytest.mark.parametrize("changes", [{}, {"restart": "InPlace"}, {"parallelism": 3}, {"quorum": 100}])
def test_every_second_that_a_pod_ran_is_of_one_use(changes):
    operator = Operator(**changes).runs()
    used, found = operator.gpu_seconds(), operator.archive
    assert used["productive"] == recorded_seconds(found, counts=True)
    assert used["discarded"] >= recorded_seconds(found, counts=False)
    assert sum(used.values()) == pytest.approx(operator.held)


def test_what_a_killed_pod_had_trained_since_its_record_is_discarded():
    operator = Operator(exploit={"none": {}}).runs(until=25)  # the first records are made at 17 and after
    before = operator.gpu_seconds()["discarded"]
    operator.simulation.pods.kill()
    operator.runs()
    assert before == 0
    assert operator.gpu_seconds()["discarded"] > 0
    assert recorded_seconds(operator.archive, counts=False) == 0


def test_latency_is_from_the_last_report_to_the_decision():
    """Here in passes of a second: nobody is waited for, and a pass takes no virtual time."""
    operator = Operator(quorum=100).runs()
    rounds = len(operator.archive.rounds)
    assert operator.value("pbt_decision_latency_seconds_count") == rounds
    assert operator.value("pbt_decision_latency_seconds_sum") == 0
    waiting = Operator().runs()
    assert waiting.value("pbt_decision_latency_seconds_sum") > 0


def test_the_seconds_of_the_status_are_shown_by_kind():
    operator = Operator()
    operator.passes()
    shown = {kind: operator.value("pbt_population_seconds", **DIGITS, kind=kind) for kind in SECONDS}
    assert shown == SECONDS


def test_conditions_have_one_series_of_each_type_and_what_was_before_is_dropped():
    operator = Operator()
    operator.passes()

    def told(**reasons: str) -> dict[str, tuple[str, str]]:
        written = [{"type": kind, "status": "True", "reason": reason} for kind, reason in reasons.items()]
        operator.metrics.observe_conditions("research", "digits", written)
        (family,) = [f for f in operator.metrics.registry.collect() if f.name == "pbt_population_condition"]
        assert {sample.value for sample in family.samples} == {1.0}
        return {s.labels["type"]: (s.labels["status"], s.labels["reason"]) for s in family.samples}

    assert told(Ready="Training", Accepted="Accepted") == {
        "Ready": ("True", "Training"),
        "Accepted": ("True", "Accepted"),
    }
    assert told(Ready="TakingTurns", Foreign="x") == {"Ready": ("True", "TakingTurns")}
    operator.metrics.forget("research", "digits")
    operator.metrics.observe_conditions(
        "research", "digits", [{"type": "Ready", "status": "True", "reason": "x"}]
    )
    assert b"pbt_population_condition{" not in generate_latest(operator.metrics.registry)


def test_rounds_and_progress_are_shown():
    operator = Operator().runs()
    assert operator.value("pbt_population_rounds", **DIGITS) == len(operator.archive.rounds) > 0
    assert operator.value("pbt_population_progress", **DIGITS) == len(operator.archive.rounds) / 10


def test_pods_that_wait_are_counted_by_what_they_wait_for():
    operator = Operator()
    pending = Pod("x", "u", 0, 1, Phase.PENDING)
    blocked = replace(pending, stuck=True, unplaced_for=1.0)
    held = [
        pending,
        blocked,
        blocked,
        *[replace(pending, unplaced_for=0.0)] * 3,
        replace(pending, stopping=True),
    ]
    operator.simulation.pods.observe = lambda: held
    operator.observes(0.0)
    found = {
        waits: operator.value("pbt_population_waiting_pods", **DIGITS, waits_for=waits) for waits in Waits
    }
    assert found == {Waits.START: 1, Waits.BLOCKED: 2, Waits.PLACE: 3}


def test_restarts_are_counted_by_how_processes_ended():
    operator = Operator(backoffLimit=100).runs(until=30)
    pods = operator.simulation.pods

    def ends(code: int | None, **how: Any) -> None:
        trainer = next(t for t in pods._trainers.values() if t.pod.phase is Phase.RUNNING)
        trainer.pod = replace(trainer.pod, **how)
        trainer._end(code)

    ends(1)
    ends(137, out_of_memory=True)
    ends(ExitCode.STORAGE)
    ends(None, disrupted=True)
    operator.runs()
    found = {why: operator.value("pbt_restarts_total", **DIGITS, cause=why) for why in Restarted}
    assert {why: count for why, count in found.items() if count} == {
        Restarted.CRASHED: 1,
        Restarted.OUT_OF_MEMORY: 1,
        Restarted.STORE: 1,
        Restarted.DISRUPTED: 1,
    }


def test_accelerators_are_counted_by_resource_and_what_is_too_many_together():
    operator = Operator()
    operator.devices = {f"nvidia.com/mig-{size}g.5gb": size for size in range(1, MOST_RESOURCES + 3)}
    operator.runs()
    by_resource = dict.fromkeys([*list(operator.devices)[:MOST_RESOURCES], "other"], 0.0)
    for name in by_resource:
        kinds = ("productive", "discarded", "idle")
        by_resource[name] = sum(
            operator.value("pbt_gpu_seconds_total", **DIGITS, kind=kind, resource=name) for kind in kinds
        )
    seconds = operator.held / GPUS
    sizes = [1, 2, 3, 4, 5 + 6]
    assert list(by_resource.values()) == pytest.approx([size * seconds for size in sizes])


def test_the_series_of_a_population_are_bounded_whatever_it_is_and_does():
    operator = Operator(backoffLimit=100)
    operator.devices = {f"nvidia.com/mig-{size}g.5gb": 1 for size in range(100)}
    for number in range(100):
        told = [
            {"type": kind, "status": "True", "reason": f"Reason{number}"} for kind in (*KINDS, f"Own{number}")
        ]
        operator.metrics.observe_conditions("research", "digits", told)
        operator.passes()
    for cause in Cause:
        operator.metrics._births.labels(*DIGITS.values(), cause).inc()
        operator.metrics._decisions.labels(*DIGITS.values(), cause).inc()
    for why in Restarted:
        operator.metrics._restarts.labels(*DIGITS.values(), why).inc()
    lines = generate_latest(operator.metrics.registry).decode().splitlines()
    own = [line for line in lines if 'population="digits"' in line]
    assert 80 < len(own) <= MOST_SERIES
    operator.metrics.forget("research", "digits")
    assert b"digits" not in generate_latest(operator.metrics.registry)


def test_members_and_populations_are_shown_by_state():
    operator = Operator()
    operator.passes()
    operator.metrics.observe_phase("research", "wrong", PopulationPhase.PENDING)
    assert operator.value("pbt_population_members", **DIGITS, state="Training") == 7
    assert operator.value("pbt_population_members", **DIGITS, state="Failed") == 1
    assert operator.value("pbt_populations", phase="Running") == 1
    assert operator.value("pbt_populations", phase="Pending") == 1


def test_a_deleted_population_leaves_no_series_and_a_late_pass_brings_none_back():
    operator = Operator().runs()
    operator.metrics.forget("research", "digits")
    operator.observes(0.0)
    assert b"digits" not in generate_latest(operator.metrics.registry)
    assert operator.value("pbt_populations", phase="Complete") == 0


def test_a_population_that_is_followed_again_is_shown_again_though_nothing_has_changed():
    operator = Operator()
    operator.passes()
    operator.metrics.forget("research", "digits")
    history = operator.simulation.repository.history
    operator._follower = operator.metrics.follow("research", "digits", history)
    operator.observes(0.0)
    assert operator.value("pbt_population_members", **DIGITS, state="Training") == 7
    assert operator.value("pbt_populations", phase="Running") == 1


def test_a_population_without_gpus_has_no_gpu_seconds():
    operator = Operator()
    follower = operator.metrics.follow("research", "cpu", operator.simulation.repository.history)
    seen = Observation(
        spec=operator.simulation.spec,
        phase=PopulationPhase.RUNNING,
        states=[],
        best=None,
        rounds=0,
        progress=0.0,
        seconds={},
        pods=[],
        devices={},
    )
    operator.metrics.observe_pass(follower, seen, began=0.0)
    assert b"pbt_gpu_seconds_total{" not in generate_latest(operator.metrics.registry)


def test_a_pass_that_fails_is_timed_and_counted_by_what_it_raised():
    operator = Operator()
    with pytest.raises(StoreUnavailable), operator.metrics.timed():
        raise StoreUnavailable("no route")
    operator.metrics.count_error("ApiUnavailable")
    assert operator.value("pbt_reconcile_errors_total", reason="StoreUnavailable") == 1
    assert operator.value("pbt_reconcile_errors_total", reason="ApiUnavailable") == 1
    assert operator.value("pbt_reconcile_seconds_count") == 1


# stores


class Answers(BaseHTTPRequestHandler):
    """A store that is busy once, and then has nothing."""

    busy = 1

    def do_GET(self) -> None:
        status = 503 if type(self).busy else 404
        type(self).busy = 0
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    Answers.busy = 1
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def get(metrics: Metrics, endpoint: str) -> None:
    client = Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}, s3={"addressing_style": "path"}),
    )
    metrics.count_requests(client, store="default")
    client.get_object(Bucket="experiments", Key="specs/1.json")


def requests(metrics: Metrics, outcome: str) -> float | None:
    labels = {"store": "default", "operation": "GetObject", "outcome": outcome}
    return metrics.registry.get_sample_value("pbt_store_requests_total", labels)


def test_every_request_to_a_store_is_counted_retries_included(endpoint):
    metrics = Metrics()
    with pytest.raises(ClientError):
        get(metrics, endpoint)
    assert requests(metrics, "503") == 1
    assert requests(metrics, "404") == 1


def test_a_store_that_can_not_be_reached_is_an_outcome():
    metrics = Metrics()
    with pytest.raises(EndpointConnectionError):
        get(metrics, "http://127.0.0.1:1")
    assert requests(metrics, "Unreachable") == 2
