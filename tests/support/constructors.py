"""Finds constructors that do I/O: files, processes, sockets, signals, threads.

It reads the source only, and follows calls of the class's own methods and of the module's own functions.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

MODULES = {"atexit", "mmap", "os", "shutil", "signal", "socket", "subprocess", "tempfile", "time"}
"""Calls of what these hold are I/O, but for `HARMLESS`."""

HARMLESS = {"os.cpu_count", "os.fspath", "os.getpid", "os.path.join", "time.monotonic", "time.time"}
METHODS = {
    "accept", "bind", "connect", "count", "create", "current", "delete", "exists", "fetch", "is_dir", "is_file",
    "listen", "load", "mkdir", "names", "newest", "newest_result", "open", "probe", "read", "read_bytes", "read_text",
    "receive", "recv", "refresh", "resolve", "send", "sendall", "settle", "start", "stat", "touch", "unlink", "upload",
    "write", "write_bytes", "write_text",
}  # fmt: skip
"""Calls of methods of these names are I/O, whatever they are methods of."""


def acting_constructors(folder: Path) -> list[str]:
    """`file:line Class: call` for each call of I/O that a constructor below `folder` reaches."""
    return [
        f"{file.relative_to(folder)}:{call}"
        for file in sorted(folder.rglob("*.py"))
        for call in acting_in(file.read_text())
    ]


def acting_in(source: str) -> Iterator[str]:
    """The same for one module: `line Class: call`."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for owner in ast.walk(tree):
        if isinstance(owner, ast.ClassDef):
            methods = {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}
            for call in _reached(methods, functions):
                if _acts(name := _name(call.func, names)):
                    yield f"{call.lineno} {owner.name}: {name}"


def _reached(
    methods: dict[str, ast.FunctionDef], functions: dict[str, ast.FunctionDef]
) -> Iterator[ast.Call]:
    """All calls that `__init__` reaches within its class and module."""
    ahead, seen = [methods["__init__"]] if "__init__" in methods else [], set()
    while ahead:
        function = ahead.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield node
                called = ast.unparse(node.func)
                following = methods.get(called.removeprefix("self.")) if "self." in called else None
                following = following or functions.get(called)
                ahead += [following] if following else []


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What a name that was imported stands for: `urlopen` for `urllib.request.urlopen`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def _name(function: ast.expr, names: dict[str, str]) -> str:
    first, dot, rest = ast.unparse(function).partition(".")
    return names.get(first, first) + dot + rest


def _acts(name: str) -> bool:
    if name in HARMLESS:
        return False
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    return first in MODULES or name == "open" or ("." in name and last in METHODS)
