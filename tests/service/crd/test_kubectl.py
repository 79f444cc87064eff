"""Populations at the terminal: names, columns, scaling, and documentation by `kubectl explain`."""

import json

import pytest

from fixtures.wrong_manifests import GOOD
from pbt_operator.manifest.load import parse
from service.crd.client import Populations
from support.apiserver import ApiServer


@pytest.fixture(scope="module")
def terminal(populations: Populations) -> str:
    """A Population that has a best member."""
    populations.create({**GOOD, "metadata": {"name": "terminal"}}, keep=True)
    status = {
        "phase": "Running",
        "progress": "12/40",
        "running": "3/8",
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": "Training",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, status in {"Reconciling": "False", "Ready": "True"}.items()
        ],
        "replicas": 4,
        "readyReplicas": 3,
        "selector": "pbt.dev/population=terminal",
        "best": {"member": 2, "incarnation": 1, "step": 400, "score": 0.875},
        "bestScore": "0.875",
        "exploits": 5,
        "rounds": 2,
        "births": 13,
        "failedMembers": 1,
        "strategy": "Auto",
    }
    populations.change("terminal", {"status": status}, keep=True, status=True)
    return "terminal"


def table(text: str) -> list[dict[str, str]]:
    head, *rows = [line.split() for line in text.splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.mark.parametrize("name", ["populations", "population", "pop", "pbt", "populations.pbt.dev"])
def test_it_is_found_by_its_names(apiserver: ApiServer, terminal: str, name: str) -> None:
    assert apiserver.kubectl("get", name, terminal, "-o", "name").stdout == "population.pbt.dev/terminal\n"


def test_the_columns_show_how_it_stands(apiserver: ApiServer, terminal: str) -> None:
    (row,) = table(apiserver.kubectl("get", "populations", terminal).stdout)
    assert row.pop("AGE")
    assert row == {
        "NAME": "terminal",
        "PHASE": "Running",
        "REASON": "Training",
        "PROGRESS": "12/40",
        "RUNNING": "3/8",
        "BEST": "0.875",
    }


def test_wide_columns_show_more(apiserver: ApiServer, terminal: str) -> None:
    (row,) = table(apiserver.kubectl("get", "populations", terminal, "-o", "wide").stdout)
    names = ["READY", "MEMBERS", "FAILED", "STEP", "ROUNDS", "EXPLOITS", "BIRTHS", "STRATEGY", "STORE"]
    assert list(row)[7:] == names
    assert {name: row[name] for name in names} == {
        "READY": "True",
        "MEMBERS": "8",
        "FAILED": "1",
        "STEP": "400",
        "ROUNDS": "2",
        "EXPLOITS": "5",
        "BIRTHS": "13",
        "STRATEGY": "Auto",
        "STORE": "default",
    }


def test_members_are_scaled(apiserver: ApiServer, terminal: str) -> None:
    apiserver.kubectl("scale", "population/terminal", "--replicas=12")
    scale = apiserver.kubectl(
        "get", "population", terminal, "--subresource=scale", "-o", "jsonpath={.spec.replicas} {.status}"
    ).stdout
    assert scale == '12 {"replicas":4,"selector":"pbt.dev/population=terminal"}'
    assert "12" in apiserver.kubectl("get", "population", terminal, "-o", "jsonpath={.spec.members}").stdout
    apiserver.kubectl("scale", "population/terminal", "--replicas=8")


def test_scaling_to_nothing_is_refused(apiserver: ApiServer, terminal: str) -> None:
    ended = apiserver.kubectl("scale", "population/terminal", "--replicas=0", check=False)
    assert "spec.members in body should be greater than or equal to 1" in ended.stderr


def test_server_side_apply_by_two_managers_merges_nothing(apiserver: ApiServer) -> None:
    manifest = json.dumps({**GOOD, "metadata": {"name": "applied"}})
    for manager in ("kubectl", "flux"):
        apiserver.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", input=manifest)
    applied = json.loads(apiserver.kubectl("get", "population", "applied", "-o", "json").stdout)
    assert parse(applied, source="server").spec == parse(GOOD, source="test").spec


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("", "Members that are trained together, compared in rounds, and copied from each other."),
        (".spec", "What identifies the experiment can't be changed: objective, hyperparameters, strategy"),
        (".spec", "How many members are trained together."),
        (".spec", "A whole number from 0 to 10000. Default: 6."),
        (".spec.schedule.quorumPercent", "A whole number from 50 to 100. Default: 75."),
        (".spec.schedule.progressDeadlineSeconds", "Seconds after which a running member"),
        (".spec.hyperparameters.logUniform.min", "Above 0, unless `of` is OneMinus. Example: 1.0e-4."),
        (".spec.hyperparameters.choice.values", "Numbers, texts, true or false, all different."),
        (".spec.exploit.copy", "ENUM: Both Weights Hyperparameters"),
        (".spec.strategy", "With Auto, they are chosen once, by the members, rounds and hyperparameters"),
        (".spec.exploit", "With strategy Auto, only `minGap` and `copy` can be given."),
        (".spec.explore.factors", "A list of 1 to 16."),
        (".spec.explore.resamplePercent", "A whole number from 0 to 100. Default: 25."),
        (".status.strategy", "Who chose exploit and explore: Auto, when the population began, or Explicit."),
        (".spec.storage.credentialsSecretRef", "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (".spec.template.spec", "`kubectl explain pod.spec` lists its fields."),
        (".status.progress", "The newest round that is decided, and the last one"),
        (".status.conditions", "what they come to: Ready, Reconciling and Stalled."),
        (".status.best", "The value of the objective's metric, the mean of a list."),
        (".status.members.parent", "The checkpoint that its newest incarnation started from."),
    ],
)
def test_explain_reads_like_documentation(apiserver: ApiServer, field: str, words: str) -> None:
    told = apiserver.kubectl("explain", f"population{field}").stdout
    assert words in " ".join(told.split())


def test_no_field_is_without_an_explanation(apiserver: ApiServer) -> None:
    told = apiserver.kubectl("explain", "population.spec", "--recursive").stdout
    assert "<no description>" not in told
    assert "finish\t<boolean>" in told
