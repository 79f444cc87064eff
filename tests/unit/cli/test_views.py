"""`pbt status`, `pbt lineage` and `pbt schedule` of a small population, word for word."""

import json
import sys
from itertools import pairwise

import pytest
import yaml

from pbt_contract.stores.folder import FolderStore
from pbt_operator.records.archive import read_archive
from unit.page.populations import record_simulated


def test_status_as_json_has_the_words_of_the_status(pbt, digits):
    best = {
        "member": 1,
        "incarnation": 2,
        "step": 20,
        "score": 0.875,
        "hyperparameters": {"lr": 0.4},
        "checkpoint": "checkpoints/00001-000002/000000000020-n/",
    }
    parent = {
        "member": 0,
        "incarnation": 1,
        "step": 10,
        "checkpoint": "checkpoints/00000-000001/000000000010-n/",
        "record": "reports/0000001/00000-000001.json",
    }
    ended = pbt("status", digits, "-o", "json")
    assert ended.code == 0
    assert json.loads(ended.out) == {
        "format": 1,
        "phase": "Complete",
        "reason": "AllStepsDone",
        "message": "all members are at step 20",
        "best": best,
        "final": best,
        "members": [
            {
                "member": 0,
                "incarnation": 1,
                "state": "Finished",
                "step": 20,
                "score": 0.5,
                "hyperparameters": {"lr": 0.5},
                "parent": None,
                "reason": "starts from spec.initial",
                "metrics": {"val_accuracy": 0.5},
            },
            {
                "member": 1,
                "incarnation": 2,
                "state": "Finished",
                "step": 20,
                "score": 0.875,
                "hyperparameters": {"lr": 0.4},
                "parent": parent,
                "reason": "0.25 is among the worst 1 of 2; copies member 0 (0.75)",
                "metrics": {"val_accuracy": 0.875},
            },
        ],
        "rounds": 2,
        "exploits": 1,
        "births": 3,
        "steps": {"productive": 40, "discarded": 0, "remaining": 0, "waiting": 0},
        "seconds": {"productive": 6.0, "discarded": 0.0, "waiting": 0.0, "starting": 0.0},
        "strategy": "Explicit",
        "exploit": {"truncation": {"percent": 25}, "minGap": 0.0, "copy": "Both", "horizonPercent": 0},
        "explore": {"factors": [0.8, 1.25], "resamplePercent": 25},
    }


def test_status_as_text_is_plain_where_there_is_no_terminal(pbt, digits):
    assert pbt("status", digits).out == (
        "digits: Complete (AllStepsDone: all members are at step 20)\n"
        "\n"
        "best   val_accuracy 0.875 by member 1-2 at step 20; lr 0.4\n"
        "final  val_accuracy 0.875 by member 1-2 at step 20; lr 0.4\n"
        "rules  Explicit; exploit: truncation (percent 25), copy Both, horizonPercent 0, minGap 0; "
        "explore: factors 0.8 or 1.25, resamplePercent 25\n"
        "\n"
        "member  incarnation  state     step  val_accuracy   lr  parent\n"
        "     0            1  Finished    20           0.5  0.5  -\n"
        "     1            2  Finished    20         0.875  0.4  0-1\n"
        "\n"
        "2 rounds, 1 exploit, 3 births\n"
        "steps: 40 productive, 0 discarded, 0 remaining\n"
        "process time: 6 s: 100 % productive, 0 % discarded, 0 % waiting, 0 % starting\n"
        "1 first ancestor is alive after round 2\n"
        "the newest values are of round 1: 1 moved\n"
    )


def test_a_table_on_a_narrow_terminal_is_not_cut(pbt, tmp_path, monkeypatch):
    store = FolderStore(tmp_path / "digits")
    record_simulated(store, num_rounds=3)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = pbt("status", tmp_path / "digits").out
    assert "incarnation" in out
    [row] = [line for line in out.splitlines() if line.split()[:1] == ["0"]]
    told = read_archive(store).status().members[0]
    assert told.state.value in row
    assert str(told.hyperparameters["optimizer"]) in row


def test_lineage_as_json(pbt, digits):
    ended = pbt("lineage", digits, "-o", "json")
    assert json.loads(ended.out) == {
        "member": 1,
        "incarnation": 2,
        "step": 20,
        "score": 0.875,
        "segments": [
            {
                "member": 0,
                "incarnation": 1,
                "cause": "Initial",
                "startStep": 0,
                "endStep": 10,
                "score": 0.75,
                "hyperparameters": {"lr": 0.5},
                "operations": {},
                "reason": "starts from spec.initial",
            },
            {
                "member": 1,
                "incarnation": 2,
                "cause": "Exploit",
                "startStep": 10,
                "endStep": 20,
                "score": 0.875,
                "hyperparameters": {"lr": 0.4},
                "operations": {"lr": "x0.8"},
                "reason": "0.25 is among the worst 1 of 2; copies member 0 (0.75)",
            },
        ],
        "ancestors": [{"member": 0, "incarnation": 1, "members": [0, 1]}],
        "diversity": [
            {"round": 1, "step": 10, "members": 2, "ancestors": 1, "largest": 2},
            {"round": 2, "step": 20, "members": 2, "ancestors": 1, "largest": 2},
        ],
        "warning": "",
    }


