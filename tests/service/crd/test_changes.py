"""What identifies an experiment can't be changed, what steers it can; the status is written beside it."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from fixtures.wrong_manifests import put
from pbt_operator.manifest.load import parse
from pbt_operator.manifest.population import changed_identity
from pbt_operator.manifest.reference import EXAMPLE
from service.crd.client import Populations, Refused

FULL: dict[str, Any] = yaml.safe_load(EXAMPLE)
ALLOWED: list[tuple[str, Any]] = [
    ("members", 12),
    ("members", 11),
    ("parallelism", None),
    ("schedule.totalSteps", 8000),
    ("schedule.burnInSteps", 0),
    ("schedule.quorumPercent", 100),
    ("schedule.maxLead", 0),
    ("schedule.stragglerTimeoutSeconds", 60),
    ("schedule.progressDeadlineSeconds", 60),
    ("hyperparameters", list(reversed(FULL["spec"]["hyperparameters"]))),
    ("initial", []),
    ("exploit", {"truncation": None, "tTest": {}}),
    ("exploit", {"truncation": {"percent": 40}, "minGap": 0.5, "copy": "Weights"}),
    ("subPopulations", [{"everyRounds": 2}, {"horizonPercent": 30}]),
    ("explore", {"factors": [0.5, 2], "resamplePercent": 0}),
    ("retention", {"checkpointsPerMember": 5, "onDelete": "Delete"}),
    ("restart", "InPlace"),
    ("suspend", True),
    ("finish", True),
    ("backoffLimit", 0),
    ("maxFailedMembers", None),
    ("activeDeadlineSeconds", 1),
    ("limits", None),
    ("limits", {"gpuHours": 1000, "totalMemberSteps": 1}),
    ("plateau", {"rounds": 1}),
    ("ttlSecondsAfterFinished", 0),
    ("template", {"spec": {"priorityClassName": "low"}}),
]
FIXED = "can't be changed: it would be another experiment; create another Population for that"


def changed_hyperparameters(index: int, **change: Any) -> list[dict[str, Any]]:
    found = deepcopy(FULL["spec"]["hyperparameters"])
    found[index] |= change
    return found


OBJECTIVE, SPACE, STORAGE = (
    f"spec.{part}: Invalid value: {FIXED}" for part in ("objective", "hyperparameters", "storage")
)
FORBIDDEN: list[tuple[str, Any, str]] = [
    ("objective.metric", "loss", OBJECTIVE),
    ("objective.goal", "Minimize", OBJECTIVE),
    ("objective.target", 0.9, OBJECTIVE),
    ("objective.target", None, OBJECTIVE),
    ("schedule.intervalSteps", 100, f"spec.schedule.intervalSteps: Invalid value: 100: {FIXED}"),
    ("schedule.totalSteps", 3999, "spec.schedule.totalSteps: Invalid value: 3999: can only be raised; should be"),
    ("hyperparameters", changed_hyperparameters(0, name="rate"), SPACE),
    ("hyperparameters", changed_hyperparameters(0, explore="Never"), SPACE),
    ("hyperparameters", changed_hyperparameters(2, uniform={"min": 0, "max": 0.5}), SPACE),
    ("hyperparameters", changed_hyperparameters(4, choice={"values": ["sgd", "adam"]}), SPACE),
    ("hyperparameters", changed_hyperparameters(4, choice={"values": ["adamw", "sgd"]}), SPACE),
    ("hyperparameters", FULL["spec"]["hyperparameters"][:-1], SPACE),
    ("storage.store", "other", STORAGE),
    ("storage.prefix", None, STORAGE),
    ("storage.credentialsSecretRef.name", "other", STORAGE),
    ("storage.adopt", "digits-0123abcd", STORAGE),
    ("strategy", "Auto", f'spec.strategy: Invalid value: "Auto": {FIXED}'),
    ("subPopulations", None, "spec.subPopulations: Invalid value: can't be given or left out later"),
    ("subPopulations", [{"everyRounds": 1}], "spec.subPopulations: Invalid value: is a list of 1; should stay"),
    ("members", 7, "has 2 sub-populations for 7 members; should have at most 1, for each needs 4 members"),
    ("seed", 8, f"spec.seed: Invalid value: 8: {FIXED}"),
]  # fmt: skip


@pytest.fixture(scope="module")
def running(populations: Populations) -> Iterator[dict[str, Any]]:
    """A Population with every field."""
    yield populations.create({**FULL, "metadata": {"name": "running"}}, keep=True)
    populations.delete("running")  # tests of this module may come again after those of another one


def patch(where: str, value: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    put(tree, f"spec.{where}", value)
    return tree


@pytest.mark.parametrize(("where", "value"), ALLOWED)
def test_what_steers_a_population_can_be_changed(
    populations: Populations, running: dict[str, Any], where: str, value: Any
) -> None:
    changed = populations.change("running", patch(where, value))
    before, after = (parse(found, source="server").spec for found in (running, changed))
    assert changed["spec"] != running["spec"]
    assert changed_identity(before, after) == []


@pytest.mark.parametrize(("where", "value", "words"), FORBIDDEN)
def test_what_identifies_an_experiment_cannot_be_changed(
    populations: Populations, running: dict[str, Any], where: str, value: Any, words: str
) -> None:
    with pytest.raises(Refused) as refused:
        populations.change("running", patch(where, value))
    assert words in str(refused.value)


def test_a_status_as_the_operator_writes_it_is_kept(
    populations: Populations, running: dict[str, Any]
) -> None:
    life = {"member": 3, "incarnation": 2, "step": 400}
    best = {
        **life,
        "score": 0.5,
        "hyperparameters": {"lr": 0.1, "optimizer": "sgd"},
        "checkpoint": "checkpoints/x/",
    }
    parent = {**life, "checkpoint": "checkpoints/x/", "record": "reports/x.json"}
    status = {
        "observedGeneration": 1,
        "phase": "Running",
        "replicas": 4,
        "readyReplicas": 3,
        "selector": "pbt.dev/population=running",
        "startTime": "2026-01-01T00:00:00Z",
        "location": "s3://experiments/pbt/default/running-0123abcd",
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "observedGeneration": 1,
                "reason": "Accepted",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
        "best": best,
        "members": [
            {**life, "state": "Training", "score": 0.5, "hyperparameters": {"lr": 0.1}, "parent": parent}
        ],
        "bestScore": "0.5",
        "rounds": 2,
        "exploits": 1,
        "births": 9,
        "failedMembers": 0,
        "steps": {"productive": 800, "discarded": 0, "waiting": 100},
    }
    changed = populations.change("running", {"status": status, "spec": {"members": 3}}, status=True)
    assert changed["status"] == status
    assert changed["spec"] == running["spec"]


def test_a_status_shows_at_most_32_members_and_each_once(
    populations: Populations, running: dict[str, Any]
) -> None:
    for members in ([{"member": n} for n in range(33)], [{"member": 1}, {"member": 1}]):
        with pytest.raises(Refused, match=r"status\.members"):
            populations.change("running", {"status": {"members": members}}, status=True)


@pytest.mark.parametrize(
    ("name", "value"), [("a-list", [1]), ("a-mapping", {"a": 1}), ("a-null", None), ("a-repetition", "sgd")]
)
def test_what_only_the_operator_refuses_can_still_be_told_in_the_status(
    populations: Populations, name: str, value: Any
) -> None:
    """Each update compares the hyperparameters with those before, which must work whatever is in them."""
    hyperparameters = changed_hyperparameters(4, choice={"values": ["sgd", value]})
    spec = {**FULL["spec"], "hyperparameters": hyperparameters, "initial": []}
    created = populations.create({**FULL, "metadata": {"name": name}, "spec": spec}, keep=True)
    changed = populations.change(name, {"status": {"phase": "Pending"}}, status=True)
    assert changed["spec"] == created["spec"]
    assert changed["status"]["phase"] == "Pending"


def test_strategy_exploit_and_explore_are_stored_as_they_were_given(populations: Populations) -> None:
    """Filled in, nobody could tell what was asked; an object of an earlier version would even be refused."""
    for given in (
        {},
        {"exploit": {}, "explore": {}},
        {"exploit": {"minGap": 1}, "explore": {"factors": [2]}},
    ):
        stored = populations.create({**FULL, "spec": {**_without_rules(), **given}})["spec"]
        assert {name: stored[name] for name in ("strategy", "exploit", "explore") if name in stored} == given


def test_a_strategy_can_be_written_out_later(populations: Populations) -> None:
    """The operator sees to it that it is the one which the population has."""
    populations.create({**FULL, "metadata": {"name": "unsaid"}, "spec": _without_rules()}, keep=True)
    for change in ({"members": 9}, {"exploit": {"none": {}}}, {"strategy": "Explicit"}, {"members": 10}):
        changed = populations.change("unsaid", {"spec": change}, keep=True)
    assert changed["spec"]["strategy"] == "Explicit"
    with pytest.raises(Refused, match=r"spec\.strategy"):
        populations.change("unsaid", {"spec": {"strategy": "Auto", "exploit": None}})


def _without_rules() -> dict[str, Any]:
    rules = {"strategy", "exploit", "subPopulations", "explore"}
    return {name: part for name, part in FULL["spec"].items() if name not in rules}
