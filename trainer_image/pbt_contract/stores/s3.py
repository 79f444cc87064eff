"""A store in S3, or in what speaks its protocol: records by `If-None-Match: *`, files in parallel parts."""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast
from urllib.parse import SplitResult

from pbt_contract import keys
from pbt_contract.errors import KeyRefused, NotFound, StoreRefused, StoreUnavailable
from pbt_contract.key_rules import check_key, check_prefix, is_key
from pbt_contract.records import File
from pbt_contract.stores.parts import AT_ONCE, part_size
from pbt_contract.stores.s3_client import connect
from pbt_contract.stores.verify import destination, verify_record_size, verify_source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.futures import TransferFuture
    from s3transfer.manager import TransferManager
    from s3transfer.subscribers import BaseSubscriber

_CREATE_ATTEMPTS = 8
_DELETE_BATCH = 1000  # what one DeleteObjects takes

F = TypeVar("F", bound=Callable[..., Any])


def _translated(method: F) -> F:
    """Raises the store's own errors; repeats a call whose credentials may have been rotated meanwhile."""

    @wraps(method)
    def call(self: "S3Store", key: str, *args: Any, **kwargs: Any) -> Any:
        from pbt_contract.stores import s3_errors

        client = self._client
        try:
            return method(self, key, *args, **kwargs)
        except s3_errors.FAILURES as error:
            if not s3_errors.stale(error):
                raise s3_errors.explained(error, f"{self.url}/{key}") from error
            self._forget(client)
        try:
            return method(self, key, *args, **kwargs)
        except s3_errors.FAILURES as error:
            raise s3_errors.explained(error, f"{self.url}/{key}") from error

    return cast("F", call)


