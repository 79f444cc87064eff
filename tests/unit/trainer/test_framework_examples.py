"""Each recipe shows the script that is tested, and says of it what is true: lines, versions, a step, what changes."""

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
LISTED = {
    name: (DOCS / page, extra, int(lines))
    for page, name, extra, lines in re.findall(
        r"^\| \[.+\]\((.+)\).* \| `(\w+)` \|(?: `pbt-operator\[(.+)\]` \|)? (\d+) \|$", PAGE, re.MULTILINE
    )
}
EXTRAS = [name for name, (_, extra, _) in LISTED.items() if extra]
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


def test_each_example_has_a_page_and_each_page_an_example() -> None:
    examples = {path.stem for path in EXAMPLES.glob("*.py")}
    assert set(LISTED) == examples == {path.stem for path in BEFORE.glob("*.py")}
    pages = {page for page, _, _ in LISTED.values()} | {DOCS / "recipes" / "other-languages.md"}
    assert pages == set((DOCS / "recipes").glob("*.md"))


@pytest.mark.parametrize("name", LISTED)
def test_an_example_needs_few_lines_and_the_page_says_how_many(name: str) -> None:
    changes = difflib.ndiff(source(BEFORE / f"{name}.py"), source(EXAMPLES / f"{name}.py"))
    lines = sum(change.startswith("+ ") for change in changes)
    assert lines == LISTED[name][2]
    assert lines <= MOST_LINES[name.partition("_")[0]]


@pytest.mark.parametrize("name", LISTED)
def test_a_page_says_what_a_step_is_and_what_changes_in_place(name: str) -> None:
    text = LISTED[name][0].read_text()
    assert re.match(r"# .+\n\n\*\*A step\*\* is ", text)
    assert re.search(
        r"^\| changes \| in place or anew \|\n\| --- \| --- \|\n(\| .+ \| .+ \|\n){2}", text, re.MULTILINE
    )


@pytest.mark.parametrize("name", LISTED)
def test_a_page_states_the_versions_that_are_tested(name: str) -> None:
    stated = versions(name)
    assert stated
    for package, version in stated.items():
        assert any(f"\n{package}=={version} " in f"\n{lock}" for lock in LOCKS), package


@pytest.mark.parametrize("name", EXTRAS)
def test_the_extra_asks_for_the_minor_version_that_is_tested(name: str) -> None:
    page, extra, _ = LISTED[name]
    ((package, version),) = versions(name).items()
    minor = version.rpartition(".")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(asked.startswith(f"{package}>={minor},<") for asked in extras[extra])
    assert f"the extra `pbt-operator[{extra}]` brings it" in " ".join(page.read_text().split())


@pytest.mark.parametrize("name", LISTED)
def test_a_page_shows_the_very_file_that_is_tested(name: str) -> None:
    path = f"examples/frameworks/{name}.py"
    (shown,) = re.findall(
        rf"^```python {path}\n(.*?)^```$", LISTED[name][0].read_text(), re.MULTILINE | re.DOTALL
    )
    assert shown == (ROOT / path).read_text()


def versions(name: str) -> dict[str, str]:
    """By package, as the page of an example has them."""
    (told,) = re.findall(r"Tested with ((?:`[\w-]+`\s[\d.]+\d,?\s?)+)", LISTED[name][0].read_text())
    return dict(re.findall(r"`([\w-]+)`\s([\d.]+\d)", told))


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
