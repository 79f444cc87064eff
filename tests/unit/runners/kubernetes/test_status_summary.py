"""The bounded status of large and of troubled populations, compared with the whole story in the store."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from msgspec import UNSET

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.records import Cause
from pbt_operator.control import decide
from pbt_operator.control.occupancy import JOIN_SECONDS
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core import status_builder
from pbt_operator.core.status import Forecast, SecondsSpent
from pbt_operator.core.status_builder import rounds_behind
from pbt_operator.core.time_words import spent_text
from pbt_operator.manifest.population import to_core
from pbt_operator.page import page
from pbt_operator.records.archive import read_archive
from pbt_operator.runners.kubernetes.api_errors import ApiRefused
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.status_summary import (
    MAX_MEMBERS,
    Overview,
    conditions_of,
    look,
    observe,
    summarize,
    tell,
)
from simulation import Simulation, TrainerCrashed
from simulation.pods import Durations, SimulatedTrainer

BROKEN = (7, 41, 97)  # crash whatever they train with
SHAKEN = (12, 60)  # crash once
SHORT = {**DETERMINISTIC["schedule"], "totalSteps": 60}
TARGET = {**DETERMINISTIC["objective"], "target": -1.0}


class Troubled(Deterministic):
    """Some members crash."""

    def __init__(self) -> None:
        self.shaken = set(SHAKEN)

    def fate(self, member, step):
        if member in BROKEN or (member in self.shaken and step > 25):
            self.shaken.discard(member)
            return TrainerCrashed("RuntimeError: " + "x" * 5000)
        return None


class Waiting(SimpleNamespace):
    """The pods of a simulation, some of which the cluster doesn't take or run."""

    refusal: ApiRefused | None = None
    held: tuple[Pod, ...] = ()

    def observe(self) -> list[Pod]:
        return [*self.of.observe(), *self.held]

    def waiting(self) -> list[Pod]:
        return [pod for pod in self.observe() if pod.phase is Phase.PENDING and pod.message]


def experiment_of(simulation: Simulation) -> Any:
    """As the driver has it, but for the cluster."""
    simulation.repository.count(takeovers=True)
    return SimpleNamespace(
        store=simulation.store,
        repository=simulation.repository,
        simulation=simulation,
        pods=Waiting(of=simulation.pods),
    )


def seen(experiment: Any) -> Overview:
    """How it stands after its newest pass."""
    simulation = experiment.simulation
    return look(experiment, simulation.last or simulation.passes())


def conditions(experiment: Any) -> dict[str, tuple[str, str]]:
    return {found.kind: (found.status, found.reason) for found in conditions_of(seen(experiment))}


def simulate(**changes: Any) -> Simulation:
    return Simulation(spec(DETERMINISTIC, **{"schedule": SHORT, **changes}), Deterministic(), tick_seconds=1)


@pytest.fixture(scope="module")
def hundred() -> Any:
    manifest = spec(
        DETERMINISTIC,
        members=100,
        schedule=SHORT,
        initial=[{"rate": (1000 + member) / 1e5, "depth": 1} for member in range(100)],
        exploit={"none": {}},
        backoffLimit=1,
    )
    simulation = Simulation(manifest, Troubled(), durations=Durations(step=lambda _: 1.0), tick_seconds=1)
    with patch.object(
        decide, "returned", lambda *_: None
    ):  # those that failed would try again with each round
        while simulation.time.now < 35:
            simulation.step()
    return experiment_of(simulation)


def test_of_a_hundred_members_the_troubled_are_shown_first_and_then_the_best(hundred):
    members = summarize(seen(hundred), poll_seconds=5)["members"]
    assert len(members) == MAX_MEMBERS
    numbers = [member["member"] for member in members]
    assert set(numbers[: len(BROKEN)]) == set(BROKEN)
    assert set(numbers[len(BROKEN) : len(BROKEN) + len(SHAKEN)]) == set(SHAKEN)
    told = read_archive(hundred.store)
    everybody = {member.member: member for member in told.status().members}
    calm = [m for m in everybody.values() if m.member not in {*BROKEN, *SHAKEN}]
    best = sorted(calm, key=lambda m: (-(m.score or 0), m.member))
    assert numbers[len(BROKEN) + len(SHAKEN) :] == [m.member for m in best][: MAX_MEMBERS - 5]
    assert all(len(member["reason"]) <= 500 for member in members)
    assert [member["state"] for member in members[:4]] == ["Failed", "Failed", "Failed", "Training"]


