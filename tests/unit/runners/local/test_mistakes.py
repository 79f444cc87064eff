"""Mistakes of scripts that no retry can mend: told once, with what to do."""

import re

import pytest

from fixtures.manifests import DETERMINISTIC, population

MEMBERS = 4
SCHEDULE = {"totalSteps": 40, "intervalSteps": 10, "quorumPercent": 100}
SHAPES = [
    {"name": "width", "integer": {"min": 1, "max": 6}},
    {"name": "rate", "uniform": {"min": 0.1, "max": 1}},
]
SCRIPT = """
import pbt_trainer
class Weights:
    def __init__(self, width): self.values = [0.0] * width
    def state_dict(self): return {"values": self.values}
    def load_state_dict(self, state):
        if len(state["values"]) != len(self.values):
            raise ValueError(f"{len(state['values'])} values for {len(self.values)} places")
        self.values = state["values"]
run = pbt_trainer.join({"width": 2, "rate": 1.0}, total_steps=9, interval_steps=9)
weights = Weights(run.hp["width"])
run.track(weights=weights)
for step in run.steps():
    weights.values = [value + run.hp["rate"] for value in weights.values]
    REPORT
"""
REPORT = "if run.due: run.report({'score': sum(weights.values)})"


def manifest(name, report=REPORT, **changes):
    command = ["python", "-c", SCRIPT.replace("REPORT", report)]
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    fields = {"members": MEMBERS, "schedule": SCHEDULE, "hyperparameters": SHAPES, "template": template}
    return population(name, DETERMINISTIC, **{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"hyperparameters": [{"name": "rates", "uniform": {"min": 0.1, "max": 1}}]},
            "the script doesn't name: rates",
        ),
        (
            {"report": REPORT.replace("'score'", "'accuracy'")},
            "lacks the objective's metric 'score'; it has acc",
        ),
        ({"report": "pass"}, "step 10 was due and passed without run.report"),
        ({"report": "run.report({'score': 1})"}, "step 1 is not due: the next report is at step 10"),
        (
            {"report": "if run.due: weights.values = object(); run.report({'score': 1})"},
            "StateError",
        ),
    ],
    ids=["unknown hyperparameter", "missing metric", "unreported step", "wrong step", "state"],
)
def test_the_second_member_that_makes_it_ends_the_population_which_says_what_it_is(runner, changes, told):
    run = runner(manifest("mistaken", **changes))
    finished = run.run()
    assert finished.returncode == 1, finished.stdout
    assert told in finished.stdout
    assert finished.stdout.count(told) <= 2, finished.stdout
    assert len(run.records("claims")) <= MEMBERS
    (result,) = run.records("results")
    assert result["reason"] == "Mistake"
    assert re.search(r"; all that member \d printed: \S+/logs/0000\d.log", result["message"])
    assert "Failed" not in {birth["cause"] for birth in run.records("births")}


STARTER = """
import os, subprocess, sys
ranks = [subprocess.Popen([sys.executable, "-c", sys.argv[1]],
    env=os.environ | {"RANK": str(rank), "WORLD_SIZE": "2"}) for rank in range(2)]
if any([rank.wait() for rank in ranks]):
    print("=" * 60, "the root cause: rank 0, its exit code: 83", "=" * 60, sep="\\n")
    sys.exit(1)
"""


def test_a_mistake_of_ranks_is_told_in_their_words_not_in_those_of_what_starts_them(runner):
    script = SCRIPT.replace("REPORT", REPORT.replace("'score'", "'accuracy'"))
    command = ["python", "-c", STARTER, script]
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    run = runner(manifest("ranks", members=2, template=template))
    finished = run.run()
    assert finished.returncode == 1, finished.stdout
    assert "the report lacks the objective's metric 'score'" in finished.stdout
    assert "the root cause" not in finished.stdout
    assert len(run.records("claims")) == 2
    (result,) = run.records("results")
    assert result["reason"] == "Mistake"
    assert {path.suffix for path in run.location.joinpath("logs").iterdir()} == {".log"}


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["sh", "-c", "exec python nothere.py"], "the script has to be where the trainers run"),
        (["sh", "-c", "pythonx train.py"], "pythonx"),
        (["python", "-c", "import nothere"], "install it where the trainers run: beside pbt"),
        (["python", "-c", "def"], "SyntaxError: invalid syntax"),
    ],
    ids=["script", "program", "module", "syntax"],
)
def test_what_no_member_can_begin_with_is_told_at_the_second_start(runner, command, told):
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    run = runner(manifest("unable", template=template, parallelism=2))
    finished = run.run()
    assert finished.returncode == 1, finished.stdout
    assert "could not begin, and nobody has reported: " in finished.stdout
    assert told in finished.stdout
    assert len(run.records("ends")) == 2
    (result,) = run.records("results")
    assert result["reason"] == "Mistake"


def test_a_population_without_a_finite_score_fails_the_command(runner):
    run = runner(
        manifest("hopeless", report=REPORT.replace("sum(weights.values)", "float('nan')"), members=2)
    )
    finished = run.run()
    assert finished.returncode == 1, finished.stdout
    assert (
        "Failed: NoFiniteScore, no report has a finite score, so there is no best checkpoint"
        in finished.stdout
    )
    (result,) = run.records("results")
    assert (result["phase"], result["reason"], result["best"]) == ("Failed", "NoFiniteScore", None)


def test_a_checkpoint_that_fits_no_newborn_costs_no_member_for_its_values_are_to_blame(runner):
    """A hyperparameter that shapes the weights is explored: `explore: Never` is what it needs."""
    run = runner(manifest("shapes", exploit={"truncation": {"percent": 50}}))
    finished = run.run()
    assert "StateError" in finished.stdout
    assert (
        "places. A hyperparameter that changes the form of a state needs `explore: Never`" in finished.stdout
    )
    births = run.records("births")
    assert [birth for birth in births if birth["cause"] == "Replace" and birth["blamed"] == 1]
    assert not {"Crash", "Failed"} & {birth["cause"] for birth in births}
