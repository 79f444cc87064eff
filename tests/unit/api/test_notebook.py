"""The Python API in a real notebook, in a process that has Jupyter and pandas (tests/support/libraries.py)."""

from pathlib import Path

import pytest

from support.libraries import run_tests

CELLS = Path(__file__).parent / "notebook" / "cells.py"


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_notebook_trains_a_population_and_shows_it() -> None:
    ended = run_tests(CELLS, of="libraries", seconds=300)
    assert ended.returncode == 0, ended.stdout