class S3Store:
    """Keys below one prefix of one bucket."""

    def __init__(self, bucket: str, prefix: str = "", *, client: "S3Client | None" = None) -> None:
        """Opens a location; nothing is asked of the server yet.

        Args:
            bucket: its name.
            prefix: the location in it, without slashes around it; the whole bucket if empty.
            client: by default one of `connect`, made at the first request.

        Raises:
            StoreRefused: the prefix isn't made of plain names.
        """
        self._url = f"s3://{bucket}/{prefix}".rstrip("/")
        try:
            self._base = f"{check_key(prefix)}/" if prefix else ""
        except KeyRefused as error:
            raise StoreRefused(f"{self._url} is no location: {error}") from error
        self._bucket = bucket
        self._given = client
        self._made: S3Client | None = None
        self._lock = Lock()

    @classmethod
    def at(cls, parts: SplitResult) -> Self | None:
        """Opens `s3://BUCKET/PREFIX` by the environment's settings; None where the URL has another form.

        Raises:
            StoreRefused: the prefix isn't made of plain names.
        """
        if not parts.netloc or parts.query or parts.fragment:
            return None
        return cls(parts.netloc, parts.path.strip("/"))

    @property
    def url(self) -> str:
        """`s3://BUCKET/PREFIX`."""
        return self._url

    @_translated
    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        from botocore.exceptions import ClientError

        from pbt_contract.stores import s3_errors

        verify_record_size(len(data), key=check_key(key))
        name = self._base + key
        for attempt in range(_CREATE_ATTEMPTS):
            try:
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*")
            except ClientError as error:
                if s3_errors.taken(error):
                    with suppress(NotFound):  # deleted since: write it again
                        return self.read(key)
                elif not s3_errors.conflict(error):
                    raise
            else:
                return data
            time.sleep(random.uniform(0, 0.05 * 2**attempt))
        raise StoreUnavailable(f"{self._url}/{key}: others kept writing it at the same time")

    @_translated
    def read(self, key: str) -> bytes:
        """See `Store.read`."""
        answer = self._client.get_object(Bucket=self._bucket, Key=self._base + check_key(key))
        with closing(answer["Body"]) as body:
            verify_record_size(answer["ContentLength"], key=key)
            return body.read()

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        """See `Store.names`. Objects that no key can name are left out."""
        return self._pages(check_prefix(prefix), start_after)

    @_translated
    def folders(self, beginning: str) -> list[str]:
        """See `Store.folders`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._base + beginning, Delimiter="/"
        )
        found = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        return [name.removeprefix(self._base).removesuffix("/") for name in found]

    @_translated
    def upload(self, key: str, path: Path, *, size: int) -> None:
        """See `Store.upload`. The parts are read from the file as they are sent, not held in memory."""
        verify_source(path, size, key=check_key(key))
        if size < part_size(size):  # one request: not worth a pool of threads
            with path.open("rb") as file:
                self._client.put_object(Bucket=self._bucket, Key=self._base + key, Body=file.read(size))
            return
        with self._transfers(size) as transfers:
            transfers.upload(str(path), self._bucket, self._base + key, subscribers=[_sized(size)]).result()

    @_translated
    def fetch(self, key: str, file: File, folder: Path) -> Path:
        """See `Store.fetch`."""
        from pbt_contract.stores.s3_download import download

        name, path = self._base + check_key(key), destination(folder, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        download(self._client, self._bucket, name, file, path, key=key)
        return path

    def delete(self, doomed: Iterable[str]) -> None:
        """See `Store.delete`."""
        checked = [check_key(key) for key in doomed]
        for start in range(0, len(checked), _DELETE_BATCH):
            batch = checked[start : start + _DELETE_BATCH]
            self._delete(batch[0], batch)

    def abandon_uploads(self, prefix: str) -> None:
        """See `Store.abandon_uploads`."""
        self._abandon(check_prefix(prefix))

    def purge(self) -> bool:
        """See `Store.purge`.

        Raises:
            StoreRefused: the location is the whole bucket.
        """
        if not self._base:
            raise StoreRefused(f"{self._url} is a whole bucket, which is no population's to delete")
        versioned = self._sweep("", spared=keys.OWNERS)
        self.abandon_uploads("")
        return self._sweep(keys.OWNERS) or versioned

    def _sweep(self, prefix: str, *, spared: str | None = None) -> bool:
        """Deletes all below `prefix` but what is `spared`, page by page; tells whether old versions stay."""
        position: dict[str, Any] = {}
        versioned = False
        while True:
            found, token = self._page(prefix, position)
            doomed = [key for key in found if spared is None or not key.startswith(spared)]
            if doomed:
                versioned |= self._delete(doomed[0], doomed)
            if not token:
                return versioned
            position = {"ContinuationToken": token}

    @property
    def _client(self) -> "S3Client":
        with self._lock:
            if self._given is not None:
                return self._given
            if self._made is None:
                self._made = connect()
            return self._made

    def _forget(self, client: "S3Client") -> None:
        """A new client finds newer credentials, also those that boto3 doesn't refresh by itself."""
        with self._lock:
            if self._made is client:
                self._made = None

    def _pages(self, prefix: str, start_after: str) -> Iterator[str]:
        position = {"StartAfter": self._base + start_after} if start_after else {}
        while True:
            found, token = self._page(prefix, position)
            yield from filter(is_key, found)
            if not token:
                return
            position = {"ContinuationToken": token}

    @_translated
    def _page(self, prefix: str, position: dict[str, Any]) -> tuple[list[str], str]:
        """The next 1,000 keys or fewer, and the token of the page after them; empty at the end."""
        page = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._base + prefix, **position)
        found = [item["Key"].removeprefix(self._base) for item in page.get("Contents", [])]
        return found, page.get("NextContinuationToken", "")

    @_translated
    def _delete(self, _: str, batch: list[str]) -> bool:
        """Deletes up to 1,000 keys; tells whether the bucket is versioned, so that they only seem to be gone."""
        from botocore.exceptions import ClientError

        objects = [{"Key": self._base + key} for key in batch]
        answer = self._client.delete_objects(Bucket=self._bucket, Delete=cast("Any", {"Objects": objects}))
        for error in answer.get("Errors", []):
            raise ClientError(cast("Any", {"Error": error}), "DeleteObjects")
        return any(item.get("DeleteMarker", False) for item in answer.get("Deleted", []))

    @_translated
    def _abandon(self, prefix: str) -> None:
        bucket, below = self._bucket, self._base + prefix
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=below)
        found = [upload for page in pages for upload in page.get("Uploads", [])]
        if not found:  # MinIO knows no prefixes here, only whole keys; without one it lists all that it has
            found = self._client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        for upload in found:
            key, upload_id = upload["Key"], upload["UploadId"]
            if key.startswith(below):
                with suppress(self._client.exceptions.NoSuchUpload):
                    self._client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)

    def _transfers(self, size: int) -> "TransferManager":
        """Sends one file of `size` bytes."""
        from s3transfer.manager import TransferConfig, TransferManager

        part = part_size(size)
        config = TransferConfig(
            multipart_threshold=part,
            multipart_chunksize=part,
            max_request_concurrency=AT_ONCE,
        )
        return TransferManager(self._client, config)


def _sized(size: int) -> "BaseSubscriber":
    """Tells a transfer how much of the file to send, which it otherwise finds out by itself."""
    from s3transfer.subscribers import BaseSubscriber

    class Sized(BaseSubscriber):
        def on_queued(self, future: "TransferFuture", **_: Any) -> None:
            future.meta.provide_transfer_size(size)

    return Sized()
