"""The Versity S3 gateway on loopback: an S3 server that shares no code with MinIO, over a folder."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from programs.build import BuildError, binary
from support.s3server import Server
from support.servers import free_port, serving


@dataclass(frozen=True)
class Gateway(Server):
    """A running gateway, whose users can be made and deleted."""

    def make_user(self) -> tuple[str, str]:
        """A new user without any rights: its access key and its secret key."""
        access, secret = f"user-{secrets.token_hex(6)}", secrets.token_hex(16)
        self._administer("create-user", "--access", access, "--secret", secret, "--role", "user")
        return access, secret

    def delete_user(self, access_key: str) -> None:
        """Its key is worth nothing from now on."""
        self._administer("delete-user", "--access", access_key)

    def _administer(self, *command: str) -> None:
        whole = [str(binary("versitygw")), "admin", "--endpoint-url", self.endpoint, "--allow-insecure"]
        whole += ["--access", self.access_key, "--secret", self.secret_key, *command]
        subprocess.run(whole, check=True, capture_output=True)


@contextmanager
def running(folder: Path) -> Iterator[Gateway]:
    """Starts the gateway on a free port with its data in `folder`.

    Raises:
        BuildError: there is no binary and it can't be built.
        RuntimeError: it doesn't start; the message holds its log.
    """
    user, password = secrets.token_hex(8), secrets.token_hex(16)
    address = f"127.0.0.1:{free_port()}"
    for name in ("data", "users", "metadata"):
        (folder / name).mkdir()
    command = [str(binary("versitygw")), "--quiet", "--port", address, "--health", "/health"]
    command += ["--iam-dir", str(folder / "users"), "--iam-cache-disable"]
    # Not every file system has the extended attributes that it would use otherwise.
    command += ["posix", "--sidecar", str(folder / "metadata"), str(folder / "data")]
    environment = {**os.environ, "ROOT_ACCESS_KEY_ID": user, "ROOT_SECRET_ACCESS_KEY": password}
    with serving(
        command, log=folder / "versitygw.log", ready=f"http://{address}/health", environment=environment
    ):
        server = Gateway(f"http://{address}", user, password)
        server.make_bucket()
        yield server


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One server for each test process."""
    if os.environ.get("PBT_SKIP_S3") == "1":
        pytest.skip("PBT_SKIP_S3=1: nothing is tested against a real S3 server")
    try:
        with running(tmp_path_factory.mktemp("versitygw")) as server:
            yield server
    except BuildError as error:
        pytest.fail(f"versitygw can't be had ({error}); PBT_SKIP_S3=1 leaves these tests out", pytrace=False)
