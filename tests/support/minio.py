"""A real S3 server on loopback for the length of a test session."""

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pbt_trainer.stores.s3 import connect
from tools.build import BuildError, binary

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_START_SECONDS = 30.0


@dataclass(frozen=True)
class Server:
    """A running server with one empty bucket."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which boto3 finds it, and nothing of the machine's own AWS settings."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, **settings: Any) -> "S3Client":
        """A client of this server, whatever the environment says."""
        ours = {
            "endpoint_url": self.endpoint,
            "aws_access_key_id": self.access_key,
            "aws_secret_access_key": self.secret_key,
        }
        return connect(**{**ours, **settings})


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Starts MinIO on a free port with its data in `folder`.

    Raises:
        BuildError: there is no binary and it can't be built.
        RuntimeError: it doesn't start; the message holds its log.
    """
    program = binary("minio")
    user, password, log = secrets.token_hex(8), secrets.token_hex(16), folder / "minio.log"
    address = f"127.0.0.1:{_free_port()}"
    command = [str(program), "server", "--address", address, "--console-address", f"127.0.0.1:{_free_port()}"]
    environment = {
        **os.environ,
        "MINIO_ROOT_USER": user,
        "MINIO_ROOT_PASSWORD": password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, str(folder / "data")], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(process, f"http://{address}/minio/health/live", log)
        server = Server(f"http://{address}", user, password, "tests")
        client = server.client()
        client.create_bucket(Bucket=server.bucket)
        client.close()
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for each test process."""
    if os.environ.get("PBT_SKIP_S3") == "1":
        pytest.skip("PBT_SKIP_S3=1: nothing is tested against a real S3 server")
    try:
        with running(tmp_path_factory.mktemp("minio")) as server:
            yield server
    except BuildError as error:
        pytest.fail(f"MinIO can't be had ({error}); PBT_SKIP_S3=1 leaves these tests out", pytrace=False)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"MinIO didn't start; its log:\n{log.read_text()[-4000:]}")
