"""The stores that the conformance suite runs over: in memory, in a folder, and in two real S3 servers."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pbt_contract.stores import Store
from pbt_contract.stores.folder import FolderStore
from pbt_contract.stores.s3 import S3Store
from simulation.memory_store import MemoryStore
from support.minio import minio
from support.s3server import Server
from support.versitygw import versitygw

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["minio", "versitygw"]

SERVERS = ["minio", "versitygw"]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the S3 servers."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator["S3Client"]:
    """A client of the server with all rights."""
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def s3_environment(minio: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The variables that lead boto3 to the server, and to no other."""
    _lead_to(minio, monkeypatch)
    return minio


def _lead_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def clients() -> Iterator[dict[str, "S3Client"]]:
    """A client for each server that was used."""
    made: dict[str, S3Client] = {}
    yield made
    for client in made.values():
        client.close()


def _open(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if kind == "memory":
        return MemoryStore()
    if kind == "folder":
        return FolderStore(tmp_path / "store")
    server: Server = request.getfixturevalue(kind)
    clients: dict[str, S3Client] = request.getfixturevalue("clients")
    client = clients.setdefault(kind, clients.get(kind) or server.client())
    return S3Store(server.bucket, f"team-a/{uuid4().hex}", client=client)


@pytest.fixture(params=["memory", "folder", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    return _open(request.param, request, tmp_path)


@pytest.fixture(params=["folder", *SERVERS])
def shared_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store of each kind that other processes can open by its URL."""
    if request.param in SERVERS:
        _lead_to(request.getfixturevalue(request.param), monkeypatch)
    return _open(request.param, request, tmp_path)


@pytest.fixture(params=["memory", *SERVERS])
def copying_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind that fetches copies."""
    return _open(request.param, request, tmp_path)


@pytest.fixture
def s3(server: Server, client: "S3Client") -> S3Store:
    """An empty location in each of the S3 servers."""
    return S3Store(server.bucket, f"team-a/{uuid4().hex}", client=client)
