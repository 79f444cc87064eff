"""What only S3 can get wrong: lost answers, conflicts, refusals, credentials, and unfinished uploads."""

import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from pbt_contract.errors import CorruptCheckpoint, NotFound, StoreRefused, StoreUnavailable
from pbt_contract.records import File
from pbt_contract.stores import s3 as s3_module
from pbt_contract.stores.probe import probe
from pbt_contract.stores.s3 import S3Store, connect
from support.checksums import sha256
from support.s3server import Server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
FILE = File(name="model", size=1, sha256=sha256(b"x"))


@pytest.fixture
def own(server: Server) -> Iterator["S3Client"]:
    """A client of the server that a test may bend."""
    made = server.client()
    yield made
    made.close()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[S3Store, Stubber]]:
    """A store whose server answers by a script, and with no waiting between attempts."""
    client = connect(aws_access_key_id="a", aws_secret_access_key="b", endpoint_url="http://127.0.0.1:9")
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with Stubber(client) as script:
        yield S3Store("bucket", "team-a/digits", client=client), script
        script.assert_no_pending_responses()
    client.close()


def put(data: bytes) -> dict[str, Any]:
    """The request that `create` should make."""
    return {"Bucket": "bucket", "Key": "team-a/digits/births/1.json", "Body": data, "IfNoneMatch": "*"}


def body(data: bytes) -> dict[str, Any]:
    """An answer to GetObject."""
    return {"Body": StreamingBody(io.BytesIO(data), len(data)), "ContentLength": len(data)}


def everything(store: S3Store, folder: Path) -> list[Callable[[], object]]:
    """Each thing that can be asked of a store."""
    source = folder / "source"
    source.write_bytes(b"x")
    return [
        lambda: store.create("births/1.json", b"{}"),
        lambda: store.read("births/1.json"),
        lambda: list(store.names("births/")),
        lambda: store.upload("checkpoints/1/model", source, size=1),
        lambda: store.fetch("checkpoints/1/model", FILE, folder / "fetched"),
        lambda: store.delete(["births/1.json"]),
        lambda: store.abandon_uploads("checkpoints/"),
    ]


def test_a_write_whose_answer_was_lost_is_found_to_be_ours(
    server: Server, client: "S3Client", own: "S3Client"
) -> None:
    prefix, requests = f"team-a/{os.urandom(8).hex()}", []

    def lose_the_first_answer(request: Any, **_: Any) -> None:
        requests.append(request)
        if len(requests) == 1:
            client.put_object(Bucket=server.bucket, Key=f"{prefix}/births/1.json", Body=b"ours")
            raise ReadTimeoutError(endpoint_url=request.url)

    own.meta.events.register("before-send.s3.PutObject", lose_the_first_answer)
    store = S3Store(server.bucket, prefix, client=own)
    assert store.create("births/1.json", b"ours") == b"ours"
    assert len(requests) == 2


