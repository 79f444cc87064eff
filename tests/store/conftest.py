"""The stores that the conformance suite runs over, and a real S3 server."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pbt_trainer.stores import Store
from pbt_trainer.stores.folder import FolderStore
from pbt_trainer.stores.memory import MemoryStore
from pbt_trainer.stores.s3 import S3Store
from support.minio import Server, minio

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["minio"]


@pytest.fixture(scope="session")
def client(minio: Server) -> Iterator["S3Client"]:
    """A client of the server with all rights."""
    made = minio.client()
    yield made
    made.close()


@pytest.fixture
def s3_environment(minio: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The variables that lead boto3 to the server, and to no other."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
    return minio


def _open(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if kind == "memory":
        return MemoryStore()
    if kind == "folder":
        return FolderStore(tmp_path / "store")
    server: Server = request.getfixturevalue("minio")
    client: S3Client = request.getfixturevalue("client")
    return S3Store(server.bucket, f"team-a/{uuid4().hex}", client=client)


@pytest.fixture(params=["memory", "folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    return _open(request.param, request, tmp_path)


@pytest.fixture(params=["folder", "s3"])
def shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind that other processes can open by its URL."""
    if request.param == "s3":
        request.getfixturevalue("s3_environment")
    return _open(request.param, request, tmp_path)


@pytest.fixture(params=["memory", "s3"])
def copying_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind that fetches copies."""
    return _open(request.param, request, tmp_path)


@pytest.fixture
def s3(minio: Server, client: "S3Client") -> S3Store:
    """An empty location in the real server."""
    return S3Store(minio.bucket, f"team-a/{uuid4().hex}", client=client)
