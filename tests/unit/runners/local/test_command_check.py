"""What is wrong with a command is told with its place and a remedy, before anything is started."""

import os
import sys
from pathlib import Path

import pytest
import yaml

from fixtures.manifests import DETERMINISTIC, population
from pbt_operator.cli.check_script import check_script
from pbt_operator.cli.run_population import run_population
from pbt_operator.runners.local.command_check import check_command
from pbt_operator.runners.local.processes import search_path

TRAIN = "import pbt_trainer\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script, where the command runs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def written(name: str, text: str, *, mode: int = 0o755) -> None:
    Path(name).write_text(text, newline="")
    Path(name).chmod(mode)


def told(here: Path, capsys: pytest.CaptureFixture[str], command: object, **container: object) -> list[str]:
    """What `pbt run` says of a command; it may start nothing."""
    template = {"spec": {"containers": [{"name": "trainer", "command": command, **container}]}}
    file = Path("digits.yaml")
    file.write_text(yaml.safe_dump(population("digits", DETERMINISTIC, template=template)))
    assert run_population(file, "runs", None) == 2
    assert not Path("runs").exists()
    first, *lines = capsys.readouterr().err.splitlines()
    assert first.startswith("digits.yaml: ")
    assert first.endswith("wrong; nothing was started.")
    return [line.strip().removeprefix("spec.template.spec.containers[0].") for line in lines]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ["pythonx", "train.py"],
            "command[0]: is 'pythonx'; this machine has no such program on its PATH; should be ",
        ),
        (["./nothere"], "command[0]: is './nothere'; there is no such file in "),
        (
            ["/nothere/python"],
            "command[0]: is '/nothere/python'; there is no such file on this machine; should be ",
        ),
        (["./"], "command[0]: is './'; that is a folder; should be a program"),
        ([""], "command[0]: is ''; this machine has no such program on its PATH; should be "),
        (["train.py"], "command[0]: is 'train.py'; the PATH has no such program; should be ./train.py, or "),
        (
            ["./train.py"],
            "command[0]: is './train.py'; that file is not executable; should come after python, or ",
        ),
        (["python train.py"], "should be a word for each argument, command: [python, train.py]"),
        ("python train.py", "command: is 'python train.py'; should be a list of words, [python, train.py]"),
        (["python", "nothere.py"], "command[1]: is 'nothere.py'; there is no such script in "),
        (
            ["python", "-u", "-W", "error", "nothere.py"],
            "command[4]: is 'nothere.py'; there is no such script in ",
        ),
        (
            ["python3", "/nothere.py"],
            "command[1]: is '/nothere.py'; there is no such script on this machine; ",
        ),
        (["python", "."], "command[1]: is '.'; that is a folder without a __main__.py; should be a script"),
        (
            ["python", "-m", "torch.distributed.run", "--nproc-per-node=2", "a.py"],
            "command[4]: is 'a.py'; there is ",
        ),
    ],
)
def test_each_mistake_has_its_place_and_a_remedy(here, capsys, command, expected):
    (line,) = told(here, capsys, command)
    assert expected in line
    assert "should" in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!/nothere/sh\n", "its first line names '/nothere/sh', which isn't there; should name one that is"),
        (
            "#!/usr/bin/env pythonx\n",
            "its first line asks for 'pythonx', which isn't on the PATH; should be installed",
        ),
        (
            "#!/bin/sh\r\n",
            "its lines end as Windows has them, which hides its interpreter; should be saved with Unix",
        ),
        (
            "exec python train.py\n",
            "that is a text that names no interpreter in its first line; should come after one",
        ),
    ],
)
def test_the_interpreter_of_a_script_is_looked_for(here, capsys, text, expected):
    written("start", text)
    (line,) = told(here, capsys, ["./start"])
    assert line.startswith(f"command[0]: is './start'; {expected}")


def test_words_among_args_and_two_mistakes_at_once(here, capsys):
    assert told(here, capsys, ["python"], args=["-u", "nothere.py"])[0].startswith(
        "args[1]: is 'nothere.py'; "
    )
    first, second = told(here, capsys, ["/nothere/python", "nothere.py"])
    assert first.startswith("command[0]: ")
    assert second.startswith("command[1]: ")


def test_a_path_of_the_templates_own_is_what_programs_are_looked_for_in(here, capsys):
    (line,) = told(here, capsys, ["python", "train.py"], env=[{"name": "PATH", "value": "/nothere"}])
    assert line.startswith("command[0]: is 'python'; this machine has no such program on its PATH")


def test_a_script_that_may_not_be_read(here, capsys, monkeypatch):
    """Who runs this may be root, who may read everything."""
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.R_OK)
    assert "it may not be read" in told(here, capsys, ["python", "train.py"])[0]


@pytest.mark.parametrize(
    "command",
    [
        ["python", "train.py"],
        ["python", "-u", "train.py", "nothere.py"],
        ["python", "-c", "print()", "nothere.py"],
        ["python", "-um", "nothere", "nothere.py"],
        ["python", "-"],
        ["python", "$(PBT_MEMBER).py"],
        ["$(PBT_MEMBER)"],
        ["python", "package"],
        [sys.executable, "train.py"],
        ["sh", "-c", "python nothere.py"],
        ["bin/start"],
        ["./env"],
    ],
)
def test_what_may_well_start_is_let_through(here, command, tmp_path):
    for name in ("package", "bin", "runs"):
        Path(name).mkdir()
    Path("package/__main__.py").write_text(TRAIN)
    written("bin/start", "#!/bin/sh -e\n")
    written("env", "#!/usr/bin/env -S python -u\n")
    template = {"spec": {"containers": [{"name": "trainer", "command": command}]}}
    check_command(template, command=command, directory=str(tmp_path), path=search_path(), source="a")


def test_a_script_that_is_to_be_checked_is_named_without_a_manifest(here, capsys):
    assert check_script(["nothere.py"], file=None, given=[], steps=1, seconds=1.0, as_json=False) == 2
    told = capsys.readouterr().err
    assert told.startswith("nothere.py: is 'nothere.py'; there is no such script in ")
    assert told.endswith("nothing was started.\n")