def test_a_refused_write_is_read_back(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    script.add_client_error(
        "put_object", "PreconditionFailed", http_status_code=412, expected_params=put(b"ours")
    )
    script.add_response("get_object", body(b"ours"))
    assert store.create("births/1.json", b"ours") == b"ours"


def test_a_conflict_is_tried_again(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    for _ in range(3):
        script.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    script.add_response("put_object", {}, put(b"ours"))
    assert store.create("births/1.json", b"ours") == b"ours"


def test_a_conflict_without_end_is_no_answer(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    for _ in range(s3_module._CREATE_ATTEMPTS):
        script.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
    with pytest.raises(StoreUnavailable, match=r"team-a/digits/births/1\.json"):
        store.create("births/1.json", b"ours")


def test_a_record_deleted_before_it_was_read_back_is_written_again(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    script.add_client_error("put_object", "PreconditionFailed", http_status_code=412)
    script.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    script.add_response("put_object", {}, put(b"ours"))
    assert store.create("births/1.json", b"ours") == b"ours"


@pytest.mark.parametrize(
    ("code", "kind", "remedy"),
    [
        ("NotImplemented", StoreRefused, "no conditional writes"),
        ("AccessDenied", StoreRefused, "grant trainers s3:GetObject"),
        ("NoSuchBucket", StoreRefused, "create the bucket"),
        ("AuthorizationHeaderMalformed", StoreRefused, "AWS_REGION"),
        ("SlowDown", StoreUnavailable, "SlowDown"),
        ("InternalError", StoreUnavailable, "InternalError"),
        ("ExpiredToken", StoreRefused, "ExpiredToken.*; renew the session token"),
        ("RequestTimeTooSkewed", StoreUnavailable, "set the clock"),
        ("XMinioStorageFull", StoreUnavailable, "free some room"),
        ("KMS.DisabledException", StoreRefused, "enable the bucket's KMS key"),
    ],
)
def test_a_refusal_is_told_with_its_place_and_remedy(
    stub: tuple[S3Store, Stubber], code: str, kind: type[StoreUnavailable], remedy: str
) -> None:
    store, script = stub
    for _ in range(2 if code == "ExpiredToken" else 1):  # newer credentials may be there already
        script.add_client_error("put_object", code)
    with pytest.raises(
        StoreUnavailable, match=f"^s3://bucket/team-a/digits/births/1.json: .*{remedy}"
    ) as caught:
        store.create("births/1.json", b"{}")
    assert type(caught.value) is kind


def test_an_object_that_could_not_be_deleted_is_an_error(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    errors = [{"Key": "team-a/digits/births/1.json", "Code": "AccessDenied", "Message": "no"}]
    script.add_response("delete_objects", {"Errors": errors})
    with pytest.raises(StoreRefused, match="s3:DeleteObject"):
        store.delete(["births/1.json"])


def test_deletions_go_in_batches_of_a_thousand(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    for start, stop in ((0, 1000), (1000, 1001)):
        objects = [{"Key": f"team-a/digits/births/{number}.json"} for number in range(start, stop)]
        script.add_response("delete_objects", {}, {"Bucket": "bucket", "Delete": {"Objects": objects}})
    store.delete(f"births/{number}.json" for number in range(1001))


def test_objects_that_no_key_can_name_are_not_named(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    listed = ["births/", "births/1.json", "births/a b", "births//x"]
    script.add_response(
        "list_objects_v2", {"Contents": [{"Key": f"team-a/digits/{name}"} for name in listed]}
    )
    assert list(store.names("births/")) == ["births/1.json"]


def test_a_store_without_create_only_writes_is_refused(server: Server, own: "S3Client") -> None:
    def ignore_the_condition(params: dict[str, Any], **_: Any) -> None:
        params["headers"].pop("If-None-Match")

    own.meta.events.register("before-call.s3.PutObject", ignore_the_condition)
    store = S3Store(server.bucket, "bent", client=own)
    with pytest.raises(StoreRefused, match="conditional writes"):
        probe(store)
    assert list(store.names("")) == []


def test_a_missing_bucket_is_named_by_every_call(client: "S3Client", tmp_path: Path) -> None:
    for call in everything(S3Store("no-such-bucket", "digits", client=client), tmp_path):
        with pytest.raises(StoreRefused, match=r"s3://no-such-bucket/digits.*create the bucket"):
            call()


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"aws_secret_access_key": "wrong"}, "correct the secret key"),
        ({"aws_access_key_id": "wrong"}, "correct the access key"),
    ],
)
def test_wrong_credentials_are_named_by_every_call(
    server: Server, tmp_path: Path, wrong: dict[str, str], remedy: str
) -> None:
    client = server.client(**wrong)
    for call in everything(S3Store(server.bucket, "digits", client=client), tmp_path):
        with pytest.raises(StoreRefused, match=remedy):
            call()
    client.close()


def test_a_server_that_is_away_is_told_by_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    client = connect(endpoint_url="http://127.0.0.1:9", aws_access_key_id="a", aws_secret_access_key="b")
    for call in everything(S3Store("bucket", "digits", client=client), tmp_path):
        with pytest.raises(StoreUnavailable, match="Could not connect") as caught:
            call()
        assert type(caught.value) is StoreUnavailable
    client.close()


def test_an_unfinished_upload_below_the_prefix_disappears_and_no_other(
    server: Server, client: "S3Client", s3: S3Store
) -> None:
    base = s3.url.removeprefix(f"s3://{server.bucket}/")
    keys = [f"{base}/checkpoints/00001-000001/1/model", f"{base}/checkpoints/00001-000002/1/model"]
    for key in keys:
        upload = client.create_multipart_upload(Bucket=server.bucket, Key=key)["UploadId"]
        client.upload_part(Bucket=server.bucket, Key=key, PartNumber=1, UploadId=upload, Body=bytes(5 * MIB))
    s3.abandon_uploads("checkpoints/00001-000001/")
    left = [item["Key"] for item in client.list_multipart_uploads(Bucket=server.bucket)["Uploads"]]
    assert [key for key in left if key.startswith(base)] == keys[1:]
    s3.abandon_uploads("")
    assert "Uploads" not in client.list_multipart_uploads(Bucket=server.bucket)


def test_uploads_are_found_by_prefix_where_the_store_can(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub
    key = "team-a/digits/checkpoints/1/model"
    script.add_response(
        "list_multipart_uploads",
        {"Uploads": [{"Key": key, "UploadId": "u1"}, {"Key": key, "UploadId": "u2"}]},
        {"Bucket": "bucket", "Prefix": "team-a/digits/checkpoints/1/"},
    )
    script.add_client_error("abort_multipart_upload", "NoSuchUpload", http_status_code=404)
    script.add_response("abort_multipart_upload", {}, {"Bucket": "bucket", "Key": key, "UploadId": "u2"})
    store.abandon_uploads("checkpoints/1/")


def test_an_interrupted_download_is_no_file(
    s3: S3Store, server: Server, own: "S3Client", tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(1000))
    s3.upload("checkpoints/1/model", source, size=1000)

    class Broken(io.BytesIO):
        def read(self, amount: int | None = -1) -> bytes:
            if self.tell():
                raise ReadTimeoutError(endpoint_url="s3")
            return super().read(10)

    def break_off(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Body"].close()
        parsed["Body"] = StreamingBody(Broken(bytes(1000)), 1000)

    own.meta.events.register("after-call.s3.GetObject", break_off)
    store = S3Store(server.bucket, s3.url.removeprefix(f"s3://{server.bucket}/"), client=own)
    with pytest.raises(StoreUnavailable, match="Read timeout"):
        store.fetch("checkpoints/1/model", File(name="model", size=1000, sha256=""), tmp_path / "fetched")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_a_download_that_breaks_off_goes_on_by_another_request(
    stub: tuple[S3Store, Stubber], tmp_path: Path
) -> None:
    store, script = stub
    place, data = {"Bucket": "bucket", "Key": "team-a/digits/checkpoints/1/model"}, b"0123456789"
    script.add_response(
        "get_object", {"Body": StreamingBody(io.BytesIO(data[:4]), 10), "ContentLength": 10}, place
    )
    script.add_response("get_object", body(data), place)
    file = File(name="model", size=10, sha256=sha256(data))
    assert store.fetch("checkpoints/1/model", file, tmp_path).read_bytes() == data


def test_a_store_that_knows_no_ranges_is_not_taken_at_its_word(
    s3: S3Store, server: Server, own: "S3Client", tmp_path: Path
) -> None:
    data = os.urandom(9 * MIB)
    source = tmp_path / "source"
    source.write_bytes(data)
    s3.upload("checkpoints/1/model", source, size=len(data))

    def forget_range(params: dict[str, Any], **_: Any) -> None:
        params.pop("Range", None)

    own.meta.events.register("provide-client-params.s3.GetObject", forget_range)
    store = S3Store(server.bucket, s3.url.removeprefix(f"s3://{server.bucket}/"), client=own)
    with pytest.raises(CorruptCheckpoint, match="sent more than bytes"):
        store.fetch(
            "checkpoints/1/model", File(name="model", size=len(data), sha256=sha256(data)), tmp_path / "in"
        )
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(("size", "part"), [(MIB, 8), (255 * MIB, 8), (256 * MIB, 64), (2**40, 64)])
def test_large_files_go_in_large_parts(s3: S3Store, size: int, part: int) -> None:
    with s3._transfers(size) as transfers:
        assert transfers.config.multipart_chunksize == part * MIB


def test_a_missing_object_is_not_a_missing_bucket(s3: S3Store, tmp_path: Path) -> None:
    for call in (
        lambda: s3.read("births/1.json"),
        lambda: s3.fetch("births/1.json", FILE, tmp_path / "fetched"),
    ):
        with pytest.raises(NotFound, match=f"{s3.url}/births/1.json"):
            call()


def test_a_purge_takes_all_names_and_unfinished_uploads_of_its_location_and_of_no_other(
    server: Server, client: "S3Client"
) -> None:
    base = f"team-a/{os.urandom(8).hex()}"
    gone = ["births/1.json", "births/a b", "owners/0000001.json", ".hidden", "\u00fc/<&>"]
    kept = [f"{base}-1/births/1.json", f"{base}x", f"{base}.json"]
    for key in (*(f"{base}/{name}" for name in gone), *kept):
        client.put_object(Bucket=server.bucket, Key=key, Body=b"x")
    uploads = [f"{base}/checkpoints/1/model", f"{base}-1/checkpoints/1/model"]
    ids = [client.create_multipart_upload(Bucket=server.bucket, Key=key)["UploadId"] for key in uploads]
    S3Store(server.bucket, base, client=client).purge()
    listed = client.list_objects_v2(Bucket=server.bucket, Prefix=base)["Contents"]
    assert [item["Key"] for item in listed] == sorted(kept)
    left = client.list_multipart_uploads(Bucket=server.bucket).get("Uploads", [])
    assert [item["Key"] for item in left if item["Key"].startswith(base)] == uploads[1:]
    client.abort_multipart_upload(Bucket=server.bucket, Key=uploads[1], UploadId=ids[1])


def test_a_purge_goes_page_by_page_and_takes_the_owners_last(stub: tuple[S3Store, Stubber]) -> None:
    store, script = stub

    def listing(names: list[str], expected: dict[str, str], **more: str) -> None:
        found = [{"Key": f"team-a/digits/{name}"} for name in names]
        script.add_response("list_objects_v2", {"Contents": found, **more}, {"Bucket": "bucket", **expected})

    def deletion(*names: str) -> None:
        objects = [{"Key": f"team-a/digits/{name}"} for name in names]
        script.add_response("delete_objects", {}, {"Bucket": "bucket", "Delete": {"Objects": objects}})

    listing(["births/1.json", "owners/1.json"], {"Prefix": "team-a/digits/"}, NextContinuationToken="t")
    deletion("births/1.json")
    listing(["a b", "specs/1.json"], {"Prefix": "team-a/digits/", "ContinuationToken": "t"})
    deletion("a b", "specs/1.json")
    for _ in range(2):
        script.add_response("list_multipart_uploads", {})
    listing(["owners/1.json"], {"Prefix": "team-a/digits/owners/"})
    deletion("owners/1.json")
    assert store.purge() is False


def test_a_purge_tells_that_old_versions_stay(minio: Server) -> None:
    client = minio.client()
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    store = S3Store("versioned", "team-a/digits", client=client)
    store.create("births/1.json", b"{}")
    assert store.purge() is True
    assert list(store.names("")) == []
    assert store.purge() is False
    client.close()


def test_a_whole_bucket_is_never_purged(server: Server, client: "S3Client", s3: S3Store) -> None:
    s3.create("births/1.json", b"{}")
    with pytest.raises(StoreRefused, match="whole bucket"):
        S3Store(server.bucket, client=client).purge()
    assert list(s3.names("")) == ["births/1.json"]
