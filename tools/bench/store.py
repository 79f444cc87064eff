"""What reports and checkpoints cost in requests, and transfers beside raw clients of the same server.

The requests are those of the real courier and the real journal, counted as boto3 sends them to a MinIO on loopback: the
same in each run. Then files are moved (see `bench.transfers`).
"""

import os
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from bench import crt, peer, transfers
from bench.sample import Remark, Sample
from bench.settings import quick
from pbt_contract.encoding import encode
from pbt_contract.gates import Gate
from pbt_contract.records import Birth, Cause, Report
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records.repository import Repository
from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.courier import Courier
from pbt_trainer.courier.messages import (
    Began,
    Begin,
    Fetched,
    Look,
    Looked,
    Notice,
    Opened,
    Order,
    Upload,
    Uploaded,
)
from support import minio
from support.s3server import Server

NAME = "store"
MB = 1 << 20
SIZES = {"1MB": MB, "100MB": 100 * MB}
TREE = b"{}"
GATE = Gate(number=1, up_to=100, awaits=0, quorum=0, spec=1, decided=0, lead=2)
TRANSFERS = 5
"""By each way and round: single ones differ by what the disk has still to write."""


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """Counts once, transfers in every round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(minio.running(folder))
        yield from counted(server, SIZES)
        move = None
        try:
            move = stack.enter_context(crt.client(server, transfers.KEY, folder))
        except peer.PeerMissing as error:
            yield Remark(f"store: AWS' C client is missing: {error}")
        size, times = (16 * MB, rounds) if quick() else (100 * MB, TRANSFERS * rounds)
        yield from transfers.measured(server, folder, size=size, rounds=times, crt=move)


# counts


class Tally:
    """Counts the requests that a client sends: by operation, and those of them that carry a checkpoint's data."""

    def __init__(self, client: Any) -> None:
        self._lock = threading.Lock()  # transfers send from several threads
        self.operations: Counter[str] = Counter()
        self.data = self.sent = 0
        client.meta.events.register("before-send.s3", self._note)

    def _note(self, request: Any, event_name: str, **_: Any) -> None:
        with self._lock:
            self.operations[event_name.rpartition(".")[2]] += 1
            self.data += "/checkpoints/" in request.url
            self.sent += int(request.headers.get("Content-Length", 0))

    def take(self) -> tuple[Counter[str], int, int]:
        """The operations, how many were for data, and the bytes that were sent, since the last time."""
        with self._lock:
            taken = (self.operations.copy(), self.data, self.sent)
            self.operations.clear()
            self.data = self.sent = 0
            return taken


def counted(server: Server, sizes: Mapping[str, int]) -> Iterator[Sample]:
    """One member that reports, another that goes on from its checkpoint, and the operator that reads the report."""
    for name, size in sizes.items():
        with closing(server.client()) as client, closing(server.client()) as operators:
            trainers, operator = Tally(client), Tally(operators)
            store = S3Store(server.bucket, f"counts/{name}", client=client)
            repository = _repository(S3Store(server.bucket, f"counts/{name}", client=operators))
            repository.write_births([_birth(0)])
            repository.store.create(GATE.key, encode(GATE))
            repository.load()
            control = yield from _reporting(store, trainers, name, size)
            operator.take()
            repository.refresh()
            repository.take_fresh()
            report = repository.history.newest_record(0)
            looked, _, _ = operator.take()
            listed = looked.pop("ListObjectsV2")
            yield _count(f"{name}.operators-lists", listed)
            yield from _by_operation(f"{name}.operator", looked)
            yield _count(f"{name}.control-requests", control + looked.total())
            repository.write_births([_birth(1, report)])
            yield from _fetching(store, trainers, name)


def _reporting(store: S3Store, tally: Tally, name: str, size: int) -> Generator[Sample, None, int]:
    """A member's first report; returns how many of its requests carried no data."""
    with _life(store, member=0) as channel:
        _begun(channel)
        yield from _by_operation(f"{name}.start", tally.take()[0])
        descriptors = [_memory(os.urandom(size)), _memory(TREE)]
        try:
            sizes = {"state.safetensors": size, "state.json": len(TREE)}
            channel.send(Upload(report=_report(), sizes=sizes, spool=None), descriptors)
            _hear(channel, Uploaded)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        made, data, sent = tally.take()
        yield from _by_operation(f"{name}.report", made)
        yield Sample(f"store.{name}.bytes-besides-files", sent - size - len(TREE), "bytes")
        channel.send(Look())
        _hear(channel, Looked)
        yield from _by_operation(f"{name}.look", tally.take()[0])
    return made.total() - data


def _fetching(store: S3Store, tally: Tally, name: str) -> Iterator[Sample]:
    tally.take()
    with _life(store, member=1) as channel:
        assert _begun(channel).report is not None
    made, data, _ = tally.take()
    # In how many a library fetches a file is its own business: whether it asks for the size first, say.
    yield Sample(f"store.{name}.fetch.data", data, "requests")
    yield _count(f"{name}.fetch.control", made.total() - data)


def _by_operation(name: str, made: Mapping[str, int]) -> Iterator[Sample]:
    for operation, count in sorted(made.items()):
        yield _count(f"{name}.{operation}", count)


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


def _begun(channel: Channel[Notice]) -> Fetched:
    """How far the member may go becomes known beside the rest."""
    _hear(channel, Began)
    heard = {type(notice): notice for notice in (_hear(channel, Fetched | Opened) for _ in range(2))}
    fetched = heard[Fetched]
    assert isinstance(fetched, Fetched)
    return fetched


def _hear(channel: Channel[Notice], kind: Any) -> Any:
    notice = channel.receive(120.0)
    assert isinstance(notice, kind), notice
    return notice


def _memory(content: bytes) -> int:
    descriptor = os.memfd_create("bench")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    return descriptor


def _repository(store: S3Store) -> Repository:
    def refused(key: str, why: str) -> None:
        raise AssertionError(f"{key}: {why}")

    return Repository(store, interval_steps=10, on_refused=refused)


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
