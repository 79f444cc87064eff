"""`import pbt_operator` loads nothing, and each name that it gives is documented."""

import inspect
import json
import subprocess
import sys

import pytest

import pbt_operator as pbt

HEAVY = ["kopf", "kubernetes", "torch", "pydantic", "typer", "rich", "yaml", "boto3", "pandas", "pbt_trainer"]
LOADED = f"""
import json, sys
before = set(sys.modules)
import pbt_operator as pbt
names = dir(pbt)
loaded = sorted(name for name in {HEAVY!r} if name in sys.modules)
print(json.dumps([loaded, sorted(n for n in set(sys.modules) - before if n.startswith("pbt_")), names]))
"""


@pytest.mark.process
def test_importing_it_loads_no_room_and_no_library():
    found = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True)
    loaded, own, names = json.loads(found.stdout)
    assert loaded == []
    assert own == ["pbt_operator"]
    assert set(pbt.__all__) <= set(names)


@pytest.mark.parametrize("name", pbt.__all__)
def test_each_public_name_says_what_it_is_and_what_its_arguments_are(name):
    found = getattr(pbt, name)
    assert inspect.getdoc(found)
    takes = found if inspect.isfunction(found) else found.__init__
    own = inspect.isfunction(found) or ("__init__" in vars(found) and not issubclass(found, Exception))
    documented = f"{inspect.getdoc(found)}\n{inspect.getdoc(takes)}"
    if own and name != "Result":  # nobody makes one
        parameters = [*inspect.signature(takes).parameters][not inspect.isfunction(found) :]
        for parameter in (name for name in parameters if not name.startswith("_")):
            assert f"\n    {parameter}: " in documented or f"\n{parameter}: " in documented, parameter
            assert not inspect.isfunction(found) or parameter in found.__annotations__
    for method, function in inspect.getmembers(found, inspect.isfunction):
        if not method.startswith("_") and function.__module__.startswith("pbt_"):
            assert inspect.getdoc(function), method


def test_another_name_is_told_as_of_any_module():
    with pytest.raises(AttributeError, match="module 'pbt_operator' has no attribute 'fitt'"):
        pbt.fitt  # noqa: B018