def test_the_totals_are_those_of_the_whole_population(hundred):
    found, told = summarize(seen(hundred), poll_seconds=5), read_archive(hundred.store).status()
    assert told.best is not None
    assert (found["rounds"], found["births"], found["exploits"]) == (told.rounds, told.births, told.exploits)
    assert found["failedMembers"] == len(BROKEN)
    assert found["replicas"] == found["readyReplicas"] == 100 - len(BROKEN)
    assert found["best"]["score"] == told.best.score
    assert float(found["bestScore"]) == pytest.approx(told.best.score, rel=1e-5)
    assert found["steps"]["productive"] == told.steps.productive
    states = observe(seen(hundred)).states
    assert len(states) == 100


AWAY = (35.0, 85.0)
"""When there is no operator, in seconds."""


@pytest.mark.parametrize("ends", [False, True], ids=["under way", "at the end"])
@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "another one"])
def test_resource_result_and_records_tell_the_same_numbers_where_rounds_were_skipped(ends, restarts):
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": 75}
    uneven = Durations(step=lambda member: 1.0 + member % 3 / 10)
    simulation = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic(), durations=uneven)
    simulation.pods.ignores_gates = lambda _member: True
    simulation.repository.count(takeovers=True)
    while simulation.time.now < AWAY[0]:
        simulation.step()
    while simulation.time.now < AWAY[1]:
        simulation.time.advance()
    if restarts:
        simulation.operator_restarts()
        simulation.repository.count(takeovers=True)
    while simulation.time.now < AWAY[1] + 40:
        simulation.step()
    if ends:
        simulation.run()
    simulation.passes()
    experiment = SimpleNamespace(
        store=simulation.store,
        repository=simulation.repository,
        simulation=simulation,
        pods=Waiting(of=simulation.pods),
    )
    told = read_archive(simulation.store)
    shown, status = summarize(seen(experiment), poll_seconds=5), told.status()
    assert 1 < len(told.rounds) < told.rounds[-1].number, "some were skipped"
    assert status.steps.discarded > 0
    names = ("rounds", "steps", "seconds", "births", "exploits", "final")
    found = [tuple(shown[name] for name in names)]
    for one in [status, *([told.result] if ends else [])]:
        assert one is not None
        words = msgspec.to_builtins(one)
        found.append(tuple(words[name] for name in names))
    assert found == [found[0]] * len(found)
    assert found[0][0] == len(told.rounds)
    assert status.forecast == (UNSET if ends else msgspec.convert(shown["forecast"], Forecast))
    steps, drawn = status.steps, page(told)
    assert isinstance(status.seconds, SecondsSpent)
    assert f"<dt>Rounds</dt><dd>{status.rounds}</dd>" in drawn
    assert f"<dd>{steps.productive + steps.discarded:,}</dd>" in drawn
    assert f"; {steps.discarded} discarded</dd>" in drawn
    assert spent_text(status.seconds).partition(": ")[2] in drawn


def test_no_null_reaches_the_api_server(hundred):
    def nulls(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(nulls, value.values()))
        return any(map(nulls, value)) if isinstance(value, list) else value is None

    new = experiment_of(simulate())
    for experiment in (hundred, new):
        assert not nulls(summarize(seen(experiment), poll_seconds=5))


def test_a_population_that_begins_is_pending_until_a_trainer_runs():
    simulation = Simulation(
        spec(DETERMINISTIC, schedule=SHORT), Deterministic(), durations=Durations(start=5), tick_seconds=1
    )
    experiment = experiment_of(simulation)
    simulation.step()
    found = summarize(seen(experiment), poll_seconds=5)
    assert (found["phase"], found["replicas"], found["readyReplicas"]) == ("Pending", 8, 0)
    assert (found["progress"], found["running"]) == ("0/6", "0/8")
    assert {member["state"] for member in found["members"]} == {"Starting"}
    assert "best" not in found
    assert conditions(experiment)["Progressing"] == ("True", "Starting")
    while simulation.time.now < 8:
        simulation.step()
    assert summarize(seen(experiment), poll_seconds=5)["phase"] == "Running"
    assert conditions(experiment) == {
        "Complete": ("False", "NotEnded"),
        "Failed": ("False", "NotEnded"),
        "Suspended": ("False", "NotSuspended"),
        "Progressing": ("True", "Training"),
    }


def test_what_keeps_pods_from_running_is_a_condition():
    experiment = experiment_of(simulate(members=2, parallelism=1))
    stuck = Pod(
        name="digits-1-1",
        uid="u",
        member=1,
        incarnation=1,
        phase=Phase.PENDING,
        message="Unschedulable: full",
    )
    experiment.pods.held = (stuck,)
    (told,) = [found for found in conditions_of(seen(experiment)) if found.kind == "Progressing"]
    assert (told.status, told.reason) == ("False", "PodsWaiting")
    assert "digits-1-1: Unschedulable: full" in told.message
    for quota, reason in ((True, "QuotaExceeded"), (False, "PodsRefused")):
        experiment.pods.refusal = ApiRefused("no more than 3", quota=quota)
        (told,) = [found for found in conditions_of(seen(experiment)) if found.kind == "Progressing"]
        assert (told.status, told.reason) == ("False", reason)
        assert "no more than 3" in told.message


