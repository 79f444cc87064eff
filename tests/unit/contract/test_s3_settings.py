"""Where the S3 client gets its address, its region and its credentials from, and when."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from pbt_contract.errors import StoreRefused, StoreUnavailable
from pbt_contract.stores import s3 as s3_module
from pbt_contract.stores.s3 import S3Store, connect
from support.s3server import Server


def test_no_credentials_are_a_refusal_with_its_remedy_and_may_still_come(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Store(s3_environment.bucket, "digits")
    with pytest.raises(StoreUnavailable, match="credentials") as caught:
        store.read("births/1.json")
    assert type(caught.value) is StoreRefused
    assert "spec.storage.credentialsSecretRef" in str(caught.value)


def test_rotated_credentials_are_picked_up_without_an_error(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = tmp_path / "credentials"

    def rotate(secret: str) -> None:
        mounted.write_text(
            f"[default]\naws_access_key_id = {s3_environment.access_key}\naws_secret_access_key = {secret}\n"
        )

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(mounted))
    store = S3Store(s3_environment.bucket, f"team-a/{os.urandom(8).hex()}")
    rotate("old")
    with pytest.raises(StoreRefused):
        store.create("births/1.json", b"{}")
    rotate(s3_environment.secret_key)
    assert store.create("births/1.json", b"{}") == b"{}"


def test_the_environment_leads_to_the_server(s3_environment: Server) -> None:
    store = S3Store(s3_environment.bucket, f"team-a/{os.urandom(8).hex()}")
    store.create("births/1.json", b"{}")
    assert store.read("births/1.json") == b"{}"


def test_the_client_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    monkeypatch.setattr(s3_module, "connect", make)
    store, start = S3Store("bucket"), Barrier(16)

    def use(_: int) -> object:
        start.wait()
        return store._client

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(use, range(16))) == set(made)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("style", "address"), [("path", "https://s3.test/bucket/key"), ("virtual", "https://bucket.s3.test/key")]
)
def test_the_addressing_style_can_be_chosen(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch, style: str, address: str
) -> None:
    monkeypatch.setenv("PBT_S3_ADDRESSING", style)
    client = connect(endpoint_url="https://s3.test")
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    client.close()
    assert url.startswith(address)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PBT_S3_ADDRESSING", "sideways"), ("AWS_ENDPOINT_URL_S3", "no url"), ("AWS_PROFILE", "nobody")],
)
def test_settings_that_make_no_sense_are_refused(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreRefused, match="correct the AWS_"):
        S3Store("bucket", "digits").read("births/1.json")


def test_the_region_is_the_one_of_the_environment(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions = []
    for variables in ({"AWS_REGION": "eu-west-3"}, {"AWS_DEFAULT_REGION": "eu-west-2"}, {}):
        monkeypatch.delenv("AWS_REGION", raising=False)
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        client = connect()
        regions.append(client.meta.region_name)
        client.close()
    assert regions == ["eu-west-3", "eu-west-2", "us-east-1"]


@pytest.mark.parametrize(("said", "meant"), [(None, "when_required"), ("when_supported", "when_supported")])
def test_checksums_are_left_out_unless_the_environment_wants_them(
    s3_environment: Server, monkeypatch: pytest.MonkeyPatch, said: str | None, meant: str
) -> None:
    if said:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", said)
        monkeypatch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", said)
    client = connect()
    config = client.meta.config
    assert (config.request_checksum_calculation, config.response_checksum_validation) == (meant, meant)
    client.close()


@pytest.mark.parametrize("prefix", ["/a", "a/", "a//b", "..", "a b"])
def test_a_location_that_is_not_made_of_plain_names_is_refused(prefix: str) -> None:
    with pytest.raises(StoreRefused, match="no location"):
        S3Store("bucket", prefix)


@pytest.mark.process
def test_boto3_is_loaded_on_first_use_only() -> None:
    script = """
import sys
from pbt_contract.stores import open_store
open_store("s3://bucket/digits")
assert not {"boto3", "botocore"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
