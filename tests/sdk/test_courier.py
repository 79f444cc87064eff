"""The courier: its conversation with the trainer over a socket, and what becomes of one when the other dies."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pbt_trainer import ExitCode, keys, pace, patience
from pbt_trainer.courier import Courier
from pbt_trainer.errors import StoreRefused, StoreUnavailable
from pbt_trainer.messages import (
    Began,
    Begin,
    Channel,
    Failed,
    Fetched,
    Look,
    Looked,
    Notice,
    Offer,
    Order,
    Replaced,
    Take,
    Taken,
    Unclaimed,
    Upload,
    Uploaded,
)
from pbt_trainer.records import (
    MAX_RECORD_BYTES,
    Birth,
    Cause,
    Life,
    Report,
    Yield,
    decode_report,
    encode,
    sha256,
)
from pbt_trainer.stores.memory import MemoryStore
from sdk.population import Population, is_gone, until


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
        self._theirs: Channel[Order] = Channel(theirs, Order)
        courier = Courier(self._theirs, begin, store=store)
        self._thread = threading.Thread(target=courier.serve)
        self._thread.start()

    def hear(self, kind: type[Any]) -> Any:
        notice = self.channel.receive(60.0)
        assert isinstance(notice, kind), notice
        return notice

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
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)
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


def test_memory_files_become_a_checkpoint_and_then_its_record(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk()
    begun(conversation)
    contents = {"state.json": b"{}", "empty": b""}
    conversation.upload(report(), **contents)
    assert conversation.hear(Uploaded).record == report().key
    record = stored_report(store)
    assert {file.name: (file.size, file.sha256) for file in record.files} == {
        name: (len(content), sha256(content)) for name, content in contents.items()
    }
    assert store.read(record.checkpoint + "state.json") == b"{}"


def test_a_store_that_comes_back_gets_everything(store: Flaky, talk: Callable[..., Conversation]) -> None:
    store.failures = 3
    conversation = talk()
    begun(conversation)
    store.failures = 3
    conversation.upload(report(), **{"state.json": b"{}"})
    conversation.hear(Uploaded)
    assert stored_report(store).files[0].name == "state.json"


def test_a_store_that_stays_away_for_long_is_given_up(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(patience_seconds=0.1)
    begun(conversation)
    store.failures = 10**9
    conversation.upload(report())
    assert conversation.hear(Failed) == Failed(error="StoreUnavailable", message="the network is down")


def test_a_refusal_ends_the_start_at_once_but_not_a_later_upload(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    store.error, store.failures = StoreRefused, 1
    assert talk().hear(Failed).error == "StoreRefused"
    conversation = talk()
    begun(conversation)
    store.failures = 2
    conversation.upload(report())
    conversation.hear(Uploaded)


def test_a_record_of_another_process_is_never_replaced(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk()
    begun(conversation)
    store.put(report().key, b"theirs")
    conversation.upload(report())
    assert "already reported by another process" in conversation.hear(Unclaimed).reason
    assert store.read(report().key) == b"theirs"


def test_a_record_that_is_too_large_is_the_scripts_fault(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk()
    begun(conversation)
    conversation.upload(replace(report(), notes=["x" * MAX_RECORD_BYTES]))
    assert conversation.hear(Failed).error == "RecordRefused"


def test_a_lost_claim_is_told(store: Flaky, talk: Callable[..., Conversation]) -> None:
    begun(talk(pod="faster", nonce="theirs"))
    assert "pod faster" in talk().hear(Unclaimed).reason


def test_a_birth_that_was_replaced_and_lost_its_checkpoint_is_left(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    gone = report().source
    born(store, 2, Cause.EXPLOIT, source=gone, start_step=4)
    conversation = talk(incarnation=2)
    conversation.hear(Began)
    assert conversation.hear(Failed).error == "NotFound"
    born(store, 3, Cause.EXPLOIT)
    conversation = talk(incarnation=2)
    conversation.hear(Began)
    assert "incarnation 3 was born" in conversation.hear(Unclaimed).reason


def test_another_rank_waits_for_the_claim_of_its_pod(store: Flaky, talk: Callable[..., Conversation]) -> None:
    rank = talk(leads=False, nonce="rank 1")
    until(store.tried.is_set)
    begun(talk())
    begun(rank)


def test_after_a_report_it_looks_so_often_and_not_after_a_save(
    store: Flaky, talk: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "QUICK_SECONDS", 0.001)
    looked, enough = [], threading.Event()

    def read(key: str) -> bytes:
        if key == keys.birth(0, 2):
            looked.append(key)
            if len(looked) == pace.QUICK_LOOKS:
                enough.set()
        return MemoryStore.read(store, key)

    monkeypatch.setattr(store, "read", read)
    conversation = talk(watch=True, poll_seconds=3600.0)
    begun(conversation)
    conversation.upload(replace(report(step=2), round=None))
    conversation.hear(Uploaded)
    assert looked == []
    conversation.upload(report())
    conversation.hear(Uploaded)
    assert enough.wait(60)
    conversation.upload(report(step=8))  # costs as many again, and both together no more
    conversation.hear(Uploaded)
    until(lambda: len(looked) >= 2 * pace.QUICK_LOOKS)
    assert len(looked) == 2 * pace.QUICK_LOOKS


def test_a_look_tells_of_a_successor(store: Flaky, talk: Callable[..., Conversation]) -> None:
    conversation = talk()
    begun(conversation)
    conversation.channel.send(Look())
    assert conversation.hear(Looked).successor is None
    successor = born(store, 2, Cause.EXPLOIT)
    conversation.channel.send(Look())
    assert conversation.hear(Looked).successor == successor


def test_a_takeover_is_offered_with_its_checkpoint_and_then_taken(
    store: Flaky, talk: Callable[..., Conversation], tmp_path: Path
) -> None:
    donor = talk()
    begun(donor)
    donor.upload(report(), **{"state.json": b"the donor's"})
    donor.hear(Uploaded)
    store.put(
        keys.birth(7, 1),
        encode(Birth(member=7, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="")),
    )
    conversation = talk(member=7, watch=True)
    begun(conversation)
    source = stored_report(store)
    for incarnation in (2, 3):  # and the next one likewise
        birth = Birth(
            member=7,
            incarnation=incarnation,
            cause=Cause.EXPLOIT,
            hyperparameters={},
            source=source.source,
            reason="",
        )
        store.put(keys.birth(7, incarnation), encode(birth))
        offer: Offer = conversation.hear(Offer)
        assert (offer.birth, offer.report) == (birth, source)
        assert offer.folder == str(tmp_path / keys.life(7, incarnation))
        assert Path(offer.folder, "state.json").read_bytes() == b"the donor's"
        conversation.channel.send(Take(member=7, incarnation=incarnation))
        assert conversation.hear(Taken).won
        assert keys.claim(7, incarnation) in list(store.names(keys.CLAIMS))


def test_a_takeover_that_somebody_else_has_is_lost(store: Flaky, talk: Callable[..., Conversation]) -> None:
    conversation = talk(watch=True)
    begun(conversation)
    born(store, 2, Cause.EXPLOIT)
    conversation.hear(Offer)
    begun(talk(incarnation=2, nonce="the new pod"))
    conversation.channel.send(Take(member=0, incarnation=2))
    assert conversation.hear(Taken).won is False


def test_what_the_former_life_had_still_to_store_is_dropped(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True)
    begun(conversation)
    born(store, 2, Cause.EXPLOIT)
    conversation.hear(Offer)

    def broken(_key: str, _path: Path, *, size: int) -> None:
        tried.set()
        raise StoreUnavailable("the network is down")

    tried, works = threading.Event(), store.upload
    store.upload = broken  # type: ignore[method-assign]
    conversation.upload(report(), **{"state.json": b"{}"})
    until(tried.is_set)
    conversation.channel.send(Take(member=0, incarnation=2))
    conversation.hear(Taken)
    store.upload = works  # type: ignore[method-assign]
    conversation.upload(report(incarnation=2), **{"state.json": b"{}"})
    assert conversation.hear(Uploaded).record == report(incarnation=2).key
    assert list(store.names(keys.REPORTS)) == [report(incarnation=2).key]


@pytest.mark.parametrize("cause", [Cause.RESUME, Cause.CRASH, Cause.REMOVED])
def test_a_process_that_was_given_up_is_told_so(
    store: Flaky, talk: Callable[..., Conversation], cause: Cause
) -> None:
    conversation = talk(watch=True)
    begun(conversation)
    born(store, 2, cause)
    assert conversation.hear(Replaced).reason == "incarnation 2 was born: a test"


def test_a_successor_that_cannot_be_read_is_left_to_a_new_pod(
    store: Flaky, talk: Callable[..., Conversation], capfd: pytest.CaptureFixture[str]
) -> None:
    store.put(keys.birth(0, 2), b'{"format": 99}')
    conversation = talk(watch=True)
    begun(conversation)
    seen: list[str] = []
    until(lambda: seen.append(capfd.readouterr().err) or "incarnation 2 can't be taken over" in "".join(seen))
    conversation.channel.send(Look())
    assert conversation.hear(Failed).error == "NewerFormat"


def test_a_courier_that_dies_ends_the_trainer_with_a_clear_error(population: Population) -> None:
    population.birth()
    trainer = population.start()
    trainer.hear("joined")
    os.kill(trainer.courier(), signal.SIGKILL)
    assert trainer.end() == ExitCode.STORAGE
    assert "pbt: the helper process that stores checkpoints died (exit status -9)\n" in trainer.errors()
    population.assert_no_leftovers()


def test_a_courier_that_cannot_start_leaves_nothing_behind(population: Population, tmp_path: Path) -> None:
    population.birth()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import sys; 'pbt_trainer.courier' in sys.orig_argv and sys.exit('broken')"
    )
    trainer = population.start(environment={"PYTHONPATH": str(tmp_path / "broken")})
    assert trainer.end() == ExitCode.STORAGE
    assert "died (exit status 1)" in trainer.errors()
    population.assert_no_leftovers()


def test_a_trainer_that_dies_takes_its_courier_along(population: Population) -> None:
    population.birth()
    trainer = population.start()
    trainer.hear("joined")
    helper = trainer.courier()
    trainer.process.kill()
    until(lambda: is_gone(helper))
    population.assert_no_leftovers()


def test_a_courier_does_not_mind_the_signals_that_are_the_trainers(population: Population) -> None:
    population.birth()
    trainer = population.start()
    trainer.hear("joined")
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(trainer.courier(), number)
    assert trainer.end() == 0
    assert population.report(3) is not None


def test_training_goes_on_while_the_store_is_away(population: Population) -> None:
    population.birth()
    trainer = population.start()
    trainer.go()
    trainer.hear("step 1")
    store, away = population.folder / "store", population.folder / "away"
    store.rename(away)
    store.write_text("something that is no folder")
    trainer.go(6)
    trainer.hear("step 7")  # past the report of step 4, which waits for the store
    assert "reported 4" in trainer.said
    until(lambda: "the store can't be reached, retrying for up to 3600 s" in trainer.errors())
    store.unlink()
    away.rename(store)
    assert trainer.end() == 0, trainer.errors()
    assert [population.report(number) is not None for number in (1, 2, 3)] == [True, True, True]


def test_a_store_that_stays_away_ends_the_trainer_with_its_own_code(population: Population) -> None:
    population.birth()
    trainer = population.start(store_patience_seconds=0.1)
    trainer.hear("joined")
    (population.folder / "store").rename(population.folder / "away")
    (population.folder / "store").write_text("something that is no folder")
    assert trainer.end() == ExitCode.STORAGE
    assert "pbt: giving up on the store:" in trainer.errors()
    assert "Traceback" not in trainer.errors()
    population.assert_no_leftovers()


def test_a_forked_worker_neither_keeps_the_courier_alive_nor_ends_it(population: Population) -> None:
    population.birth()
    trainer = population.start("forking.py")
    worker = int(trainer.hear("worker").split()[1])
    helper = trainer.courier()
    trainer.process.kill()
    until(lambda: is_gone(helper))
    assert not is_gone(worker)
    os.kill(worker, signal.SIGTERM)
    until(lambda: is_gone(worker))


def asked(store: MemoryStore, *, member: int = 7) -> None:
    """The process of member 0 is asked to go on as another one, which starts from scratch."""
    birth = Birth(member=member, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="")
    store.put(keys.birth(member, 1), encode(birth))
    record = Yield(member=0, incarnation=1, to=Life(member=member, incarnation=1))
    store.put(record.key, encode(record))


def test_a_member_that_waits_is_offered_and_then_watched(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    asked(store)
    offer: Offer = conversation.hear(Offer)
    assert (offer.birth.member, offer.birth.incarnation, offer.report) == (7, 1, None)
    conversation.channel.send(Take(member=7, incarnation=1))
    assert conversation.hear(Taken).won
    later = Birth(member=7, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={}, reason="")
    store.put(keys.birth(7, 2), encode(later))
    assert conversation.hear(Offer).birth == later


def test_whoever_loses_another_members_birth_is_still_told_of_its_own(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    asked(store)
    conversation.hear(Offer)
    begun(talk(member=7, nonce="the new pod"))
    conversation.channel.send(Take(member=7, incarnation=1))
    assert conversation.hear(Taken).won is False
    assert born(store, 2, Cause.EXPLOIT) == conversation.hear(Offer).birth


def test_its_own_next_birth_is_told_after_an_offer_that_nobody_took(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    conversation = talk(watch=True, shares=True)
    begun(conversation)
    asked(store)
    assert conversation.hear(Offer).birth.member == 7
    born(store, 2, Cause.RESUME)
    conversation.hear(Replaced)


@pytest.mark.parametrize(("shares", "each"), [(False, 1), (True, 2)])
def test_a_look_costs_one_request_and_one_more_where_slots_are_shared(
    store: Flaky, talk: Callable[..., Conversation], *, shares: bool, each: int
) -> None:
    read, asked_for = store.read, list[str]()

    def counted(key: str) -> bytes:
        asked_for.append(key)
        return read(key)

    conversation = talk(watch=True, shares=shares)
    begun(conversation)
    store.read = counted  # type: ignore[method-assign]
    until(lambda: asked_for.count(keys.birth(0, 2)) > 5)
    looks = asked_for.count(keys.birth(0, 2))
    store.read = read  # type: ignore[method-assign]
    assert looks * each - 1 <= len(asked_for) <= (looks + 1) * each
    assert set(asked_for) <= {keys.birth(0, 2), keys.yielded(0, 1)}
