"""A courier in this process, and a test in the place of its trainer."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import decode_report, encode
from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Birth, Cause, Report
from pbt_contract.yields import LifeName, Yield
from pbt_trainer.courier import arrival, retry
from pbt_trainer.courier.channel import Channel
from pbt_trainer.courier.courier import Courier
from pbt_trainer.courier.messages import Began, Begin, Fetched, Notice, Opened, Order, Upload
from simulation.memory_store import MemoryStore


class Flaky(MemoryStore):
    """Does each thing only after it has failed to `failures` times."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0
        self.error: type[StoreUnavailable] = StoreUnavailable
        self.tried = threading.Event()

    def _fail(self) -> None:
        self.tried.set()
        if self.failures:
            self.failures -= 1
            raise self.error("the network is down")

    def create(self, key: str, data: bytes) -> bytes:
        self._fail()
        return super().create(key, data)

    def read(self, key: str) -> bytes:
        self._fail()
        return super().read(key)

    def upload(self, key: str, path: Path, *, size: int) -> None:
        self._fail()
        super().upload(key, path, size=size)


class Conversation:
    """A test in the place of the trainer."""

    def __init__(self, store: MemoryStore, folder: Path, **given: Any) -> None:
        ours, theirs = socket.socketpair()
        begin = Begin(
            **{
                "location": "memory:",
                "member": 0,
                "incarnation": 1,
                "pod": "pod",
                "nonce": "nonce",
                "folder": str(folder),
                "leads": True,
                "watch": False,
                "shares": False,
                "poll_seconds": 0.01,
                "patience_seconds": 60.0,
                **given,
            }
        )
        self.channel: Channel[Notice] = Channel(ours, Notice)
        self._knows_bound = False
        self._theirs: Channel[Order] = Channel(theirs, Order)
        courier = Courier(self._theirs, begin, store=store)
        self._thread = threading.Thread(target=courier.serve)
        self._thread.start()

    def hear(self, kind: type[Any]) -> Any:
        """The next notice, which is of this kind. How far it may go is told at any time."""
        notice = self.channel.receive(60.0)
        while isinstance(notice, Opened) and kind is not Opened:
            self._knows_bound = True
            notice = self.channel.receive(60.0)
        assert isinstance(notice, kind), notice
        return notice

    def hear_bound(self) -> None:
        """Waits until it was told how far it may go."""
        if not self._knows_bound:
            self.hear(Opened)
            self._knows_bound = True

    def upload(self, report: Report, **contents: bytes) -> None:
        descriptors = [os.memfd_create(name) for name in contents]
        for descriptor, content in zip(descriptors, contents.values(), strict=True):
            os.write(descriptor, content)
        sizes = {name: len(content) for name, content in contents.items()}
        self.channel.send(Upload(report=report, sizes=sizes, spool=None), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def close(self) -> None:
        self.channel.close()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._theirs.close()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(arrival, "SETTLING_SECONDS", 0.01)
    found = Flaky()
    born(found)
    return found


@pytest.fixture
def talk(store: Flaky, tmp_path: Path) -> Iterator[Callable[..., Conversation]]:
    opened = []

    def open_conversation(**given: Any) -> Conversation:
        opened.append(Conversation(store, tmp_path, **given))
        return opened[-1]

    yield open_conversation
    for conversation in opened:
        conversation.close()


def born(store: MemoryStore, incarnation: int = 1, cause: Cause = Cause.INITIAL, **given: Any) -> Birth:
    record = Birth(
        member=0, incarnation=incarnation, cause=cause, hyperparameters={}, reason="a test", **given
    )
    store.put(keys.birth(0, incarnation), encode(record))
    return record


def report(step: int = 4, incarnation: int = 1) -> Report:
    return Report(
        member=0,
        incarnation=incarnation,
        step=step,
        round=step // 4,
        metrics={},
        hyperparameters={},
        checkpoint="",
        files=[],
    )


def stored_report(store: MemoryStore, step: int = 4) -> Report:
    key = keys.report(step // 4, 0, 1)
    return decode_report(store.read(key), key=key)


def begun(conversation: Conversation) -> Birth:
    birth: Birth = conversation.hear(Began).birth
    conversation.hear(Fetched)
    return birth


def asked(store: MemoryStore, *, member: int = 7, number: int = 1) -> None:
    """The process of member 0 is asked, the so-many-th time, to go on as another one, which starts from scratch."""
    birth = Birth(member=member, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="")
    store.put(keys.birth(member, 1), encode(birth))
    told = number if number > 1 else UNSET
    record = Yield(member=0, incarnation=1, to=LifeName(member=member, incarnation=1), number=told)
    store.put(record.key, encode(record))
