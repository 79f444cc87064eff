"""A framework's example differs from the script of a user without a population by as many lines as the page says."""

import difflib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "frameworks"
BEFORE = ROOT / "tests" / "frameworks" / "before"
PAGE = (ROOT / "docs" / "frameworks.md").read_text()
LOCK = (ROOT / "tests" / "frameworks.lock").read_text()
ROWS = {
    name: (extra, package, version, int(lines))
    for name, extra, package, version, lines in re.findall(
        r"^\| `(\w+)` \| .+ \| `pbt-operator\[(.+)\]` \| `(.+)` (.+) \| (\d+) \|$", PAGE, re.MULTILINE
    )
}
MOST_LINES = {"lightning": 6, "transformers": 4, "stable": 6}


def source(path: Path) -> list[str]:
    """The lines without what `diff -w` ignores, and without blank ones."""
    return ["".join(line.split()) for line in path.read_text().splitlines() if line.strip()]


def test_the_page_lists_the_examples() -> None:
    assert (
        set(ROWS)
        == {path.stem for path in EXAMPLES.glob("*.py")}
        == {path.stem for path in BEFORE.glob("*.py")}
    )


@pytest.mark.parametrize("name", ROWS)
def test_an_example_needs_few_lines_and_the_page_says_how_many(name: str) -> None:
    changes = difflib.ndiff(source(BEFORE / f"{name}.py"), source(EXAMPLES / f"{name}.py"))
    lines = sum(change.startswith("+ ") for change in changes)
    assert lines == ROWS[name][3]
    assert lines <= MOST_LINES[name.partition("_")[0]]


@pytest.mark.parametrize("name", ROWS)
def test_the_extra_asks_for_the_minor_version_that_is_tested(name: str) -> None:
    extra, package, version, _ = ROWS[name]
    assert f"\n{package}=={version} " in f"\n{LOCK}"
    minor = version.rpartition(".")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert any(asked.startswith(f"{package}>={minor},<") for asked in extras[extra])
