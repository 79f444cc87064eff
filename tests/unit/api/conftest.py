"""The small population of the commands' tests, and a folder to run in."""

from pathlib import Path

import pytest

from pbt_contract.stores.folder import FolderStore
from unit.page.populations import Recorder, record_small


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without runs, and no cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return tmp_path


@pytest.fixture
def recorder(elsewhere: Path) -> Recorder:
    """The small population, as the run `digits` of this folder."""
    return record_small(FolderStore(elsewhere / "pbt-runs" / "digits"))
