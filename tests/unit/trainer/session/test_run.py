"""A run in a population, from its claim to its end: real processes, a real folder."""

import json
import sys
import threading
from pathlib import Path

import pytest

from pbt_contract.assignment import TERMINATION_LOG
from pbt_contract.errors import ExitCode
from pbt_trainer.uncaught import watch
from unit.trainer.population import Population, population_in


def test_a_run_claims_its_birth_reports_each_round_and_ends(population: Population) -> None:
    population.birth(hyperparameters={"rate": 0.5, "layers": 2})
    trainer = population.run()
    assert trainer.said[0] == "joined 0 1 12 4 7 {'layers': 2}"
    assert trainer.said[-1] == "ended FINISHED"
    claim = population.claim()
    assert claim is not None
    assert claim.pod == "pod-0-1"
    reports = [population.report(number) for number in (1, 2, 3)]
    assert [report and (report.step, report.score("score")) for report in reports] == [
        (4, 2.0),
        (8, 4.0),
        (12, 6.0),
    ]
    population.assert_no_leftovers()


def test_a_report_tells_what_was_assigned_and_what_it_is_made_of(population: Population) -> None:
    population.birth(hyperparameters={"rate": 0.5, "layers": 2, "extra": 9})
    population.run()
    first, second = population.report(1), population.report(2)
    assert first is not None
    assert second is not None
    assert first.hyperparameters == {"rate": 0.5, "layers": 2, "extra": 9}
    assert first.metrics == {"score": 2.0, "episodes": [1.0, "NaN"]}
    assert first.checkpoint.startswith("checkpoints/00000-000001/000000000004-")
    assert [file.name for file in first.files] == ["state.json"]
    assert json.loads(population.store.read(first.checkpoint + "state.json"))["format"] == 1
    assert first.notes == ["extra was never read from run.hp"]
    assert second.notes == []
    assert second.seconds > 0


def test_a_resume_goes_on_after_the_recorded_step_with_its_state(population: Population) -> None:
    population.birth()
    population.run(total_steps=6)
    last = population.reported(2)
    assert last.step == 6
    population.resume(last)
    trainer = population.run(incarnation=2)
    assert [line.split()[:3] for line in trainer.said if line.startswith(("restored", "step"))][:2] == [
        ["restored", "6", "3.0"],
        ["step", "7", "2"],
    ]
    final = population.report(3, incarnation=2)
    assert final is not None
    assert final.score("score") == 6.0
    population.assert_no_leftovers()


def test_an_exploit_starts_from_the_donors_checkpoint_with_its_own_hyperparameters(
    population: Population,
) -> None:
    population.birth(member=3, hyperparameters={"rate": 2.0, "layers": 2})
    population.run(member=3, total_steps=4)
    population.exploit(population.reported(1, member=3), hyperparameters={"rate": 0.25, "layers": 2})
    trainer = population.run(incarnation=2)
    assert "restored 4 8.0" in trainer.said
    report = population.report(2, incarnation=2)
    assert report is not None
    assert report.score("score") == 9.0
    assert report.hyperparameters == {"rate": 0.25, "layers": 2}


def _draws(said: list[str]) -> list[str]:
    return [line.split()[-1] for line in said if line.startswith(("drew", "step"))]


def test_a_population_can_be_repeated_and_its_members_are_no_twins(population: Population) -> None:
    population.birth(member=1)
    population.birth(member=2)
    population.birth(2, member=2)
    first = _draws(population.run(member=1).said)
    assert _draws(population.run(member=2).said) != first
    population.birth(member=1, incarnation=2)
    assert _draws(population.run(member=1, incarnation=2).said) == first


def test_random_state_survives_a_resume_but_not_an_exploit(population: Population) -> None:
    population.birth()
    draws = _draws(population.run().said)[1:]
    source = population.reported(1)
    population.resume(source)
    assert _draws(population.run(incarnation=2).said)[1:] == draws[4:]
    population.exploit(source, incarnation=3)
    population.exploit(source, incarnation=1, member=1)
    exploited = _draws(population.run(incarnation=3).said)[1:]
    assert exploited != draws[4:]
    assert exploited != _draws(population.run(member=1).said)[1:]


def test_files_travel_with_a_report_hidden_ones_too(population: Population) -> None:
    population.birth()
    population.run("files.py", total_steps=4)
    report = population.reported(1)
    names = {file.name for file in report.files}
    assert names == {"files/.metadata", "files/part/0.bin", "state.json"}
    population.resume(report)
    trainer = population.run("files.py", incarnation=2, total_steps=8)
    assert "files .metadata step 4" in trainer.said
    population.assert_no_leftovers()


