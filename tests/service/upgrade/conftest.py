"""The recorded data, in a folder of the test's own."""

import shutil
from pathlib import Path

import pytest

from service.upgrade.record import NAME

DATA = Path(__file__).parent / "data" / "v1"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A copy of all of it, for a test that goes on from there."""
    return Path(shutil.copytree(DATA, tmp_path / "recorded"))


@pytest.fixture(params=["middle", "ended"])
def location(recorded: Path, request: pytest.FixtureRequest) -> Path:
    """The location of one recorded population."""
    return recorded / str(request.param) / NAME
