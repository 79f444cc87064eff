"""The example in Go, which knows nothing of the SDK: a member as the contract asks for, and a population of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pbt_contract.records import Report
from programs.build import binary
from unit.trainer.population import Population, until

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "examples" / "other_languages"
PAGE = (ROOT / "docs" / "recipes" / "other-languages.md").read_text()
VALUES = {"rate": 0.01, "momentum": 0.5}
GIVEN = {"objective": "loss", "total_steps": 12, "interval_steps": 4}


@pytest.fixture(scope="module")
def program() -> str:
    return str(binary("line"))


def test_the_page_shows_the_very_file_that_is_tested() -> None:
    (shown,) = re.findall(
        r"^```go examples/other_languages/line.go\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
    assert shown == (FOLDER / "line.go").read_text()


def test_the_page_says_which_go_it_needs_and_what_a_step_is() -> None:
    (needed,) = re.findall(r"^go (\S+)$", (FOLDER / "go.mod").read_text(), re.MULTILINE)
    assert re.match(rf"# .+\n\n\*\*A step\*\* is .+ It needs Go {re.escape(needed)} ", PAGE)


def test_a_resume_goes_on_bit_for_bit_where_sigterm_has_saved(population: Population, program: str) -> None:
    population.birth(hyperparameters=VALUES)
    population.gate(1, up_to=1)
    trainer = population.start_command([program], **GIVEN)
    population.reported(1)
    trainer.terminate()  # while it waits for the gate; one step later it saves
    assert trainer.end() == 0, trainer.errors()
    (save,) = population.saves()
    assert save.step == 5
    population.gate(2, up_to=3)
    population.resume(save)
    assert population.start_command([program], incarnation=2, **GIVEN).end() == 0
    population.resume(population.reported(1), incarnation=3)  # not even its step 5 is known
    assert population.start_command([program], incarnation=3, **GIVEN).end() == 0
    for number in (2, 3):
        once, again = (population.reported(number, incarnation=incarnation) for incarnation in (2, 3))
        assert (once.step, once.metrics, checksums(once)) == (again.step, again.metrics, checksums(again))
        assert once.hyperparameters == VALUES


def checksums(report: Report) -> list[str]:
    return [file.sha256 for file in report.files]


def test_an_exploit_takes_the_donor_over_and_draws_anew(population: Population, program: str) -> None:
    population.birth(member=1, hyperparameters=VALUES)
    assert population.start_command([program], member=1, **GIVEN).end() == 0
    donor = population.reported(2, member=1)
    population.exploit(donor, hyperparameters=VALUES)
    assert population.start_command([program], incarnation=2, **GIVEN).end() == 0
    copied = population.reported(3, incarnation=2)
    assert copied.step == 12
    assert population.report(2, incarnation=2) is None
    assert copied.metrics != population.reported(3, member=1).metrics


def test_who_is_replaced_leaves_unsaved(population: Population, program: str) -> None:
    population.birth(hyperparameters=VALUES)
    population.gate(1, up_to=1)
    trainer = population.start_command([program], **GIVEN)
    population.exploit(population.reported(1), hyperparameters=VALUES)
    assert trainer.end() == 81
    assert population.saves() == []


def test_a_birth_has_one_process_and_a_value_that_it_does_not_know_is_a_mistake(
    population: Population, program: str
) -> None:
    population.birth(hyperparameters=VALUES)
    population.gate(1, up_to=1)
    first = population.start_command([program], **GIVEN)
    until(population.claim)
    assert population.start_command([program], **GIVEN | {"pod": "another"}).end() == 81
    population.birth(member=1, hyperparameters={"rate": 0.1, "depth": 3})
    refused = population.start_command([program], member=1, **GIVEN)
    assert refused.end() == 83
    assert "there is no hyperparameter depth" in refused.errors()
    assert first.process.poll() is None


@pytest.mark.process
def test_a_population_of_it_trains_to_its_end_and_every_record_is_right(tmp_path: Path, program: str) -> None:
    manifest = yaml.safe_load((FOLDER / "line.yaml").read_text())
    manifest["spec"] |= {"seed": 3, "parallelism": 2}
    manifest["spec"]["template"]["spec"]["containers"][0]["command"] = [program]
    file, runs = tmp_path / "line.yaml", tmp_path / "a folder"
    file.write_text(yaml.safe_dump(manifest))
    for arguments in (["run", str(file), "--dir", str(runs)], ["audit", str(runs / "line")]):
        command = [sys.executable, "-m", "pbt_operator.cli.main", *arguments]
        ended = subprocess.run(
            command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.match(r"line: 0 violations; checked 5 rounds, [1-9]\d* decisions", ended.stdout)
