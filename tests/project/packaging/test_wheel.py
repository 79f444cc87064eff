"""What is installed: the three packages with their data, and extras that keep the trainer and the operator apart."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_the_packages_lie_at_the_top_and_nothing_else_does(wheel):
    modules = ("pbt_operator/control/reconcile.py", "pbt_trainer/run.py", "pbt_contract/records.py")
    typed = {f"{package}/py.typed" for package in ("pbt_operator", "pbt_trainer", "pbt_contract")}
    assert {*modules, *typed} <= set(wheel)
    tops = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert tops == {"pbt_operator", "pbt_trainer", "pbt_contract"}


def test_the_page_brings_its_assets(wheel):
    assets = {path.name for path in (ROOT / "operator" / "pbt_operator" / "page" / "assets").iterdir()}
    assert assets == {
        name.rsplit("/", 1)[1] for name in wheel if name.startswith("pbt_operator/page/assets/")
    }
    assert assets


def names(requirements: list[str]) -> str:
    return " ".join(requirements)


def test_the_sdk_needs_neither_kopf_nor_kubernetes_nor_torch_and_the_operator_no_torch():
    extras = PROJECT["optional-dependencies"]
    for unwanted in ("kopf", "kubernetes", "torch", "pydantic"):
        assert unwanted not in names(PROJECT["dependencies"])
    assert "torch" not in names(extras["operator"]) + names(extras["local"])
    assert {"kopf", "kubernetes"} <= {requirement.split(">")[0] for requirement in extras["operator"]}


def test_the_lock_pins_every_direct_requirement_with_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    direct = [*PROJECT["dependencies"], *groups]
    direct += [
        one
        for extra in ("local", "cluster", "operator", "torch", "demo")
        for one in PROJECT["optional-dependencies"][extra]
    ]
    for requirement in direct:
        name = requirement.split(">")[0].split("[")[0].lower()
        assert name == "pbt-operator" or f"\n{name}==" in f"\n{lock}", requirement
    assert "--hash=sha256:" in lock
    assert "://" not in lock
