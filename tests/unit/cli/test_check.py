"""`pbt check` of real scripts, each with a process or two: what it says of a sound one, and of each mistake."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.process

SCRIPTS = Path(__file__).parent / "checked"
NOISE = {"name": "noise", "uniform": {"min": 0, "max": 1}}
RATE = {"name": "rate", "uniform": {"min": 0.05, "max": 0.2}}


@pytest.fixture
def check(pbt, tmp_path, monkeypatch):
    """Checks one of the scripts, or the text of one: without a manifest, or with one that has these hyperparameters."""
    monkeypatch.chdir(tmp_path)

    def run(script, *arguments, hyperparameters=(), **spec):
        if "\n" in script:
            Path("train.py").write_text(script)
            script = "train.py"
        else:
            shutil.copy(SCRIPTS / script, script)
        if hyperparameters:
            Path("population.yaml").write_text(yaml.safe_dump(manifest(script, hyperparameters, **spec)))
            return pbt("check", "-f", "population.yaml", *arguments)
        return pbt("check", script, *arguments)

    return run


def manifest(script, hyperparameters, **spec):
    container = {"name": "trainer", "command": ["python", script]}
    return {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": "checked"},
        "spec": {
            "members": 2,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": {"totalSteps": 60, "intervalSteps": 30},
            "hyperparameters": list(hyperparameters),
            "template": {"spec": {"containers": [container]}},
            **spec,
        },
    }


def found(ended):
    """Of `-o json`: each check's levels and words."""
    checks = json.loads(ended.out)["checks"]
    return {each["check"]: (each["level"], f"{each['told']} -> {each.get('remedy', '')}") for each in checks}


def test_a_sound_script_is_ready_to_train(check):
    ended = check("sound.py", "--set", "rate=0.2")
    assert ended.code == 0, ended.out + ended.err
    words = " ".join(ended.out.split())
    assert (
        "60 steps, a report every 30 (here at step 20); rate 0.2, noise 0.01; the script's defaults: noise"
        in words
    )
    assert "ok track point (Point)" in words
    assert "moves 20" in words
    assert "ok restore in the running process, bit for bit" in words
    assert (
        "ok newborn a fresh process loads the checkpoint, bit for bit, and trains on with other values"
        in words
    )
    assert "rate swaps in place the loop reads it" in words
    assert "noise starts anew `noise` was read at sound.py:21, before the loop" in words
    assert words.endswith("sound.py: ready to train")


def test_nothing_is_left_where_it_was_started(check, tmp_path):
    check("sound.py")
    assert [path.name for path in tmp_path.iterdir()] == ["sound.py"]


def test_json_has_the_checkpoint_and_what_a_change_does(check):
    ended = check("sound.py", "-o", "json", hyperparameters=[RATE, NOISE])
    told = json.loads(ended.out)
    assert told["ok"]
    assert ended.code == 0
    (file,) = told["checkpoint"]["files"]
    assert file["name"] == "state.json"
    assert file["size"] == told["checkpoint"]["bytes"] > 100
    rate, noise = told["hyperparameters"]
    assert (rate["name"], rate["inPlace"], rate["readBy"]) == ("rate", True, ["loop"])
    assert 0.05 <= rate["tried"] <= 0.2
    assert rate["tried"] != rate["value"]
    assert (noise["inPlace"], noise["why"]) == (False, "`noise` was read at sound.py:21, before the loop")
    assert told["stepSeconds"] < 1


def test_twins_that_keep_nothing_and_a_constant_score(check):
    ended = check("careless.py", "-o", "json", hyperparameters=[RATE, NOISE])
    assert ended.code == 1
    told = found(ended)
    assert told["track"][0] == "error"
    assert "run.track(model=model" in told["track"][1]
    assert told["seeds"][0] == "warning"
    assert "the same random numbers of python" in told["seeds"][1]
    assert told["score"][0] == "warning"
    assert "score is 1 in both reports" in told["score"][1]
    assert told["unread"][0] == "warning"
    assert told["unread"][1].startswith(
        "nothing has read noise from run.hp: its values change nothing -> read it"
    )


def test_an_object_that_does_not_load_what_it_saves(check):
    told = found(check("forgetful.py", "-o", "json"))
    assert told["restore"][0] == "error"
    assert "differs from what was saved: point.moves" in told["restore"][1]
    assert told["newborn"][0] == "error"
    assert "differs from the donor's checkpoint: point.moves" in told["newborn"][1]


WIDTH = {"name": "width", "integer": {"min": 1, "max": 9}}


def test_a_hyperparameter_that_changes_the_form_of_the_state(check):
    ended = check("wide.py", "-o", "json", "--set", "width=3", hyperparameters=[RATE, WIDTH])
    assert ended.code == 1
    level, told = found(ended)["newborn"]
    assert level == "error"
    assert told.startswith("a checkpoint of width 3 can't be continued with width ")
    assert "weights for" in told
    assert "(wide.py:21)" in told
    assert "give width `explore: Never`" in told


