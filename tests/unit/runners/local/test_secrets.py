"""A value of `env` reaches the trainer, and nothing that a run leaves or prints."""

from pathlib import Path

import pytest

from fixtures.manifests import DETERMINISTIC, population
from pbt_operator.cli.main import main

SECRET = "hunter2-of-the-env"
NAMED = 'test "${TOKEN#hunter2}" = -of-the-env && test "$0" = "$TOKEN" && exec python deterministic.py'
"""Fails unless the variable has its value, also where an argument refers to it."""
CONTAINER = {
    "name": "trainer",
    "command": ["sh", "-c", NAMED, "$(TOKEN)"],
    "env": [{"name": "TOKEN", "value": SECRET}],
}
SIDE = {"name": "side", "image": "side", "env": [{"name": "PASSWORD", "value": SECRET}]}
TEMPLATE = {"spec": {"initContainers": [SIDE], "containers": [CONTAINER, SIDE]}}
SCHEDULE = {"totalSteps": 20, "intervalSteps": 10, "quorumPercent": 100}
SMALL = {**DETERMINISTIC, "members": 2, "schedule": SCHEDULE, "template": TEMPLATE}


def without_secret(folder: Path) -> int:
    """How many files were read, none of which has it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    return len(files)


def test_a_value_of_env_is_in_no_file_of_a_run_and_in_no_output(runner, tmp_path, capsys):
    run = runner(population("quiet", SMALL))
    finished = run.run()
    assert finished.returncode == 0, finished.stdout
    assert SECRET not in finished.stdout
    for arguments in (
        ["status", run.location],
        ["status", run.location, "-o", "json"],
        ["lineage", run.location],
        ["schedule", run.location],
        ["audit", run.location],
        ["fetch", run.location, "--to", tmp_path / "fetched"],
        ["report", run.location, "--to", tmp_path / "page.html"],
    ):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert not ended.value.code
        assert SECRET not in "".join(capsys.readouterr()), arguments
    run.file.unlink()  # the manifest has it
    assert without_secret(tmp_path) > 10


def test_a_trainer_that_fails_without_a_word_gives_no_value_away(runner, tmp_path):
    """Nor does a template that is refused for the value itself."""
    silent = {**CONTAINER, "command": ["sh", "-c", "exit 3", "$(TOKEN)"]}
    run = runner(population("failing", SMALL, backoffLimit=0, template={"spec": {"containers": [silent]}}))
    finished = run.run()
    assert finished.returncode == 1
    wrong = {**CONTAINER, "env": [{"name": "TOKEN", "value": [SECRET]}, {"name": "A=B", "value": SECRET}]}
    refused = runner(population("refused", SMALL, template={"spec": {"containers": [wrong]}})).run()
    assert refused.returncode == 2
    assert "env" in refused.stdout
    assert SECRET not in finished.stdout + refused.stdout
    run.file.unlink()
    assert without_secret(run.location) > 3
