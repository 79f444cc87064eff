"""Commands in this process, a small population in a folder, and a namespace of a real API server."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.main import main
from support.apiserver import ApiServer, write_kubeconfig
from unit.cli.cluster import Namespace
from unit.page.populations import Recorder, record_small


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


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The settings of whoever runs the tests lead to no cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def namespace(
    apiserver: ApiServer, no_cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Namespace:
    """A namespace of its own, which the current context of the kubeconfig names."""
    found = Namespace(apiserver, f"team-{secrets.token_hex(4)}", tmp_path / "kubeconfig")
    found.core.create_namespace({"metadata": {"name": found.name}})
    write_kubeconfig(apiserver, found.kubeconfig, namespace=found.name)
    monkeypatch.setenv("KUBECONFIG", str(found.kubeconfig))
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands are called as kubectl calls a plugin."""
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/kubectl-pbt"])


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """The small population, in the folder `runs/digits`."""
    return record_small(FolderStore(tmp_path / "runs" / "digits"))


@pytest.fixture
def digits(recorder: Recorder, tmp_path: Path) -> Path:
    """Its folder."""
    return tmp_path / "runs" / "digits"