class Writer(SimpleNamespace):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(conditions={}, events=[])
        self.tell = self.events.append

    def note(self, condition: Condition) -> None:
        self.conditions[condition.kind] = condition


def told_of(experiment: Any) -> Writer:
    writer = Writer()
    tell(seen(experiment), writer)
    return writer


def test_of_pods_that_can_not_start_each_trouble_is_told_once_with_its_remedy():
    experiment = experiment_of(simulate(members=8))
    held = Pod("x-0-1", "u", 0, 1, Phase.PENDING, message="Unschedulable: full")
    no_image = replace(
        held, name="x-1-1", member=1, message="ErrImagePull: x", remedy="correct it", stuck=True
    )
    no_secret = replace(no_image, name="x-3-1", member=3, message="FailedMount: y", remedy="create it")
    experiment.pods.held = (held, no_image, replace(no_image, name="x-2-1", member=2), no_secret)
    writer = told_of(experiment)
    told = writer.conditions["Progressing"]
    assert (told.reason, told.message) == (
        "PodsWaiting",
        "0 pods run, 4 wait; x-1-1: ErrImagePull: x; correct it",
    )
    assert [(event.reason, event.message, event.warning) for event in writer.events] == [
        ("StartBlocked", "x-1-1: ErrImagePull: x; correct it", True),
        ("StartBlocked", "x-3-1: FailedMount: y; create it", True),
    ]


def test_a_crash_is_the_condition_where_nothing_runs():
    simulation = Simulation(spec(DETERMINISTIC, members=2, schedule=SHORT), Deterministic(), tick_seconds=1)
    experiment = experiment_of(simulation)
    simulation.step()
    for trainer in list(simulation.pods._trainers.values()):
        trainer.pod = replace(
            trainer.pod, message="init container fetch ended with exit code 42: no such data"
        )
        trainer._end(42)
    simulation.passes()
    told = told_of(experiment).conditions["Progressing"]
    assert (told.status, told.reason) == ("False", "Crashing")
    assert told.message.startswith("0 pods run; member 0: crashed: ")
    assert told.message.endswith("init container fetch ended with exit code 42: no such data")


def test_what_is_only_slow_to_start_is_told_and_is_no_alarm():
    experiment = experiment_of(simulate(members=2))
    slow = Pod("x-0-1", "u", 0, 1, Phase.PENDING, slow="init container fetch has run for 59 min")
    experiment.pods.held = (slow, replace(slow, name="x-1-1", member=1))
    writer = told_of(experiment)
    told = writer.conditions["Progressing"]
    assert (told.status, told.reason, writer.events) == ("True", "Starting", [])
    assert told.message.endswith(
        "; x-0-1: init container fetch has run for 59 min, and 1 more are slow to start"
    )


def test_a_trainer_that_runs_for_a_minute_and_has_not_joined_is_told():
    simulation = Simulation(
        spec(DETERMINISTIC, members=2, schedule=SHORT),
        Deterministic(),
        durations=Durations(start=5),
        tick_seconds=1,
    )
    experiment = experiment_of(simulation)
    simulation.step()
    birth = simulation.repository.history.newest_birth(1)
    assert birth is not None
    log = "kubectl pbt logs x --member 1"
    mute = Pod("x-1-1", "u", 1, birth.incarnation, Phase.RUNNING, running_for=JOIN_SECONDS, log=log)
    experiment.pods.observe = lambda: [mute]
    simulation.repository.claims.begin_pass()
    writer = told_of(experiment)
    told = writer.conditions["Progressing"]
    assert (told.status, told.reason) == ("True", "NotJoined")
    assert (
        "x-1-1 runs and has not joined for a minute; its script has not come to pbt_trainer.join()"
        in told.message
    )
    assert told.message.endswith(log)
    assert [(event.reason, event.member, event.warning) for event in writer.events] == [
        ("NotJoined", 1, False)
    ]
    experiment.pods.observe = lambda: [replace(mute, running_for=JOIN_SECONDS - 1)]
    assert told_of(experiment).events == []
    while not simulation.repository.history.records(1):
        simulation.step()
    experiment.pods.observe = lambda: [mute]
    assert told_of(experiment).events == []


