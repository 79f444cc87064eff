"""Where a population lies in a store, and that the operator's client comes from the store's config alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pbt_contract.errors import KeyRefused, StoreRefused, StoreUnavailable
from pbt_contract.stores.probe import probe
from pbt_contract.stores.s3 import S3Store
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.runners.kubernetes.config import StoreConfig
from pbt_operator.runners.kubernetes.store_clients import location_of, open_location, siblings
from support.minio import minio
from support.s3server import Server, write_credentials

__all__ = ["minio"]

UID = "0a1b2c3d-4e5f-4000-8000-000000000000"
PLAIN = StoreConfig(name="default", bucket="experiments")


def location(store: StoreConfig, **storage: Any) -> str:
    manifest = Storage.model_validate(storage)
    return location_of(store, namespace="team-a", name="digits", uid=UID, storage=manifest)


@pytest.fixture
def store(minio: Server, tmp_path: Path) -> StoreConfig:
    """A store in MinIO with its credentials in a folder, and a prefix of its own."""
    folder = tmp_path / "credentials"
    write_credentials(folder, access_key=minio.access_key, secret_key=minio.secret_key)
    return StoreConfig(
        name="default",
        bucket=minio.bucket,
        prefix=uuid4().hex,
        endpoint=minio.endpoint,
        credentials=folder,
    )


@pytest.mark.parametrize(
    ("prefix", "storage", "place"),
    [
        ("", {}, "team-a/digits-0a1b2c3d"),
        ("pbt/v1", {}, "pbt/v1/team-a/digits-0a1b2c3d"),
        ("pbt", {"prefix": "vision/small"}, "pbt/team-a/vision/small/digits-0a1b2c3d"),
        ("pbt", {"adopt": "digits-ffffffff"}, "pbt/team-a/digits-ffffffff"),
        ("pbt", {"adopt": "old-ffffffff", "prefix": "vision"}, "pbt/team-a/vision/old-ffffffff"),
    ],
)
def test_a_location_follows_from_store_namespace_and_manifest(
    prefix: str, storage: dict[str, Any], place: str
) -> None:
    store = StoreConfig(name="default", bucket="experiments", prefix=prefix)
    assert location(store, **storage) == f"s3://experiments/{place}"


@given(st.text(max_size=20) | st.from_regex(r"([A-Za-z0-9_.-]|/|\.\.)*", fullmatch=True))
def test_no_prefix_leads_out_of_the_namespace(prefix: str) -> None:
    try:
        url = location(StoreConfig(name="default", bucket="experiments", prefix="pbt"), prefix=prefix)
    except (ValidationError, KeyRefused):
        return
    home, _, below = url.partition("s3://experiments/pbt/team-a/")
    assert home == ""
    assert not {"", ".", ".."} & set(below.split("/"))


@pytest.mark.parametrize("prefix", ["..", "../team-b", "a/../..", "/", "a//b", ".hidden/..", "a\n"])
def test_a_prefix_that_got_past_the_schema_is_refused_all_the_same(prefix: str) -> None:
    storage = Storage.model_construct(store="default", prefix=prefix, adopt=None)
    with pytest.raises(KeyRefused):
        location_of(PLAIN, namespace="team-a", name="digits", uid=UID, storage=storage)


def test_an_adopted_location_that_got_past_the_schema_is_refused_all_the_same() -> None:
    storage = Storage.model_construct(store="default", prefix=None, adopt="../team-b/digits-ffffffff")
    with pytest.raises(KeyRefused):
        location_of(PLAIN, namespace="team-a", name="digits", uid=UID, storage=storage)


def test_a_location_outside_of_the_store_is_not_opened() -> None:
    store = StoreConfig(name="default", bucket="experiments", prefix="pbt")
    for url in (
        "s3://experiments/pbt",
        "s3://experiments/pbt2/x",
        "s3://other/pbt/x",
        "/tmp/pbt",
        "s3://experiments/pbt/",
    ):
        with pytest.raises(StoreRefused):
            open_location(store, url)
    assert (
        open_location(store, "s3://experiments/pbt/team-a/digits-1").url
        == "s3://experiments/pbt/team-a/digits-1"
    )


def test_one_client_serves_all_locations_of_a_store_and_no_other(store: StoreConfig) -> None:
    def client(config: StoreConfig, number: int) -> object:
        opened = open_location(config, location(config, prefix=f"p{number}"))
        assert isinstance(opened, S3Store)
        return opened._client

    with ThreadPoolExecutor(16) as pool:
        (one,) = set(pool.map(lambda number: client(store, number), range(16)))
    assert client(store.model_copy(), 0) is one
    assert client(store.model_copy(update={"region": "eu-west-1"}), 0) is not one


def test_the_client_follows_the_config_and_not_the_process_s_variables(
    store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-west-3",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_ACCESS_KEY_ID": "wrong",
        "AWS_SECRET_ACCESS_KEY": "wrong",
        "AWS_CA_BUNDLE": "/does/not/exist",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "PBT_S3_CREDENTIALS": "/does/not/exist",
        "PBT_S3_ADDRESSING": "virtual",
    }.items():
        monkeypatch.setenv(name, value)
    opened = open_location(store, location(store))
    assert isinstance(opened, S3Store)
    probe(opened)
    assert opened._client.meta.region_name == "us-east-1"
    assert opened._client.meta.config.request_checksum_calculation == "when_supported"
    on_aws = open_location(PLAIN, location(PLAIN))
    assert isinstance(on_aws, S3Store)
    assert on_aws._client.meta.endpoint_url == "https://s3.amazonaws.com"


def test_without_a_folder_credentials_come_by_the_default_chain(
    store: StoreConfig, minio: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", minio.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", minio.secret_key)
    probe(open_location(store.model_copy(update={"credentials": None}), location(store)))


@pytest.mark.parametrize(
    ("path_style", "host"), [(True, "https://s3.test/experiments/"), (False, "https://experiments.s3.test/")]
)
def test_the_addressing_style_is_the_store_s(path_style: bool, host: str, tmp_path: Path) -> None:
    write_credentials(tmp_path / "credentials", access_key="a", secret_key="b")
    store = StoreConfig(
        name="default",
        bucket="experiments",
        endpoint="https://s3.test",
        pathStyle=path_style,
        credentials=tmp_path / "credentials",
    )
    opened = open_location(store, location(store))
    assert isinstance(opened, S3Store)
    url = opened._client.generate_presigned_url("get_object", Params={"Bucket": "experiments", "Key": "key"})
    assert url.startswith(f"{host}key")


def test_checksums_are_sent_unless_the_store_wants_only_required_ones(store: StoreConfig) -> None:
    def sent(config: StoreConfig) -> bool:
        opened = open_location(config, location(config))
        assert isinstance(opened, S3Store)
        headers: list[dict[str, str]] = []
        opened._client.meta.events.register(
            "before-send.s3.PutObject", lambda request, **_: headers.append(dict(request.headers))
        )
        opened.create(f"births/{uuid4().hex}.json", b"{}")
        return any(name.lower().startswith("x-amz-checksum-") for name in headers[0])

    assert sent(store)
    assert not sent(store.model_copy(update={"checksums": "WhenRequired"}))


def test_credentials_that_are_not_there_are_one_clear_message(store: StoreConfig, tmp_path: Path) -> None:
    nowhere = store.model_copy(update={"credentials": tmp_path / "nowhere"})
    with pytest.raises(
        StoreRefused, match="nowhere has no readable file AWS_ACCESS_KEY_ID and none AWS_SECRET"
    ):
        probe(open_location(nowhere, location(nowhere)))


def test_a_ca_bundle_that_is_not_there_is_one_clear_message(store: StoreConfig, tmp_path: Path) -> None:
    wrong = store.model_copy(update={"ca_bundle": tmp_path / "ca.crt"})
    with pytest.raises(StoreRefused, match=r"store 'default': caBundle .*ca.crt is no readable file"):
        open_location(wrong, location(wrong))


def test_other_locations_of_the_name_are_found_below_the_same_prefix_only(store: StoreConfig) -> None:
    for place in (
        "team-a/digits-0a1b2c3d",  # its own
        "team-a/digits-11111111",
        "team-a/digits-22222222",
        "team-a/digits-333",
        "team-a/digits-large-44444444",
        "team-a/other-55555555",
        "team-a/vision/digits-66666666",
        "team-b/digits-77777777",
    ):
        open_location(store, f"s3://{store.bucket}/{store.prefix}/{place}").create("births/1.json", b"{}")

    def found(**storage: Any) -> list[str]:
        manifest = Storage.model_validate(storage)
        return siblings(store, namespace="team-a", name="digits", uid=UID, storage=manifest)

    assert found() == ["digits-11111111", "digits-22222222"]
    assert found(prefix="vision") == ["digits-66666666"]
    assert found(adopt="digits-11111111") == ["digits-0a1b2c3d", "digits-22222222"]
    assert found(prefix="nothing") == []


def test_a_store_that_can_not_be_reached_is_told(store: StoreConfig) -> None:
    away = store.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    with pytest.raises(StoreUnavailable, match="Could not connect") as caught:
        siblings(away, namespace="team-a", name="digits", uid=UID, storage=Storage())
    assert type(caught.value) is StoreUnavailable
