"""What all commands do about locations, errors and hostile records."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Birth, Cause
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli import output
from simulation.memory_store import MemoryStore
from unit.page.populations import Recorder, record_small, spec_of

COMMANDS = ["status", "lineage", "schedule", "fetch", "report", "audit"]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_empty_location_is_a_mistake_that_names_the_populations_below(pbt, digits, command):
    (digits.parent / "else").mkdir()
    ended = pbt(command, digits.parent)
    assert ended == (2, "", f"pbt: there is no population at {digits.parent}; did you mean {digits}?\n")


def test_populations_below_are_found_by_jumping_from_name_to_name(pbt, digits, monkeypatch):
    record_small(FolderStore(digits.parent / "digits-2"))
    record_small(FolderStore(digits.parent / "digits0"))
    ended = pbt("status", f"{digits.parent}/")
    places = " or ".join(f"{digits.parent}/{name}" for name in ["digits-2", "digits", "digits0"])
    assert ended.err.endswith(f"did you mean {places}?\n")


@pytest.mark.parametrize("location", ["missing", "ftp://host/x", "s3://"])
def test_a_location_that_is_none_exits_with_2_and_one_line(pbt, tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    ended = pbt("status", location)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("pbt: ")
    assert ended.err.count("\n") == 1


def test_a_store_that_cannot_be_reached_is_one_line_and_exit_code_1(pbt, monkeypatch):
    class Gone(MemoryStore):
        def names(self, prefix: str, *, start_after: str = ""):
            raise StoreUnavailable("s3://bucket: no route\nto host")

    monkeypatch.setattr(output, "open_store", lambda _url: Gone())
    assert pbt("status", "s3://bucket/x") == (1, "", "pbt: s3://bucket: no route to host\n")


@pytest.mark.parametrize("command", ["lineage", "schedule", "fetch"])
def test_without_a_finite_score_there_is_no_winner_to_tell_of(pbt, tmp_path, command):
    Recorder(FolderStore(tmp_path / "new"), spec_of())
    ended = pbt(command, tmp_path / "new")
    assert (ended.code, ended.out) == (2, "")
    assert "no member has reported a finite val_accuracy yet" in ended.err


def test_status_and_report_tell_of_a_population_that_has_not_begun(pbt, tmp_path):
    Recorder(FolderStore(tmp_path / "new"), spec_of())
    assert pbt("status", tmp_path / "new").out.startswith("digits: Pending (NotStarted)")
    assert pbt("report", tmp_path / "new", "--to", tmp_path / "page.html").code == 0


@pytest.mark.parametrize("command", [["status"], ["lineage", "--member", 2], ["schedule"]])
def test_control_characters_in_records_do_not_reach_the_terminal(pbt, tmp_path, command):
    store = FolderStore(tmp_path / "digits")
    recorder = record_small(store)
    hostile = {"lr": 0.5, "\x1b]0;owned\x07": "\x1b[31mred\u202e"}
    birth = recorder.bear(
        Birth(
            member=2,
            incarnation=1,
            cause=Cause.SCALE,
            hyperparameters=hostile,
            operations={"lr": "\x1b[2J"},
            reason="\x1b[2J\r\nroot",
        )
    )
    recorder.report(birth, 20, 0.99)
    for form in [[], ["-o", "json"]]:
        ended = pbt(command[0], tmp_path / "digits", *command[1:], *form)
        assert ended.code == 0
        assert ended.out
        assert all(c.isprintable() or c == "\n" for c in ended.out)


def test_malformed_records_are_left_out_and_told_on_standard_error(pbt, digits):
    FolderStore(digits).create(keys.report(1, 7, 1), b"\x1b[31m")
    ended = pbt("status", digits, "-o", "json")
    assert ended.code == 0
    assert ended.err.startswith(
        "pbt: 1 malformed records are left out, the first: reports/0000001/00007-000001.json"
    )
    assert "\x1b" not in ended.err


def test_a_lineage_with_a_missing_birth_names_it(pbt, digits):
    (digits / keys.birth(0, 1)).unlink()
    ended = pbt("lineage", digits)
    assert ended.code == 1
    assert "births/00000-000001.json: is missing" in ended.err


def test_a_lineage_that_descends_from_itself_ends(pbt, digits):
    store = FolderStore(digits)
    path = digits / keys.birth(0, 1)
    own = next(iter(digits.glob("reports/0000001/00000-*.json")))
    assert own.is_file()
    from pbt_contract.encoding import decode_report

    source = decode_report(own.read_bytes(), key=str(own.relative_to(digits))).source
    path.unlink()
    circular = Birth(
        member=0, incarnation=1, cause=Cause.INITIAL, hyperparameters={"lr": 0.5}, source=source, reason="x"
    )
    store.create(keys.birth(0, 1), encode(circular))
    ended = pbt("lineage", digits)
    assert ended.code == 1
    assert "descends from itself" in ended.err


@pytest.mark.process
def test_a_reader_that_leaves_early_is_no_error(digits):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "pbt_operator.cli.main", "status", str(digits)]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert ended.stderr == b""
    assert ended.returncode == 1


@pytest.mark.process
def test_help_loads_nothing_heavy():
    code = (
        "import sys; from pbt_operator.cli import main as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'rich', 'boto3', 'yaml', 'torch', 'kubernetes'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"
    assert all(
        command in ended.stdout for command in ["run", *COMMANDS, "suspend", "resume", "finish", "logs"]
    )


@pytest.mark.process
def test_status_loads_no_boto3_rich_or_kubernetes_where_it_needs_none(digits):
    code = (
        "import sys; from pbt_operator.cli import main as cli\n"
        f"try: cli.main(['status', {str(digits)!r}])\n"
        "except SystemExit: pass\n"
        "print(sorted({'rich', 'boto3', 'torch', 'kubernetes'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


def test_run_takes_the_exit_code_and_the_options_of_the_runner(pbt, monkeypatch):
    from pbt_operator.cli import run_population

    seen: list[object] = []
    monkeypatch.setattr(
        run_population, "run_population", lambda *arguments, runner: seen.append((*arguments, runner)) or 7
    )
    assert pbt("run", "x.yaml").code == 7
    assert pbt("run", "x.yaml", "--dir", "elsewhere", "--parallelism", 3).code == 7
    assert seen == [(Path("x.yaml"), "pbt-runs", None, "local"), (Path("x.yaml"), "elsewhere", 3, "local")]
