"""Frameworks with a module of the SDK or a recipe, each in a process that has loaded it (tests/support/libraries.py).

Populations of the examples, as their users start them, are for `make frameworks`.
"""

from pathlib import Path

import pytest

from support.libraries import run_tests

FILES = sorted((Path(__file__).parents[2] / "frameworks").glob("quick_*.py"))
SETS = {"quick_jax": "libraries"}  # the others' is "frameworks"


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_framework_trains_a_member(file: Path) -> None:
    ended = run_tests(file, of=SETS.get(file.stem, "frameworks"), seconds=600)
    assert ended.returncode == 0, ended.stdout
