"""Ten kinds of scripts swap in place, with a few lines more than without, and come to what a fresh process comes to."""

import ast
import difflib
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pbt_contract.records import Report, Started
from unit.trainer.population import Population, population_in

FOLDER = Path(__file__).parent / "scripts"
SCRIPTS = sorted(path.stem for path in (FOLDER / "after").glob("*.py"))
PAGE = (Path(__file__).parents[3] / "docs" / "recipes" / "torch.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.MULTILINE))
MOST_LINES = 3


def source(when: str, name: str) -> list[str]:
    """The lines of a script, without what `diff -w` ignores, and without blank ones."""
    lines = (FOLDER / when / f"{name}.py").read_text().splitlines()
    return ["".join(line.split()) for line in lines if line.strip()]


def lines_changed(name: str) -> int:
    """How many lines of the script with a build function were changed or added."""
    changes = difflib.ndiff(source("before", name), source("after", name))
    return sum(change.startswith("+ ") for change in changes)


def defaults(name: str) -> dict[str, Any]:
    found = re.search(r"join\(\s*(\{.*?\})", (FOLDER / "before" / f"{name}.py").read_text())
    assert found is not None
    values: dict[str, Any] = ast.literal_eval(found[1])
    return values


def changed(values: dict[str, Any], factor: float) -> dict[str, Any]:
    return {name: value + 1 if isinstance(value, int) else value * factor for name, value in values.items()}


def exploited(population: Population, name: str) -> None:
    """Member 0 is born, and born again of member 1's report of step 4, which the script without build made."""
    values = defaults(name)
    population.birth(member=1, hyperparameters=changed(values, 0.5))
    population.run(str(FOLDER / "before" / f"{name}.py"), member=1)
    population.birth(hyperparameters=values)
    population.exploit(population.reported(1, member=1), hyperparameters=changed(values, 0.75))


def outcome(population: Population) -> list[tuple[object, ...]]:
    """What the second life of member 0 has reported: scores, what its optimizers used, and its checkpoints' bytes."""
    return [
        (report.metrics, report.effective, [(file.name, file.sha256) for file in report.files])
        for report in (population.reported(2, incarnation=2), population.reported(3, incarnation=2))
    ]


def held(population: Population, when: str, name: str) -> None:
    """The script's first life goes on as the second one after step 6."""
    script = str(FOLDER / when / f"{name}.py")
    trainer = population.start_command([sys.executable, str(FOLDER / "held.py"), script], in_place=True)
    assert trainer.end() == 0, trainer.errors()


@pytest.mark.parametrize("name", SCRIPTS)
def test_in_place_is_bit_for_bit_what_a_fresh_process_has(
    population: Population, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    exploited(population, name)
    with population_in(tmp_path_factory.mktemp("fresh")) as other:
        shutil.copytree(population.folder / "store", other.folder / "store", dirs_exist_ok=True)
        other.run(str(FOLDER / "after" / f"{name}.py"), incarnation=2)
        held(population, "after", name)
        claim = population.claim(incarnation=2)
        assert claim is not None
        assert claim.started is Started.IN_PLACE
        assert outcome(population) == outcome(other)
        assert _notes(population) == _notes(other)


def test_the_same_script_without_a_build_function_starts_anew_and_comes_to_the_same(
    population: Population, tmp_path_factory: pytest.TempPathFactory
) -> None:
    exploited(population, "cosine")
    with population_in(tmp_path_factory.mktemp("other")) as other:
        shutil.copytree(population.folder / "store", other.folder / "store", dirs_exist_ok=True)
        held(other, "before", "cosine")
        held(population, "after", "cosine")
        claim = other.claim(incarnation=2)
        assert claim is not None
        assert claim.started is Started.ANEW
        assert (
            claim.why
            == "`lr` was read at cosine.py:10 and `momentum` was read at cosine.py:10, before the loop"
        )
        assert outcome(population) == outcome(other)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_needs_few_lines_and_the_page_says_how_many(name: str) -> None:
    assert 0 < lines_changed(name) <= MOST_LINES
    assert f" yes | {lines_changed(name)} |" in ROWS[name]


def test_the_page_lists_the_ten_scripts() -> None:
    assert len(SCRIPTS) == 10
    assert [name for name in ROWS if name in SCRIPTS] == SCRIPTS


def _notes(population: Population) -> list[str]:
    report: Report = population.reported(2, incarnation=2)
    return [note for note in report.notes if "never read" not in note]
