"""A framework's example differs from the script of a user without a population by as many lines as the page says."""

import difflib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "frameworks"
BEFORE = ROOT / "tests" / "frameworks" / "before"
DOCS = ROOT / "docs"
PAGE = (DOCS / "frameworks.md").read_text()
LOCK = (ROOT / "tests" / "frameworks.lock").read_text()
LOCKS = [LOCK, (ROOT / "tests" / "libraries.lock").read_text(), (ROOT / "requirements.lock").read_text()]
ROWS = {
    name: (extra, package, version, int(lines))
    for name, extra, package, version, lines in re.findall(
        r"^\| `(\w+)` \| .+ \| `pbt-operator\[(.+)\]` \| `(.+)` (.+) \| (\d+) \|$", PAGE, re.MULTILINE
    )
}
RECIPES = {
    name: (DOCS / page, versions, int(lines))
    for name, page, versions, lines in re.findall(
        r"^\| `(\w+)` \| \[.+\]\((.+)\) \| .+ \| (`.+` .+) \| (\d+) \|$", PAGE, re.MULTILINE
    )
}
LINES = {name: row[-1] for name, row in (ROWS | RECIPES).items()}
MOST_LINES = {
    "lightning": 6,
    "transformers": 4,
    "stable": 6,
    "torch": 10,
    "jax": 10,
    "ppo": 14,
    "xgboost": 8,
    "sklearn": 13,  # of this and the next two nothing was asked
    "lightgbm": 13,
    "ddp": 10,
}


def source(path: Path) -> list[str]:
    """The lines without what `diff -w` ignores, and without blank ones."""
    return ["".join(line.split()) for line in path.read_text().splitlines() if line.strip()]


def test_the_page_lists_the_examples() -> None:
    assert (
        set(LINES)
        == {path.stem for path in EXAMPLES.glob("*.py")}
        == {path.stem for path in BEFORE.glob("*.py")}
    )


@pytest.mark.parametrize("name", LINES)
def test_an_example_needs_few_lines_and_the_page_says_how_many(name: str) -> None:
    changes = difflib.ndiff(source(BEFORE / f"{name}.py"), source(EXAMPLES / f"{name}.py"))
    lines = sum(change.startswith("+ ") for change in changes)
    assert lines == LINES[name]
    assert lines <= MOST_LINES[name.partition("_")[0]]


@pytest.mark.parametrize("name", ROWS)
def test_the_extra_asks_for_the_minor_version_that_is_tested(name: str) -> None:
    extra, package, version, _ = ROWS[name]
    assert f"\n{package}=={version} " in f"\n{LOCK}"
    minor = version.rpartition(".")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(asked.startswith(f"{package}>={minor},<") for asked in extras[extra])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_states_the_versions_that_are_tested(name: str) -> None:
    for package, version in re.findall(r"`([\w-]+)` ([\d.]+)", RECIPES[name][1]):
        assert any(f"\n{package}=={version} " in f"\n{lock}" for lock in LOCKS), package


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_shows_the_very_file_that_is_tested(name: str) -> None:
    path = f"examples/frameworks/{name}.py"
    (shown,) = re.findall(
        rf"^```python {path}\n(.*?)^```$", RECIPES[name][0].read_text(), re.MULTILINE | re.DOTALL
    )
    assert shown == (ROOT / path).read_text()


def test_the_page_on_reinforcement_learning_has_the_figures_of_the_benchmark() -> None:
    (row,) = re.findall(r"^\| `auto` \| \+0.*\|$", _registered(), re.MULTILINE)
    (head,) = re.findall(r"^\| arm \| figure .*\|$", _registered(), re.MULTILINE)
    gains = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    page = (DOCS / "reinforcement-learning.md").read_text()
    assert f"adds {gains['cartpole']} of what random search leaves on CartPole" in page.replace("\n", " ")
    assert f"and {gains['riverswim']} on RiverSwim" in page


def _registered() -> str:
    """What the benchmark has found, as the page of it says."""
    text = (DOCS / "learning.md").read_text()
    return text.partition("<!-- registered -->")[2].partition("<!-- /registered -->")[0]
