"""A house in which one finds things: few rooms, each says what it is, no name twice, nothing too long to read."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPERATOR = ROOT / "operator" / "pbt_operator"
PACKAGES = [OPERATOR, ROOT / "trainer_image" / "pbt_trainer", ROOT / "trainer_image" / "pbt_contract"]
TOOLS = ROOT / "tools"
ROOMS, MODULE_LINES, FUNCTION_LINES = 12, 300, 45


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_the_operator_opens_with_a_dozen_rooms_at_most():
    rooms = [path for path in OPERATOR.iterdir() if path.is_dir() or path.suffix == ".py"]
    assert len([room for room in rooms if room.name not in {"__init__.py", "__pycache__"}]) <= ROOMS


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_two_modules_of_a_package_have_one_name(package):
    """An import, a traceback or a log line that ends in it says which is meant."""
    names = Counter(file.stem for file in modules(package) if not file.stem.startswith("__"))
    assert {one: count for one, count in names.items() if count > 1} == {}


@pytest.mark.parametrize("package", [*PACKAGES, TOOLS], ids=lambda package: package.name)
def test_each_folder_of_python_says_what_it_is(package):
    """The folders of tools/ that hold scripts for other interpreters are no packages."""
    silent = {
        name(folder)
        for folder in {file.parent for file in modules(package)} - {TOOLS}
        if not (folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    }
    assert silent <= {"tools/bench/clients", "tools/bench/trainers"}


def test_modules_are_short_enough_to_read():
    long = {
        name(file)
        for package in PACKAGES
        for file in modules(package)
        if len(file.read_text().splitlines()) >= MODULE_LINES
    }
    assert long == set()


def test_functions_are_short_enough_to_read():
    long = {
        f"{name(file)}::{node.name}"
        for package in PACKAGES
        for file in modules(package)
        for node in functions(file)
        if (node.end_lineno or 0) - node.lineno + 1 >= FUNCTION_LINES
    }
    assert long == set()


def test_the_unit_tests_lie_where_their_modules_lie():
    source = {"contract": PACKAGES[2], "trainer": PACKAGES[1]}
    for folder in {file.parent for file in (ROOT / "tests" / "unit").rglob("test_*.py")}:
        room, *rest = folder.relative_to(ROOT / "tests" / "unit").parts
        assert source.get(room, OPERATOR / room).joinpath(*rest).is_dir(), name(folder)
