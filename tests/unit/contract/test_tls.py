"""A store behind TLS whose certificate authority nobody but its users knows."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbt_contract.errors import StoreUnavailable
from pbt_contract.stores.probe import probe
from pbt_contract.stores.s3 import S3Store
from pbt_operator.runners.kubernetes.config import StoreConfig
from pbt_operator.runners.kubernetes.store_clients import open_location
from support.minio import running
from support.s3server import Server, write_credentials

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]


@pytest.fixture(scope="module")
def certificates(minio: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority and what it signed for loopback, as MinIO wants the files called."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("openssl is missing, which makes the certificates; PBT_SKIP_S3=1 leaves this test out")
    folder = tmp_path_factory.mktemp("certificates")

    def request(*arguments: str) -> None:
        command = [openssl, "req", "-x509", *KEY, *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    request("-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=tests")
    name = ["-subj", "/CN=minio", "-addext", "subjectAltName=IP:127.0.0.1"]
    name += ["-addext", "basicConstraints=critical,CA:FALSE"]
    request("-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", "private.key", "-out", "public.crt", *name)
    (folder / "ca.key").unlink()
    return folder


@pytest.fixture(scope="module")
def secured(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """MinIO that speaks TLS only."""
    with running(tmp_path_factory.mktemp("secured"), certificates=certificates) as server:
        yield server


@pytest.fixture
def environment(secured: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a trainer has but for the certificate authority."""
    for name, value in secured.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between attempts that are in vain


@pytest.mark.usefixtures("environment")
def test_a_trainer_trusts_the_authority_that_it_is_told(
    secured: Server, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match=r"certificate verify failed.*AWS_CA_BUNDLE"):
        probe(S3Store(secured.bucket, "team-a"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "ca.crt"))
    probe(S3Store(secured.bucket, "team-a"))


@pytest.mark.usefixtures("environment")
def test_a_bundle_that_is_not_there_is_one_clear_message(
    secured: Server, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificates / "nothing.crt"))
    with pytest.raises(StoreUnavailable, match=r"No such file.*AWS_CA_BUNDLE"):
        probe(S3Store(secured.bucket, "team-a"))


@pytest.mark.usefixtures("environment")
def test_the_operator_trusts_the_authority_of_the_store_s_config(
    secured: Server, certificates: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    write_credentials(folder, access_key=secured.access_key, secret_key=secured.secret_key)
    store = StoreConfig(
        name="default",
        bucket=secured.bucket,
        endpoint=secured.endpoint,
        credentials=folder,
        caBundle=certificates / "ca.crt",
    )
    location = f"s3://{secured.bucket}/team-a/digits-0a1b2c3d"
    probe(open_location(store, location))
    with pytest.raises(StoreUnavailable, match="certificate verify failed"):
        probe(open_location(store.model_copy(update={"ca_bundle": None}), location))
