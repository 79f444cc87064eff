"""Credentials in a folder of files: which count, what is said of those that don't, and that a rotation is seen."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from pbt_contract.errors import StoreRefused, StoreUnavailable
from pbt_contract.stores.credentials import FolderCredentials
from pbt_contract.stores.probe import probe
from pbt_contract.stores.s3 import S3Store
from pbt_contract.stores.s3_client import make_client
from support.minio import session_of
from support.s3server import Server, write_credentials
from support.versitygw import Gateway

POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*",
 "Principal": {"AWS": ["%s", "%s"]}, "Resource": ["arn:aws:s3:::%s", "arn:aws:s3:::%s/*"]}]}"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the Secret is mounted."""
    return tmp_path / "credentials"


def by_environment(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """A store as a trainer opens it; other credentials of its environment are wrong."""
    for name, value in {**server.environment, "PBT_S3_CREDENTIALS": str(folder)}.items():
        monkeypatch.setenv(name, "wrong" if name.endswith("KEY_ID") else value)
    return S3Store(server.bucket, f"team-a/{uuid4().hex}")


def by_config(server: Server, folder: Path, _: pytest.MonkeyPatch) -> S3Store:
    """A store as the operator opens it."""
    client = make_client(
        credentials=folder, options={}, region_name="us-east-1", endpoint_url=server.endpoint
    )
    return S3Store(server.bucket, f"team-a/{uuid4().hex}", client=client)


Opener = Callable[[Server, Path, pytest.MonkeyPatch], S3Store]
BOTH = pytest.mark.parametrize("opened", [by_environment, by_config])


@BOTH
def test_the_folder_s_credentials_count_and_no_others(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    write_credentials(folder, access_key=f"{server.access_key}\n", secret_key=server.secret_key)
    probe(opened(server, folder, monkeypatch))


@BOTH
def test_a_rotation_is_seen_by_a_running_store_without_an_error(
    versitygw: Gateway, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: Opener
) -> None:
    former, newer = versitygw.make_user(), versitygw.make_user()
    bucket = versitygw.bucket
    root = versitygw.client()
    root.put_bucket_policy(Bucket=bucket, Policy=POLICY % (former[0], newer[0], bucket, bucket))
    root.close()
    source = tmp_path / "model"
    source.write_bytes(os.urandom(20 * 1024 * 1024))
    write_credentials(folder, access_key=former[0], secret_key=former[1])
    store = opened(versitygw, folder, monkeypatch)
    store.create("births/1.json", b"{}")
    with_former = S3Store(
        bucket,
        "team-a",
        client=versitygw.client(aws_access_key_id=former[0], aws_secret_access_key=former[1]),
    )
    with_former.create(f"{uuid4().hex}.json", b"{}")

    write_credentials(folder, access_key=newer[0], secret_key=newer[1])
    versitygw.delete_user(former[0])
    with pytest.raises(StoreRefused):
        with_former.create(f"{uuid4().hex}.json", b"{}")
    store.create("births/2.json", b"{}")
    store.upload("checkpoints/1/model", source, size=source.stat().st_size)
    assert list(store.names("")) == ["births/1.json", "births/2.json", "checkpoints/1/model"]


@BOTH
def test_a_rotation_between_two_files_costs_one_request(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    write_credentials(folder, access_key=server.access_key, secret_key=server.secret_key)
    store = opened(server, folder, monkeypatch)
    store.create("births/1.json", b"{}")
    write_credentials(folder, access_key=server.access_key, secret_key="the former one")
    read, rotations = FolderCredentials._text, ["one"]

    def text(self: FolderCredentials, name: str) -> str:
        found = read(self, name)
        if rotations and name == "AWS_SECRET_ACCESS_KEY":
            rotations.pop()
            write_credentials(folder, access_key=server.access_key, secret_key=server.secret_key)
        return found

    monkeypatch.setattr(FolderCredentials, "_text", text)
    store.create("births/2.json", b"{}")
    assert rotations == []


def test_files_that_stay_are_read_once(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand members make thousands of requests a minute, and three files each were a quarter of their cost."""
    write_credentials(folder, access_key=server.access_key, secret_key=server.secret_key)
    store = by_environment(server, folder, monkeypatch)
    read, names = FolderCredentials._text, []
    monkeypatch.setattr(FolderCredentials, "_text", lambda self, name: names.append(name) or read(self, name))
    for number in range(3):
        store.create(f"births/{number}.json", b"{}")
    assert len(names) == 3


def test_session_credentials_come_with_their_token(
    minio: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_credentials(folder, **session_of(minio))
    probe(by_environment(minio, folder, monkeypatch))
    (folder / "AWS_SESSION_TOKEN").unlink()
    with pytest.raises(StoreUnavailable):
        probe(by_environment(minio, folder, monkeypatch))


def test_wrong_credentials_in_the_folder_are_refused(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_credentials(folder, access_key=server.access_key, secret_key="wrong")
    with pytest.raises(StoreRefused, match=r"correct the secret key .*the mounted credentials"):
        probe(by_environment(server, folder, monkeypatch))


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("how", ["absent", "empty", "a folder", "binary"])
@BOTH
def test_a_file_that_can_not_be_used_is_named_with_its_folder(
    minio: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener, missing: str, how: str
) -> None:
    write_credentials(folder, access_key=minio.access_key, secret_key=minio.secret_key)
    path = folder / missing
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how != "absent":
        path.write_bytes(b"\n" if how == "empty" else b"\xff\xfe")
    store = opened(minio, folder, monkeypatch)
    source = folder / "model"
    source.write_bytes(bytes(20 * 1024 * 1024))
    told = (
        f"{folder} has no readable file {missing}; .* Secret with the keys AWS_ACCESS_KEY_ID and AWS_SECRET"
    )
    for call in (
        lambda: store.create("births/1.json", b"{}"),
        lambda: list(store.names("")),
        lambda: store.upload("checkpoints/1/model", source, size=source.stat().st_size),
    ):
        with pytest.raises(StoreRefused, match=told):
            call()


def test_a_folder_that_is_not_there_is_named_with_both_files(
    minio: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{folder} has no readable file AWS_ACCESS_KEY_ID and none AWS_SECRET_ACCESS_KEY"
    with pytest.raises(StoreRefused, match=told):
        by_environment(minio, folder, monkeypatch).read("births/1.json")
