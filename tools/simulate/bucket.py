"""An S3 bucket in memory, as boto3's client shows it: the real `S3Store` runs over it, with S3's many failures."""

import hashlib
import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)

from pbt_contract import keys
from simulate.weather import Weather
from simulate.world import World

BUCKET = "experiments"
PAGE = 1000

R = TypeVar("R")


class Bucket:
    """The objects, and the operations that the store uses.

    Attributes:
        written: a hash of all that was ever written, in its order.
        on_write: called with each key, its bytes and what was there before, at the moment of the write.
        on_delete: called with each key that is deleted and was there.
    """

    def __init__(self, world: World, weather: Weather) -> None:
        self.objects: dict[str, bytes] = {}
        self.on_write: Callable[[str, bytes, bytes | None], None] = lambda *_: None
        self.written = hashlib.sha256()
        self.on_delete: Callable[[str], None] = lambda _: None
        self._names: list[str] = []
        self._world, self._weather = world, weather
        self._random = world.chance("bucket")

    # boto3's client, as far as it is used

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str | None = None) -> None:
        def put() -> None:
            if IfNoneMatch and Key in self.objects:
                raise _error("PreconditionFailed", "PutObject")
            self.put(Key, Body)

        if IfNoneMatch and self._weather.strikes("store conflict"):
            raise _error("ConditionalRequestConflict", "PutObject")
        self._request(f"PutObject {Key}", put)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        def get() -> bytes:
            if Key not in self.objects:
                raise _error("NoSuchKey", "GetObject")
            return self.objects[Key]

        data = self._request(f"GetObject {Key}", get)
        if f"/{keys.PIECES}" in Key and self._weather.strikes("a piece is spoilt"):
            data = re.sub(rb'(?<=rate":0\.)[0-9]', lambda digit: b"%d" % (9 - int(digit[0])), data)
        return {"ContentLength": len(data), "Body": _Body(data, cut=self._weather.strikes("store cuts body"))}

    def list_objects_v2(
        self, *, Bucket: str, Prefix: str, StartAfter: str = "", ContinuationToken: str = ""
    ) -> dict[str, Any]:
        def page() -> dict[str, Any]:
            found = list(self._below(Prefix, max(StartAfter, ContinuationToken)))
            return {
                "Contents": [{"Key": key} for key in found[:PAGE]],
                **({"NextContinuationToken": found[PAGE - 1]} if len(found) > PAGE else {}),
            }

        return self._request(f"ListObjectsV2 {Prefix}", page)

    def delete_objects(self, *, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        def delete() -> dict[str, Any]:
            for item in Delete["Objects"]:
                self._remove(item["Key"])
            return {}

        keys = [item["Key"] for item in Delete["Objects"]]
        return self._request(f"DeleteObjects {keys}", delete)

    def get_paginator(self, operation: str) -> "_Pages":
        if operation == "list_multipart_uploads":  # uploads here are whole or not at all
            return _Pages(lambda **_: self._request("ListMultipartUploads", lambda: {"Uploads": []}))
        return _Pages(lambda **options: self._request("ListObjectsV2", lambda: self._folders(**options)))

    def list_multipart_uploads(self, *, Bucket: str) -> dict[str, Any]:
        return self._request("ListMultipartUploads", lambda: {"Uploads": []})

    # what there is

    def put(self, key: str, data: bytes) -> None:
        """Writes, whatever was there."""
        before = self.objects.get(key)
        if before is None:
            insort(self._names, key)
        self.objects[key] = data
        self.written.update(key.encode() + b"\0" + data)
        self.on_write(key, data, before)

    def has(self, prefix: str) -> bool:
        """Whether there is a key that begins so."""
        return next(self._below(prefix, ""), None) is not None

    def _remove(self, key: str) -> None:
        if self.objects.pop(key, None) is not None:
            del self._names[bisect_left(self._names, key)]
            self.on_delete(key)

    def _below(self, prefix: str, after: str) -> Iterator[str]:
        start = bisect_right(self._names, after) if after >= prefix else bisect_left(self._names, prefix)
        for index in range(start, len(self._names)):
            if not self._names[index].startswith(prefix):
                return
            yield self._names[index]

    def _folders(self, *, Bucket: str, Prefix: str, Delimiter: str) -> dict[str, Any]:
        rests = {key[len(Prefix) :].split(Delimiter)[0] for key in self._below(Prefix, "")}
        return {"CommonPrefixes": [{"Prefix": Prefix + rest + Delimiter} for rest in sorted(rests)]}

    def _request(self, operation: str, effect: Callable[[], R]) -> R:
        self._world.sleep(self._weather.latency("store"))
        self._weather.strike_process()
        if self._weather.is_down("store") or self._weather.strikes("store fails"):
            failure = self._failure(operation.split(maxsplit=1)[0])
            self._world.tell(f"{operation}: {failure}")
            raise failure
        try:
            result = effect()
        except ClientError as error:
            self._world.tell(f"{operation}: {error.response['Error']['Code']}")
            raise
        self._world.tell(operation)
        self._weather.strike_process()
        if self._weather.strikes("store answer lost"):
            raise ReadTimeoutError(endpoint_url="http://store")
        return result

    def _failure(self, operation: str) -> Exception:
        failures = [
            _error("SlowDown", operation),
            _error("InternalError", operation),
            EndpointConnectionError(endpoint_url="http://store"),
            ConnectTimeoutError(endpoint_url="http://store"),
        ]
        return self._random.choice(failures)


class _Pages:
    def __init__(self, page: Callable[..., dict[str, Any]]) -> None:
        self._page = page

    def paginate(self, **options: Any) -> Iterator[dict[str, Any]]:
        yield self._page(**options)


class _Body:
    """A response whose connection may break before its end."""

    def __init__(self, data: bytes, *, cut: bool) -> None:
        self._data, self._cut = data, cut

    def read(self) -> bytes:
        if self._cut:
            raise IncompleteReadError(actual_bytes=len(self._data) // 2, expected_bytes=len(self._data))
        return self._data

    def close(self) -> None:
        pass


def _error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)