def test_a_file_that_cannot_be_stored_is_named(population: Population) -> None:
    population.birth()
    trainer = population.start("files.py", "a name")
    assert trainer.end() == ExitCode.MISTAKE
    assert "StateError: report(files=...): a name can't be stored" in trainer.errors()


def test_a_script_that_tracks_nothing_resumes_at_its_step(population: Population) -> None:
    population.birth()
    population.run("untracked.py", total_steps=4)
    report = population.reported(1)
    assert report.files == []
    population.resume(report)
    assert population.run("untracked.py", incarnation=2, total_steps=8).said[:2] == ["restored 4", "step 5"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("unreported", "step 4 was due and passed without run.report(...)"),
        ("lacking", "the report lacks the objective's metric 'score'; it has loss, other"),
    ],
)
def test_a_script_that_breaks_the_contract_is_told_how_and_ends_with_a_code_of_its_own(
    population: Population, script: str, message: str
) -> None:
    population.birth()
    trainer = population.start("faulty.py", script)
    assert trainer.end() == ExitCode.MISTAKE
    assert f"UsageError: {message}" in trainer.errors()
    population.assert_no_leftovers()


@pytest.mark.process
def test_an_uncaught_exception_goes_to_the_termination_log_as_well(tmp_path: Path) -> None:
    """Where the line was and what it did, without the marks below it: the operator tells the last three lines."""
    log = tmp_path / "termination-log"
    log.write_text("")
    with population_in(tmp_path, variables={TERMINATION_LOG: str(log)}) as population:
        population.birth()
        trainer = population.start("faulty.py", "crashing")
        assert trainer.end() == 1
        assert "RuntimeError: a fault of the script" in trainer.errors()
    where, line, error = log.read_text().splitlines()[-3:]
    assert "faulty.py" in where
    assert line.strip().startswith("raise RuntimeError")
    assert error == "RuntimeError: a fault of the script"


def test_an_endless_message_fits_into_the_termination_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, told = tmp_path / "termination-log", []
    monkeypatch.setattr(sys, "excepthook", lambda *exception: told.append(exception))
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    watch(log)
    sys.excepthook(ValueError, ValueError("x" * 10_000 + "\udcff!"), None)
    assert len(log.read_bytes()) == 2048
    assert log.read_text().endswith("x?!")
    assert len(told) == 1, "the hook that was there before is called too"


@pytest.mark.process
def test_a_mistake_is_told_with_the_line_of_the_script(tmp_path: Path) -> None:
    """What is to be mended is there, not in the SDK, whose lines the whole traceback has."""
    log = tmp_path / "termination-log"
    with population_in(tmp_path, variables={TERMINATION_LOG: str(log)}) as population:
        population.birth()
        trainer = population.start("faulty.py", "lacking")
        assert trainer.end() == ExitCode.MISTAKE
        assert "recording.py" in trainer.errors()
    where, line, error = log.read_text().splitlines()[-3:]
    assert "faulty.py" in where
    assert line.strip().startswith("run.report(")
    assert error.startswith("pbt_contract.errors.UsageError: the report lacks the objective's metric")


@pytest.mark.parametrize(("world", "told"), [("2", "the cause"), ("1", "a consequence")])
def test_what_the_first_rank_says_stands_for_others_fail_since_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str, told: str
) -> None:
    log = tmp_path / "termination-log"
    log.write_text("ValueError: the cause\n")
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    monkeypatch.setattr(threading, "excepthook", lambda *_: None)
    monkeypatch.setenv("WORLD_SIZE", world)
    watch(log)
    sys.excepthook(RuntimeError, RuntimeError("a consequence"), None)
    assert told in log.read_text()


def test_a_report_that_was_handed_over_outlives_a_crash_of_the_script(population: Population) -> None:
    population.birth()
    trainer = population.start("faulty.py", "crashing")
    assert trainer.end() == 1
    assert population.report(1) is not None
    population.assert_no_leftovers()


def test_a_corrupt_checkpoint_is_refused(population: Population) -> None:
    population.birth()
    population.run(total_steps=4)
    report = population.reported(1)
    path = population.folder / "store" / report.checkpoint / "state.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    population.resume(report)
    trainer = population.start(incarnation=2)
    assert trainer.end() == 1
    assert "CorruptCheckpoint" in trainer.errors()


def test_exit_codes_are_a_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "UNCLAIMED": 81,
        "STORAGE": 82,
        "MISTAKE": 83,
        "ACCESS": 84,
    }
