"""Nothing that the product is made of can turn data into code: read off its sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted([*(ROOT / "operator").rglob("*.py"), *(ROOT / "trainer_image").rglob("*.py")])
MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "imp",
    "code",
}
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.jit.load", "torch.hub.load", "np.load",
    "numpy.load",
    "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load",
    "yaml.unsafe_load_all",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "pty.spawn", "runpy.run_path",
}  # fmt: skip
KEYWORDS = {"shell", "allow_pickle"}


def dangers(source: str) -> Iterator[str]:
    """What of a module could run data, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names if alias.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=module, names=names):
                named = {f"{module}.{alias.name}" for alias in names}
                found = [str(module)] if str(module).partition(".")[0] in MODULES else sorted(named & CALLS)
            case ast.Call(func=function, args=arguments, keywords=keywords):
                found = [name for name in [ast.unparse(function)] if name in CALLS]
                found += [
                    str(k.arg)
                    for k in keywords
                    if k.arg in KEYWORDS
                    and not (isinstance(k.value, ast.Constant) and k.value.value is False)
                ]
                named = ast.unparse(function).rpartition(".")[2]
                if named in {"import_module", "resolve_name"} and not is_written_there(arguments[0]):
                    found.append(f"{named} of a name that is not written there")
            case _:
                continue
        yield from (f"line {node.lineno}: {name}" for name in found)


def is_written_there(name: ast.expr) -> bool:
    """A constant, or an entry of a registry, which is a table of constants."""
    while isinstance(name, ast.Attribute | ast.Subscript):
        name = name.value
    return isinstance(name, ast.Constant) or (isinstance(name, ast.Name) and name.id.isupper())


FUNCTION = {
    "operator/pbt_operator/api/function_file.py: cloudpickle",
    "trainer_image/pbt_trainer/function.py: pickle",
}
"""What `pbt.fit` writes for its own members, and they load: a function, of the user who runs both."""


def test_no_module_can_run_what_it_reads() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {danger.partition(': ')[2]}"
        for path in SOURCES
        for danger in dangers(path.read_text())
    ]
    assert sorted(found) == sorted(FUNCTION)


def test_only_the_python_api_and_its_members_know_the_function() -> None:
    """Neither joining a population nor the operator ever comes near it."""
    users = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if "pbt_trainer.function" in path.read_text()
        or "from pbt_trainer import function" in path.read_text()
    ]
    assert users == [
        "operator/pbt_operator/api/declared.py",
        "operator/pbt_operator/api/function_file.py",
        "trainer_image/pbt_trainer/function.py",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import dill.source",
        "import marshal",
        "import shelve",
        "eval('1')",
        "exec(text)",
        "compile(text, '', 'exec')",
        "__import__(name)",
        "importlib.import_module(name)",
        "resolve_name(urls[scheme])",
        "torch.load(path, weights_only=True)",
        "np.load(f, allow_pickle=True)",
        "load(f, allow_pickle=x)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "from yaml import unsafe_load",
        "subprocess.run('x', shell=True)",
        "os.system('x')",
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert list(dangers(source))


def test_the_search_sees_all_sources() -> None:
    assert len(SOURCES) > 100
    for harmless in (
        "subprocess.run(['x'], shell=False)",
        "yaml.safe_load(t)",
        "import_module('a')",
        "resolve_name(STORES[scheme])",
    ):
        assert list(dangers(harmless)) == []


def test_the_scripts_of_the_page_make_no_markup_of_data() -> None:
    scripts = "".join(path.read_text() for path in (ROOT / "operator").rglob("*.js"))
    assert "textContent" in scripts
    for danger in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "srcdoc",
        ".href",
    ):
        assert danger not in scripts
