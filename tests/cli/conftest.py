"""Commands in this process, and a small population in a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pbt_operator.cli.main import main
from pbt_trainer.stores.folder import FolderStore
from report.populations import Recorder, record_small


class Ended(NamedTuple):
    """What a command printed and returned."""

    code: int
    out: str
    err: str


Pbt = Callable[..., Ended]


@pytest.fixture
def pbt(capsys: pytest.CaptureFixture[str]) -> Pbt:
    """Runs `pbt` with arguments."""

    def run(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, out, err)

    return run


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """The small population, in the folder `runs/digits`."""
    return record_small(FolderStore(tmp_path / "runs" / "digits"))


@pytest.fixture
def digits(recorder: Recorder, tmp_path: Path) -> Path:
    """Its folder."""
    return tmp_path / "runs" / "digits"
