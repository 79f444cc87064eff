"""`pbt operator` and its checks, as the chart runs them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.minio import Server, minio
from support.s3server import write_credentials
from support.servers import free_port
from unit.runners.kubernetes.conftest import team, world

pytestmark = pytest.mark.process

__all__ = ["minio", "team", "world"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the current folder, so that messages have room for its name."""
    monkeypatch.chdir(tmp_path)
    return Path("config.yaml")


def pbt(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command with nothing of the machine's own settings."""
    command = [sys.executable, "-m", "pbt_operator.cli.main", "operator", *map(str, arguments)]
    own = {"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **environment}
    return subprocess.run(command, env=own, capture_output=True, text=True, check=False, timeout=120)


def store_of(server: Server, folder: Path, **changes: Any) -> dict[str, Any]:
    write_credentials(folder, access_key=server.access_key, secret_key=server.secret_key)
    named = {"name": "default", "bucket": server.bucket, "prefix": "checks", "endpoint": server.endpoint}
    return {**named, "credentials": str(folder), **changes}


def test_a_wrong_config_is_told_with_its_place(config):
    config.write_text("stores:\n- name: default\n  bucket: experiments\nworkers: many\n")
    ended = pbt("--config", config)
    assert ended.returncode == 2
    assert "config.yaml: " in ended.stderr
    assert "workers (line 4): is 'many'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_config_is_told(config):
    ended = pbt("--config", config)
    assert ended.returncode == 2
    assert "config.yaml: can't be read" in ended.stderr


def test_stores_are_tried_and_left_as_they_were(config, minio, tmp_path):
    config.write_text(yaml.safe_dump({"stores": [store_of(minio, tmp_path / "credentials")]}))
    ended = pbt("check-stores", "--config", config)
    assert (ended.returncode, ended.stdout) == (0, "store default: ready\n"), ended.stderr
    listed = minio.client().list_objects_v2(Bucket=minio.bucket, Prefix="checks/")
    assert listed["KeyCount"] == 0


def test_every_store_that_does_not_work_is_told(config, minio, tmp_path):
    stores = [
        store_of(minio, tmp_path / "a"),
        store_of(minio, tmp_path / "b", name="elsewhere", bucket="no-such-bucket"),
        store_of(minio, tmp_path / "c", name="away", endpoint=f"http://127.0.0.1:{free_port()}"),
    ]
    config.write_text(yaml.safe_dump({"stores": stores}))
    ended = pbt("--config", config, "check-stores")
    assert ended.returncode == 1
    assert ended.stdout == "store default: ready\n"
    first, second = ended.stderr.splitlines()
    assert first.startswith("store elsewhere: ")
    assert second.startswith("store away: ")


def test_uninstalling_is_refused_while_there_are_populations(world, team, config):
    team.create("left", members=1, suspend=True)
    config.write_text(yaml.safe_dump({"namespaces": [team.name]}))
    kubeconfig = str(world.api.kubeconfig)
    ended = pbt("check-uninstall", "--config", config, KUBECONFIG=kubeconfig)
    assert ended.returncode == 1
    assert f"{team.name}/left" in ended.stderr
    team.delete("left")
    team.until(lambda: team.read("left") is None)
    ended = pbt("check-uninstall", "--config", config, KUBECONFIG=kubeconfig)
    assert (ended.returncode, ended.stderr) == (0, "")
