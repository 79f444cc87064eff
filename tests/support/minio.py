"""MinIO on loopback for the length of a test session."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from programs.build import BuildError, binary
from support.s3server import Server
from support.servers import free_port, serving

__all__ = ["Server", "minio", "running", "session_of"]


@contextmanager
def running(folder: Path, *, certificates: Path | None = None) -> Iterator[Server]:
    """Starts MinIO on a free port with its data in `folder`.

    Args:
        folder: for its data and log.
        certificates: a folder with public.crt, private.key and the ca.crt that signed it, for TLS.

    Raises:
        BuildError: there is no binary and it can't be built.
        RuntimeError: it doesn't start; the message holds its log.
    """
    user, password = secrets.token_hex(8), secrets.token_hex(16)
    address = f"127.0.0.1:{free_port()}"
    command = [str(binary("minio")), "server", "--address", address]
    command += ["--console-address", f"127.0.0.1:{free_port()}"]
    command += ["--certs-dir", str(certificates)] if certificates else []
    environment = {
        **os.environ,
        "MINIO_ROOT_USER": user,
        "MINIO_ROOT_PASSWORD": password,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "HOME": str(folder),
    }
    endpoint = f"{'https' if certificates else 'http'}://{address}"
    ca = certificates / "ca.crt" if certificates else None
    with serving(
        [*command, str(folder / "data")],
        log=folder / "minio.log",
        ready=f"{endpoint}/minio/health/live",
        ca=ca,
        environment=environment,
    ):
        server = Server(endpoint, user, password)
        server.make_bucket(verify=str(ca) if ca else None)
        yield server


def session_of(server: Server, *, policy: str | None = None) -> dict[str, str]:
    """Temporary credentials, as `write_credentials` takes them, that may do no more than `policy` says."""
    from boto3.session import Session

    client = Session().client(
        "sts",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    limits = {"Policy": policy} if policy else {}
    given = client.assume_role(RoleArn="arn:aws:iam::0:role/any", RoleSessionName="tests", **limits)
    client.close()
    found = given["Credentials"]
    return {
        "access_key": found["AccessKeyId"],
        "secret_key": found["SecretAccessKey"],
        "token": found["SessionToken"],
    }


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
