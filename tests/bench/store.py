"""What reports and checkpoints cost in requests, and transfers beside raw clients of the same server.

The requests are those of the real courier and the real journal, counted as boto3 sends them to a MinIO on loopback: the
same in each run. Transfers are compared in turns with boto3's own and with plain parallel parts, neither of which sums
what it has moved; a fetch of ours verifies SHA-256.
"""

import hashlib
import os
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bench.sample import Remark, Sample
from bench.settings import quick
from pbt_operator.journal import Journal
from pbt_trainer.courier import Courier
from pbt_trainer.messages import (
    Began,
    Begin,
    Channel,
    Fetched,
    Look,
    Looked,
    Notice,
    Order,
    Upload,
    Uploaded,
)
from pbt_trainer.records import Birth, Cause, File, Report
from pbt_trainer.stores.s3 import S3Store
from support import minio
from support.s3server import Server

NAME = "store"
MB = 1 << 20
SIZES = {"1MB": MB, "100MB": 100 * MB}
PART = 8 * MB
THREADS = 8
TREE = b"{}"


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """Counts once, transfers in every round."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, minio.running(Path(folder, "s3")) as server:
        yield from counted(server, SIZES)
        yield Remark("store: the CRT client (awscrt) isn't installed, and not compared")
        size = 16 * MB if quick() else 100 * MB
        for _ in range(rounds):
            yield from _transfers(server, Path(folder), size)


# counts


class Tally:
    """Counts the requests that a client sends, by operation and by the kind of record that they are for."""

    def __init__(self, client: Any) -> None:
        self.operations: Counter[str] = Counter()
        self.records: Counter[str] = Counter()
        self.sent = 0
        client.meta.events.register("before-send.s3", self._note)

    def _note(self, request: Any, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        self.operations[operation] += 1
        self.sent += int(request.headers.get("Content-Length", 0))
        if "/reports/" in request.url and "list-type" not in request.url:
            self.records[operation] += 1

    @property
    def total(self) -> int:
        """Of all kinds."""
        return self.operations.total()

    def forget(self) -> None:
        """Begins anew."""
        self.operations.clear()
        self.records.clear()
        self.sent = 0


def counted(server: Server, sizes: Mapping[str, int]) -> Iterator[Sample]:
    """One member that reports, another that goes on from its checkpoint, and the operator that reads the report."""
    for name, size in sizes.items():
        with closing(server.client()) as client, closing(server.client()) as operators:
            trainers, operator = Tally(client), Tally(operators)
            store = S3Store(server.bucket, f"counts/{name}", client=client)
            journal = _journal(S3Store(server.bucket, f"counts/{name}", client=operators))
            journal.write_birth(_birth(0))
            journal.load()
            report = yield from _reporting(store, trainers, name, size)
            operator.forget()
            journal.refresh()
            assert [known.key for known in journal.take_fresh()] == [report.key]
            reads, lists = operator.records["GetObject"], operator.operations["ListObjectsV2"]
            yield _count(f"{name}.operators-reads", reads)
            yield _count(f"{name}.operators-lists", lists)
            yield _count(f"{name}.control-requests", reads + trainers.records["PutObject"])
            stored = journal.history.record(0, report.key)
            assert stored is not None
            journal.write_birth(_birth(1, stored))
            yield from _fetching(store, trainers, name)


def _reporting(store: S3Store, tally: Tally, name: str, size: int) -> Iterator[Sample]:
    with _life(store, member=0) as channel:
        _hear(channel, Began)
        _hear(channel, Fetched)
        yield _count(f"{name}.start", tally.total)
        tally.forget()
        report = _report()
        descriptors = [_memory(os.urandom(size)), _memory(TREE)]
        try:
            sizes = {"state.safetensors": size, "state.json": len(TREE)}
            channel.send(Upload(report=report, sizes=sizes, spool=None), descriptors)
            _hear(channel, Uploaded)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        yield _count(f"{name}.report-and-checkpoint", tally.total)
        yield Sample(f"store.{name}.bytes-besides-files", tally.sent - size - len(TREE), "bytes")
        tally.operations.clear()
        channel.send(Look())
        _hear(channel, Looked)
        yield _count(f"{name}.look-for-a-successor", tally.total)
    return report


def _fetching(store: S3Store, tally: Tally, name: str) -> Iterator[Sample]:
    tally.forget()
    with _life(store, member=1) as channel:
        _hear(channel, Began)
        assert _hear(channel, Fetched).report is not None
    yield _count(f"{name}.start-from-a-checkpoint", tally.total)


@contextmanager
def _life(store: S3Store, *, member: int) -> Iterator[Channel[Notice]]:
    """The courier of one member, and the trainer's end of its socket."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        begin = Begin(
            location=store.url,
            member=member,
            incarnation=1,
            pod=f"pod-{member}",
            nonce="nonce",
            folder=folder,
            leads=True,
            watch=False,
            shares=False,
            poll_seconds=1.0,
            patience_seconds=60.0,
        )
        courier = Courier(Channel(theirs, Order), begin, store=store)
        thread = threading.Thread(target=courier.serve)
        thread.start()
        channel: Channel[Notice] = Channel(ours, Notice)
        try:
            yield channel
        finally:
            channel.close()
            thread.join()
            theirs.close()


