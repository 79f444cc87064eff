"""The map shows the tree as it is: a row for each folder with what it really imports, and modules that exist."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
CODE = [
    *(ROOT / "operator").glob("pbt_*"),
    *(ROOT / "trainer_image").glob("pbt_*"),
    *(ROOT / "tools").iterdir(),
]
IMPORTED_FROM = [ROOT / name for name in ("operator", "trainer_image", "tools", "tests")]


def folder_name(folder: Path) -> str:
    """A folder as the page calls it: without the part above the import root, but for tools and tests."""
    parts = folder.relative_to(ROOT).parts
    return "/".join(parts[1:] if parts[0] in {"operator", "trainer_image"} else parts)


@cache
def folders() -> dict[str, list[Path]]:
    """The Python files of each folder that the page has a row for; Go modules and data are part of the one above."""
    found = defaultdict(list)
    for top in CODE:
        for file in sorted(top.rglob("*.py")):
            found[folder_name(file.parent)].append(file)
    return dict(found)


def imported_modules(file: Path) -> Iterator[str]:
    """The absolute names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: imports are absolute"
            yield from (f"{node.module}.{name.name}" for name in node.names)


@cache
def folder_of(module: str) -> str | None:
    """The folder of a module of this repository, or of a name in one."""
    for root in IMPORTED_FROM:
        path = root.joinpath(*module.split("."))
        for place in (path, path.parent):
            if (place / "__init__.py").is_file() or (
                place.is_dir() and list(place.glob("*.py")) and place != root
            ):
                return folder_name(place)
            if place.with_suffix(".py").is_file():
                return folder_name(place.parent)
    return None


def imports_of(folder: str) -> set[str]:
    """The other folders that the files of one import."""
    found = {folder_of(module) for file in folders()[folder] for module in imported_modules(file)}
    return {name for name in found if name is not None} - {folder}


def rows() -> dict[str, set[str]]:
    """What the page says each folder imports."""
    found = {}
    for name, _, imports in re.findall(r"^\| `([^`|]+)/` \| (.+) \| ?(.*) \|$", PAGE, re.MULTILINE):
        assert name not in found, name
        found[name] = set(re.findall(r"`([^`]+)`", imports))
    return found


def test_every_folder_has_a_row_and_every_row_a_folder():
    assert set(rows()) == set(folders())


@pytest.mark.parametrize("folder", sorted(folders()))
def test_a_row_says_what_its_folder_imports(folder):
    imports = imports_of(folder)
    assert rows()[folder] == imports, ", ".join(f"`{name}`" for name in sorted(imports))


def test_the_modules_that_the_page_names_exist():
    named = set(re.findall(r"`([a-z0-9_/]+\.(?:py|json|md|yaml|toml))`", PAGE))
    assert len(named) > 30
    tops = [ROOT, *IMPORTED_FROM, ROOT / "operator" / "pbt_operator", *(ROOT / "trainer_image").glob("pbt_*")]
    missing = {name for name in named if not any((top / name).is_file() for top in tops)}
    assert not missing


def test_the_contributing_page_names_files_that_exist():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:operator|trainer_image|tools|tests|charts|docs)/[A-Za-z0-9_./-]+)`", page))
    assert len(named) > 15
    assert not {name for name in named if not (ROOT / name).exists()}