def test_lineage_as_text_says_what_explore_did(pbt, digits):
    assert pbt("lineage", digits).out == (
        "member 1-2 at step 20, val_accuracy 0.875\n"
        "\n"
        "0-1  steps 1 to 10  val_accuracy 0.75\n"
        "     Initial: started new\n"
        "     lr 0.5\n"
        "1-2  steps 11 to 20  val_accuracy 0.875\n"
        "     Exploit: copied member 0 at step 10\n"
        "     lr 0.5 -> 0.4 (x0.8)\n"
        "\n"
        "2 current members, 1 first ancestor: 0-1 (2)\n"
        "first ancestors alive: 1 after step 10, 1 after step 20\n"
    )


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A population with sub-populations in which one start takes over within the first fifth of 40 rounds."""
    folder = tmp_path_factory.mktemp("taken") / "digits"
    parts = [{"everyRounds": 1}, {"everyRounds": 3}]
    recorder = record_simulated(
        FolderStore(folder), num_rounds=10, end=False, crashes=0, nans=0, subPopulations=parts
    )
    recorder.raise_total(20_000)
    return folder


def test_status_and_lineage_warn_where_one_start_took_over_early(pbt, taken):
    told = json.loads(pbt("lineage", taken, "-o", "json").out)
    after = next(each for each in told["diversity"] if each["ancestors"] == 1)
    assert after["step"] <= 20_000 / 5
    assert told["warning"].startswith(
        f"one start has taken over by step {after['step']:,}, in the first fifth"
    )
    for command in ("status", "lineage"):
        assert f"warning: {told['warning']}\n" in pbt(command, taken).out


def test_status_says_at_which_step_each_sub_population_replaces_losers_next_and_why_the_newest_values(
    pbt, taken
):
    out = pbt("status", taken).out
    assert "sub-population 0 (everyRounds 1): 4 members, the best " in out
    assert "losers are replaced next in round 11, at step 2,200\n" in out
    assert "losers are replaced next in round 12, at step 2,400\n" in out
    [newest] = [line for line in out.splitlines() if line.startswith("the newest values are of round 9: ")]
    assert "moved" in newest


def test_the_lineage_of_a_member_ends_at_its_newest_record(pbt, digits):
    told = json.loads(pbt("lineage", digits, "--member", 0, "-o", "json").out)
    assert (told["member"], told["step"], told["score"]) == (0, 20, 0.5)
    assert [segment["endStep"] for segment in told["segments"]] == [20]


def test_there_is_no_lineage_of_a_member_that_was_never_born(pbt, digits):
    assert pbt("lineage", digits, "--member", 2) == (2, "", "pbt: there is no member 2; there are 0 to 1\n")


SCHEDULE = {
    "population": "digits",
    "metric": "val_accuracy",
    "score": 0.875,
    "member": 1,
    "incarnation": 2,
    "step": 20,
    "schedule": [
        {"firstStep": 1, "lastStep": 10, "hyperparameters": {"lr": 0.5}},
        {"firstStep": 11, "lastStep": 20, "hyperparameters": {"lr": 0.4}},
    ],
}


@pytest.mark.parametrize(("form", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_the_schedule_for_programs(pbt, digits, form, load):
    assert load(pbt("schedule", digits, "-o", form).out) == SCHEDULE


def test_the_schedule_as_a_table(pbt, digits):
    assert pbt("schedule", digits).out == (
        "digits: member 1-2 at step 20, val_accuracy 0.875\n"
        "\n"
        "first step  last step   lr\n"
        "         1         10  0.5\n"
        "        11         20  0.4\n"
    )


def test_a_schedule_covers_every_step_of_the_winner_once(pbt, tmp_path):
    record_simulated(FolderStore(tmp_path / "digits"), num_rounds=12, crashes=0.2)
    told = json.loads(pbt("schedule", tmp_path / "digits", "-o", "json").out)
    spans = told["schedule"]
    assert spans[0]["firstStep"] == 1
    assert spans[-1]["lastStep"] == told["step"]
    for before, after in pairwise(spans):
        assert after["firstStep"] == before["lastStep"] + 1
        assert after["hyperparameters"] != before["hyperparameters"]
    assert list(spans[0]["hyperparameters"]) == ["lr", "momentum", "dropout", "layers", "optimizer"]


def test_an_unknown_form_is_refused(pbt, digits):
    assert pbt("schedule", digits, "-o", "xml").code == 2