def _hear(channel: Channel[Notice], kind: type[Any]) -> Any:
    notice = channel.receive(120.0)
    assert isinstance(notice, kind), notice
    return notice


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("bench")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def _journal(store: S3Store) -> Journal:
    def refused(key: str, why: str) -> None:
        raise AssertionError(f"{key}: {why}")

    return Journal(store, interval_steps=10, metric="score", on_refused=refused)


def _birth(member: int, source: Report | None = None) -> Birth:
    return Birth(
        member=member,
        incarnation=1,
        cause=Cause.INITIAL if source is None else Cause.SCALE,
        hyperparameters={"lr": 0.1},
        start_step=0 if source is None else source.step,
        source=None if source is None else source.source,
        reason="measured",
    )


def _report() -> Report:
    return Report(
        member=0,
        incarnation=1,
        step=10,
        round=1,
        metrics={"score": 0.5},
        hyperparameters={"lr": 0.1},
        effective={},
        checkpoint="",
        files=[],
        seconds=1.0,
        notes=[],
    )


def _count(name: str, count: int) -> Sample:
    return Sample(f"store.{name}", count, "requests", exact=True)


# transfers


def _transfers(server: Server, folder: Path, size: int) -> Iterator[Sample]:
    content = os.urandom(size)
    path, target = folder / "content", folder / "target"
    path.write_bytes(content)
    with closing(server.client()) as client, closing(server.client()) as raw:
        store, bucket = S3Store(server.bucket, "transfers", client=client), server.bucket
        file = File(name="target", size=size, sha256=hashlib.sha256(content).hexdigest())
        ups: dict[str, Callable[[], object]] = {
            "ours": lambda: store.upload("content", path, size=size),
            "boto3": lambda: raw.upload_file(str(path), bucket, "transfers/content"),
            "parts": lambda: _send_parts(raw, bucket, path),
        }
        downs: dict[str, Callable[[], object]] = {
            "ours": lambda: store.fetch("content", file, folder),
            "boto3": lambda: raw.download_file(bucket, "transfers/content", str(target)),
            "parts": lambda: _fetch_parts(raw, bucket, target, size),
        }
        for way, ways in (("upload", ups), ("download", downs)):
            took = {name: _seconds(move) for name, move in ways.items()}
            yield Sample(f"store.{way}", size / MB / took["ours"], "MB/s", better="more")
            for peer in ("boto3", "parts"):
                yield Sample(f"store.{way}-to-{peer}", took["ours"] / took[peer], "ratio")
    assert target.read_bytes() == content


def _seconds(move: Callable[[], object]) -> float:
    began = time.perf_counter()
    move()
    return time.perf_counter() - began


def _send_parts(client: Any, bucket: str, path: Path) -> None:
    """Plain parallel parts, as fast tools send them."""
    key, content = "transfers/content", path.read_bytes()
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
        answer = client.get_object(Bucket=bucket, Key="transfers/content", Range=wanted)
        os.pwrite(descriptor, answer["Body"].read(), start)

    try:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(fetch, range(0, size, PART)))
    finally:
        os.close(descriptor)
