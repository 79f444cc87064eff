"""A file to and from a server, ours beside others in turns.

Beside boto3's own transfers, AWS' C client, and plain parallel parts as the fastest tools send them. None of them
verifies the file that it has brought; a fetch of ours compares its SHA-256.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from boto3.session import Session

from bench.sample import Sample
from pbt_contract.records import File
from pbt_contract.stores.s3 import S3Store
from support.s3server import Server

MB = 1 << 20
PART = 8 * MB
THREADS = 8
KEY = "transfers/content"
SENT, FETCHED = "content", "target"


def measured(
    server: Server, folder: Path, *, size: int, rounds: int, crt: Callable[[str], float] | None
) -> Iterator[Sample]:
    """Uploads and downloads of one file by each way, in another order each round, after one that isn't counted.

    Args:
        server: where to.
        folder: for the file and its copies.
        size: of the file, in bytes.
        rounds: of all ways.
        crt: AWS' C client, where there is one: see `bench.crt`.
    """
    content = os.urandom(size)
    path, target = folder / SENT, folder / FETCHED
    path.write_bytes(content)
    file = File(name=FETCHED, size=size, sha256=hashlib.sha256(content).hexdigest())
    with ExitStack() as stack:
        mine, raw, other = (
            stack.enter_context(closing(made)) for made in (server.client(), _plain(server), _plain(server))
        )
        store, bucket = S3Store(server.bucket, "transfers", client=mine), server.bucket
        ups: dict[str, Callable[[], object]] = {
            "ours": lambda: store.upload("content", path, size=size),
            "boto3": lambda: raw.upload_file(str(path), bucket, KEY),
            "parts": lambda: _send_parts(other, bucket, path),
        }
        downs: dict[str, Callable[[], object]] = {
            "ours": lambda: store.fetch("content", file, folder),
            "boto3": lambda: raw.download_file(bucket, KEY, str(target)),
            "parts": lambda: _fetch_parts(other, bucket, target, size),
        }
        if crt is not None:
            ups["crt"], downs["crt"] = partial(crt, "upload"), partial(crt, "download")
        for number in range(-1, rounds):
            for way, ways in (("upload", ups), ("download", downs)):
                first = number % len(ways)
                order = [*ways][first:] + [*ways][:first]
                took = {name: _seconds(ways[name]) for name in order}
                if number >= 0:
                    yield Sample(f"store.{way}", size / MB / took["ours"], "MB/s", better="more")
                    for name in order:
                        if name != "ours":
                            yield Sample(f"store.{way}-to-{name}", took["ours"] / took[name], "ratio")
    assert target.read_bytes() == content


def _plain(server: Server) -> Any:
    """A client with boto3's own settings."""
    session = Session(
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
    )
    return session.client("s3", endpoint_url=server.endpoint)


def _seconds(move: Callable[[], object]) -> float:
    os.sync()  # what the one before has left to be written isn't this one's
    began = time.perf_counter()
    move()
    return time.perf_counter() - began


def _send_parts(client: Any, bucket: str, path: Path) -> None:
    """Plain parallel parts, as fast tools send them."""
    key, content = KEY, path.read_bytes()
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]

    def send(number: int) -> dict[str, Any]:
        body = content[(number - 1) * PART : number * PART]
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    with ThreadPoolExecutor(THREADS) as threads:
        parts = list(threads.map(send, range(1, -(-len(content) // PART) + 1)))
    client.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def _fetch_parts(client: Any, bucket: str, path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)

    def fetch(start: int) -> None:
        wanted = f"bytes={start}-{min(start + PART, size) - 1}"
        answer = client.get_object(Bucket=bucket, Key=KEY, Range=wanted)
        os.pwrite(descriptor, answer["Body"].read(), start)

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(fetch, range(0, size, PART)))
    finally:
        os.close(descriptor)