def test_which_is_copied_with_the_weights(check):
    ended = check("wide.py", "-o", "json", hyperparameters=[RATE, WIDTH | {"explore": "Never"}])
    assert ended.code == 0
    assert found(ended)["newborn"][1].startswith(
        "a fresh process loads the checkpoint, bit for bit, and trains on with"
    )


JOIN = 'import pbt_trainer\nrun = pbt_trainer.join({"rate": 0.1}, total_steps=60, interval_steps=30)\n'


@pytest.mark.parametrize(
    ("script", "asked", "level", "words"),
    [
        ("print(1)\n\n", "join", "error", "ended without pbt_trainer.join()"),
        (
            "import torchh\n\n",
            "start",
            "error",
            "No module named 'torchh' (train.py:1) -> install it where pbt runs",
        ),
        (
            JOIN + "for step in run.steps():\n    pass\n",
            "train",
            "error",
            "step 20 was due and passed without run.report(...) (train.py:3) -> report wherever run.due is true",
        ),
        (
            JOIN + 'for step in run.steps():\n    if run.due: run.report({"acc": 1})\n',
            "train",
            "error",
            "'score'; it has acc (train.py:4) -> report it under that name, or let spec.objective.metric be one",
        ),
        (
            JOIN + "for step in run.steps():\n    if step == 3: break\n",
            "report",
            "error",
            "the script ended at step 3, before its first report, which is due at step 20",
        ),
        (
            JOIN.replace("rate", "ratio"),
            "join",
            "error",
            "hyperparameters that the script doesn't name: rate; give each a default",
        ),
        (
            JOIN + "run.hp['rate'] / 0\n",
            "track",
            "error",
            "ZeroDivisionError: float division by zero (train.py:3)",
        ),
    ],
)
def test_a_script_that_comes_to_no_report(check, script, asked, level, words):
    ended = check(script, "-o", "json", hyperparameters=[RATE])
    assert ended.code == 1
    told = found(ended)[asked]
    assert told[0] == level
    assert words in told[1]


def test_one_that_hangs(check):
    told = found(check("import time\n\ntime.sleep(600)\n", "--timeout", "1", "-o", "json"))
    assert told["join"][0] == "error"
    assert told["join"][1].startswith(
        "pbt_trainer.join() was not reached -> a smaller --steps, or a larger --timeout"
    )


def test_the_end_of_the_output_of_a_crash(check):
    ended = check("import torchh\n\n")
    assert ended.out.endswith(
        "the process ended with:\n  Traceback (most recent call last):\n"
        f'    File "{Path.cwd()}/train.py", line 1, in <module>\n      import torchh\n'
        "  ModuleNotFoundError: No module named 'torchh'\n\ntrain.py: 1 error\n"
    )


def test_a_torch_script_with_a_build_function(check):
    script = (SCRIPTS / "torch_build.py").read_text()
    ended = check(script, "-o", "json", hyperparameters=[RATE, WIDTH | {"explore": "Never"}])
    assert ended.code == 0, ended.out
    told = found(ended)
    assert told["track"][1].startswith("model (Sequential), optimizer (SGD) and schedule (CosineAnnealingLR)")
    assert told["build"][0] == told["restore"][0] == told["newborn"][0] == "ok"
    rate, width = json.loads(ended.out)["hyperparameters"]
    assert (rate["inPlace"], rate["readBy"]) == (True, ["build"])
    assert width["why"].startswith("`width` was read at train.py:10, before the loop")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a script or a manifest: pbt check train.py, or pbt check -f population.yaml"),
        (["population.yaml"], "population.yaml is a manifest: pbt check -f population.yaml"),
        (["train.py", "--set", "rate"], "--set rate: it is NAME=VALUE, such as lr=0.1"),
        (
            ["-f", "population.yaml", "--set", "x=1"],
            "--set x: the manifest has no such hyperparameter; it has rate",
        ),
        (["-f", "population.yaml", "--set", "rate=7"], "--set rate=7: "),
    ],
)
def test_what_is_asked_in_a_wrong_way(pbt, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("population.yaml").write_text(yaml.safe_dump(manifest("train.py", [RATE])))
    ended = pbt("check", *arguments)
    assert ended.code == 2
    assert ended.err.startswith(f"pbt: {words}")


def test_a_wrong_manifest(pbt, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = manifest("train.py", [RATE])
    wrong["spec"]["template"]["spec"]["containers"][0]["command"] = "python train.py"
    Path("population.yaml").write_text(yaml.safe_dump(wrong))
    ended = pbt("check", "-f", "population.yaml")
    assert ended.code == 2
    assert "command: is 'python train.py'; should be a list" in ended.err
