"""Importing the SDK is cheap, and what it exports is settled."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pbt_trainer

HEAVY = ("torch", "numpy", "boto3", "botocore", "safetensors", "asyncio", "pydantic")


def _loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(found.stdout.split())


@pytest.mark.process
def test_importing_the_sdk_loads_no_heavy_library() -> None:
    assert _loaded_by("pbt_trainer") == set()


@pytest.mark.process
def test_the_courier_loads_no_heavy_library() -> None:
    assert _loaded_by("pbt_trainer.courier.__main__") == set()


@pytest.mark.process
def test_the_courier_loads_nothing_of_what_scripts_call() -> None:
    """Each start of a trainer waits for it."""
    code = "import sys, pbt_trainer.courier.__main__; print(*(n for n in sys.modules if n.startswith('pbt_trainer.')))"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert {name.split(".")[1] for name in found.stdout.split()} == {"courier", "log"}


def test_what_type_checkers_are_told_is_what_is_imported_when_it_is_asked_for() -> None:
    tree = ast.parse(Path(str(pbt_trainer.__file__)).read_text())
    (told,) = (node for node in tree.body if isinstance(node, ast.If))
    found = {
        alias.name: str(node.module)
        for node in told.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert found == pbt_trainer._MODULES
    assert all(getattr(pbt_trainer, name).__module__ == module for name, module in found.items())
    assert set(pbt_trainer.__all__) <= set(dir(pbt_trainer))
    with pytest.raises(AttributeError, match="module 'pbt_trainer' has no attribute 'joins'"):
        pbt_trainer.joins  # noqa: B018


def test_what_the_package_exports() -> None:
    assert pbt_trainer.__all__ == sorted(pbt_trainer.__all__)
    assert set(pbt_trainer.__all__) == {
        "Advance",
        "Checkpoint",
        "CorruptCheckpoint",
        "Episode",
        "ExitCode",
        "KeyRefused",
        "NotFound",
        "PbtError",
        "RecordRefused",
        "Run",
        "StateError",
        "Stopped",
        "StoreRefused",
        "StoreUnavailable",
        "UsageError",
        "Window",
        "join",
        "optional",
        "trainable",
    }
    assert all(hasattr(pbt_trainer, name) for name in pbt_trainer.__all__)
