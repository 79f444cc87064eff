"""The states of other libraries, each file of tests in a process that has loaded them (tests/support/libraries.py)."""

from pathlib import Path

import pytest

from support.libraries import run_tests

FILES = sorted((Path(__file__).parent / "libraries").glob("*.py"))


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_states_of_other_libraries_come_back(file: Path) -> None:
    ended = run_tests(file, of="libraries", seconds=600)
    assert ended.returncode == 0, ended.stdout
