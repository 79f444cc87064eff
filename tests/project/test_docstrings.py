"""Docstrings document what exists: ruff compares arguments with signatures, these tests attributes and errors."""

import ast
import builtins
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    ROOT / "operator" / "pbt_operator",
    ROOT / "trainer_image" / "pbt_trainer",
    ROOT / "trainer_image" / "pbt_contract",
]
FILES = [file for package in PACKAGES for file in sorted(package.rglob("*.py"))]
TREES = {file: ast.parse(file.read_text()) for file in FILES}
CLASSES = [
    (file, node) for file, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
]
IMPORTED = {
    name.name
    for tree in TREES.values()
    for node in ast.walk(tree)
    if isinstance(node, ast.ImportFrom)
    for name in node.names
}
BUILT_IN = {name for name in dir(builtins) if isinstance(getattr(builtins, name), type)}

BIRTH = '''
class Birth:
    """One.

    Attributes:
        member, parent: whose
            it is: so.
        life: it.
    """

    member: int

    @property
    def life(self) -> int:
        return self.member
'''


def section(node: ast.AST, title: str) -> list[str]:
    """The names that a section of a docstring documents; a line may document several."""
    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Module)
    found = re.search(
        rf"^{title}:\n((?:(?: +.*)?(?:\n|\Z))+)",
        inspect.cleandoc(ast.get_docstring(node) or ""),
        re.MULTILINE,
    )
    lines = re.findall(r"^ {4}(\S[^:]*):", found[1], re.MULTILINE) if found else []
    return [name.strip("`* ") for line in lines for name in line.split(",")]


def own_attributes(node: ast.ClassDef) -> Iterator[str]:
    """What a class declares in its body, and what its methods assign to self."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign | ast.Assign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from (
                name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
            )
        elif isinstance(statement, ast.FunctionDef):
            yield statement.name
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Attribute)
            and isinstance(part.ctx, ast.Store)
            and ast.unparse(part.value) == "self"
        ):
            yield part.attr


def attributes(node: ast.ClassDef) -> set[str]:
    """Those of the class and of its bases in these packages."""
    bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
    inherited = [attributes(other) for _, other in CLASSES if other.name in bases and other is not node]
    return {*own_attributes(node), *(name for names in inherited for name in names)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_attributes_that_a_class_documents_exist(file):
    for node in (node for place, node in CLASSES if place == file):
        unknown = set(section(node, "Attributes")) - attributes(node)
        assert not unknown, f"{node.name} documents {unknown}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_errors_that_a_docstring_names_exist(file):
    """Those of a callee, too: the file needn't import them."""
    known = {node.name for _, node in CLASSES} | IMPORTED | BUILT_IN
    for node in ast.walk(TREES[file]):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            raised = {name.rpartition(".")[2] for name in section(node, "Raises")}
            assert raised <= known, f"{node.name} documents {raised - known}"


def test_what_does_not_exist_is_seen():
    tree = ast.parse(BIRTH)
    node = tree.body[0]
    assert isinstance(node, ast.ClassDef)
    assert section(node, "Attributes") == ["member", "parent", "life"]
    assert set(section(node, "Attributes")) - attributes(node) == {"parent"}
