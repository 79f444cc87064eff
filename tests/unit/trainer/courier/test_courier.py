"""The courier: its conversation with the trainer over a socket, and what becomes of one when the other dies."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import NotFound, StoreRefused, StoreUnavailable
from pbt_contract.limits import MAX_RECORD_BYTES
from pbt_contract.records import Birth, Cause
from pbt_trainer import ExitCode
from pbt_trainer.courier.messages import (
    Began,
    Failed,
    Fetched,
    Look,
    Looked,
    Offer,
    Take,
    Taken,
    Unclaimed,
    Uploaded,
)
from support.checksums import sha256
from unit.trainer.conversation import Conversation, Flaky, begun, born, report, store, stored_report, talk
from unit.trainer.population import Population, is_gone, until

__all__ = ["store", "talk"]


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


def test_a_refusal_is_tried_for_a_while_at_the_start_and_for_longer_in_a_later_upload(
    store: Flaky, talk: Callable[..., Conversation]
) -> None:
    store.error, store.failures = StoreRefused, 1
    conversation = talk()
    begun(conversation)
    conversation.hear_bound()
    store.failures = 10**9
    assert talk(pod="another", patience_seconds=0.1).hear(Failed).error == "StoreRefused"
    store.failures = 2
    conversation.upload(report())
    conversation.hear(Uploaded)


@pytest.mark.parametrize("error", [StoreRefused, StoreUnavailable])
def test_gates_that_cannot_be_read_end_the_start(
    error: type[StoreUnavailable],
    store: Flaky,
    talk: Callable[..., Conversation],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = store.read

    def refusing(key: str) -> bytes:
        if key.startswith("gates/"):
            raise error("grant s3:GetObject")
        return read(key)

    monkeypatch.setattr(store, "read", refusing)
    conversation = talk(patience_seconds=0.1)
    conversation.hear(Began)
    failed = conversation.channel.receive(60.0)
    if isinstance(failed, Fetched):  # what to start from may be there first
        failed = conversation.hear(Failed)
    assert isinstance(failed, Failed)
    assert (failed.error, failed.message) == (error.__name__, "grant s3:GetObject")


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


def test_what_is_missing_for_a_moment_only_is_no_crash(
    store: Flaky, talk: Callable[..., Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket that is being deleted, or put back, looks empty to one request or another."""
    read, missed = store.read, set[str]()

    def at_second_sight(key: str) -> bytes:
        if key not in missed:
            missed.add(key)
            raise NotFound(key)
        return read(key)

    donor = talk()
    begun(donor)
    donor.upload(report())
    donor.hear(Uploaded)
    born(store, 2, Cause.EXPLOIT, source=stored_report(store).source, start_step=4)
    monkeypatch.setattr(store, "read", at_second_sight)
    begun(talk(incarnation=2))
    assert missed - {keys.gate(1)} == {keys.birth(0, 2), report().key}


def test_another_rank_waits_for_the_claim_of_its_pod(store: Flaky, talk: Callable[..., Conversation]) -> None:
    rank = talk(leads=False, nonce="rank 1")
    until(store.tried.is_set)
    begun(talk())
    begun(rank)


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