@pytest.mark.parametrize(
    ("restart", "yields", "reason"),
    [
        ("InPlace", True, "TakingTurns"),
        ("Recreate", True, "TakingTurns"),
        ("InPlace", False, "TurnsNotPossible"),
    ],
)
@pytest.mark.parametrize(
    ("told", "lacks"),
    [
        ("Unschedulable: 0/3 nodes: 3 Insufficient nvidia.com/gpu.", "nvidia.com/gpu"),
        ("SchedulingGated", "SchedulingGated"),
    ],
)
def test_who_runs_and_who_waits_in_a_shortage_is_a_condition(
    monkeypatch, restart, yields, reason, told, lacks
):
    """Whether members take turns depends on whether processes say that they look for requests."""
    monkeypatch.setattr(SimulatedTrainer, "yields", yields)
    experiment = experiment_of(simulate(members=6, restart=restart))
    simulation = experiment.simulation
    simulation.pods.places = 4
    while simulation.time.now < 80:
        simulation.step()
    shown = seen(experiment)
    experiment.pods.held = tuple(
        replace(pod, message=told) for pod in shown.pods if pod.phase is Phase.PENDING
    )
    (found,) = [one for one in conditions_of(seen(experiment)) if one.kind == "Progressing"]
    assert (found.status, found.reason) == ("True", reason)
    assert re.match(rf"4 of 6 run, 2 wait for {lacks}[;,]", found.message)


def test_progress_is_the_newest_decided_round_and_the_last_one_where_scripts_are_done_before():
    simulation = simulate()
    experiment, shown = experiment_of(simulation), []
    while not simulation.ended:
        simulation.step()
        found = summarize(seen(experiment), poll_seconds=5)["progress"]
        shown += [found] if found not in shown else []
    assert shown == [f"{number}/6" for number in range(7)]
    history = simulation.repository.history
    longer = spec(DETERMINISTIC, schedule={**SHORT, "totalSteps": 120})
    assert rounds_behind(history, to_core(longer)) == 6
    with patch.object(status_builder, "finished", lambda *_: True):
        assert rounds_behind(history, to_core(longer)) == 12


def test_more_is_wrong_than_a_condition_says_where_waiting_cures_nothing():
    experiment = experiment_of(simulate(members=2, parallelism=1))

    def wrong() -> bool:
        (told,) = [found for found in conditions_of(seen(experiment)) if found.kind == "Progressing"]
        return told.wrong

    held = Pod("x-0-1", "u", 0, 1, Phase.PENDING, message="Unschedulable: full")
    experiment.pods.held = (held,)
    assert not wrong()
    experiment.pods.held = (held, replace(held, message="ErrImagePull: x", stuck=True))
    assert wrong()
    experiment.pods.refusal = ApiRefused("no more than 3", quota=True)
    assert not wrong()
    experiment.pods.refusal = ApiRefused("a webhook says no", quota=False)
    assert wrong()


class Nothing(Deterministic):
    """No score is finite."""

    def evaluate(self, state, hyperparameters, rng):
        return float("nan")


@pytest.mark.parametrize(
    ("task", "changes", "phase", "reason"),
    [
        (Deterministic(), {"objective": TARGET}, "Complete", "TargetReached"),
        (Deterministic(), {}, "Complete", "AllStepsDone"),
        (Deterministic(), {"finish": True}, "Failed", "NoFiniteScore"),
        (Nothing(), {}, "Failed", "NoFiniteScore"),
        (Deterministic(), {"activeDeadlineSeconds": 30}, "Failed", "DeadlineExceeded"),
    ],
)
def test_an_end_is_told_by_every_condition(task, changes, phase, reason):
    manifest = spec(DETERMINISTIC, schedule=SHORT, **changes)
    simulation = Simulation(manifest, task, durations=Durations(step=lambda _: 1.0)).run()
    experiment = experiment_of(simulation)
    other = {"Complete": "Failed", "Failed": "Complete"}[phase]
    assert conditions(experiment) == {
        phase: ("True", reason),
        other: ("False", reason),
        "Suspended": ("False", "NotSuspended"),
        "Progressing": ("False", reason),
    }
    found = summarize(seen(experiment), poll_seconds=5)
    assert (found["phase"], found["replicas"], found["running"]) == (phase, 0, "0/8")
    behind, last = map(int, found["progress"].split("/"))
    assert (behind == last == 6) is (not changes)
    assert observe(seen(experiment)).progress == pytest.approx(behind / last)


def test_members_that_were_scaled_away_are_not_shown():
    simulation = simulate(members=6)
    for _ in range(3):
        simulation.step()
    smaller = simulate(members=4)
    simulation.reconciler.replace_spec(smaller.spec, 2)
    for _ in range(6):
        simulation.step()
    removed = [simulation.repository.history.newest_birth(member) for member in (4, 5)]
    assert [birth and birth.cause for birth in removed] == [Cause.REMOVED] * 2
    found = summarize(seen(experiment_of(simulation)), poll_seconds=5)
    assert sorted(member["member"] for member in found["members"]) == [0, 1, 2, 3]
