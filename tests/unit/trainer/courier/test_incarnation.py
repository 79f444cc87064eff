"""The protocol of one incarnation, over a store in memory."""

from pathlib import Path

import pytest

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import CorruptCheckpoint, KeyRefused, NotFound, RecordRefused
from pbt_contract.records import Birth, Cause, Claim, File, Report, Source
from pbt_trainer.courier.incarnation import Incarnation
from simulation.memory_store import MemoryStore
from support.checksums import sha256


def incarnation_in(store: MemoryStore, *, number: int = 2, nonce: str = "ours") -> Incarnation:
    return Incarnation(store, member=1, incarnation=number, pod="pod", nonce=nonce)


def birth(number: int = 2, *, source: Source | None = None, member: int = 1) -> Birth:
    return Birth(
        member=member,
        incarnation=number,
        cause=Cause.EXPLOIT,
        hyperparameters={},
        source=source,
        reason="test",
    )


def report(checkpoint: str = "checkpoints/00000-000001/000000000004-ab/", **files: bytes) -> Report:
    listed = [File(name=name, size=len(data), sha256=sha256(data)) for name, data in files.items()]
    return Report(
        member=0,
        incarnation=1,
        step=4,
        round=1,
        metrics={"score": 1.0},
        hyperparameters={},
        checkpoint=checkpoint,
        files=listed,
    )


def stored(store: MemoryStore, record: Report, **files: bytes) -> Report:
    for name, data in files.items():
        store.put(record.checkpoint + name, data)
    store.create(record.key, encode(record))
    return record


def test_the_first_claim_wins_and_may_be_asked_for_again() -> None:
    store = MemoryStore()
    assert incarnation_in(store).claim()
    assert incarnation_in(store).claim()
    other = incarnation_in(store, nonce="theirs")
    assert not other.claim()
    assert other.holder == Claim(member=1, incarnation=2, pod="pod", nonce="ours")


def test_the_other_ranks_of_a_pod_wait_for_its_claim() -> None:
    store = MemoryStore()
    rank = incarnation_in(store, nonce="rank 1")
    assert rank.claimed_by_pod() is None
    incarnation_in(store).claim()
    assert rank.claimed_by_pod() is True
    elsewhere = Incarnation(store, member=1, incarnation=2, pod="other", nonce="rank 1")
    assert elsewhere.claimed_by_pod() is False


def test_a_birth_without_source_starts_from_scratch() -> None:
    store = MemoryStore()
    store.create(keys.birth(1, 2), encode(birth()))
    assert incarnation_in(store).open() == birth()
    assert incarnation_in(store).source() is None


def test_a_birth_of_somebody_else_is_refused() -> None:
    store = MemoryStore()
    store.create(keys.birth(1, 2), encode(birth(3)))
    with pytest.raises(RecordRefused, match=r"it is births/00001-000003\.json"):
        incarnation_in(store).open()


def test_the_source_is_the_record_that_the_birth_names() -> None:
    store = MemoryStore()
    source = stored(store, report())
    store.create(keys.birth(1, 2), encode(birth(source=source.source)))
    assert incarnation_in(store).source() == source


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step": 5}, RecordRefused, "not the checkpoint that the birth names"),
        ({"member": 7}, RecordRefused, "not the checkpoint that the birth names"),
        ({"record": "../elsewhere/reports/0000001/00000-000001.json"}, KeyRefused, "not a plain name"),
        ({"record": "reports/0000009/00000-000001.json"}, NotFound, "reports/0000009"),
    ],
)
def test_a_source_that_is_not_what_the_birth_says_is_refused(
    change: dict[str, object], error: type[Exception], message: str
) -> None:
    from msgspec.structs import replace

    store = MemoryStore()
    source = replace(stored(store, report()).source, **change)
    store.create(keys.birth(1, 2), encode(birth(source=source)))
    with pytest.raises(error, match=message):
        incarnation_in(store).source()


def test_a_checkpoint_that_is_no_folder_is_refused() -> None:
    store = MemoryStore()
    source = stored(store, report("checkpoints/00000-000001/000000000004-ab"))
    store.create(keys.birth(1, 2), encode(birth(source=source.source)))
    with pytest.raises(RecordRefused, match="is not a folder"):
        incarnation_in(store).source()


FILES = {"state.json": b"{}", "files/part/.metadata": b"deep"}


def test_a_fetched_checkpoint_is_one_folder(tmp_path: Path) -> None:
    store = MemoryStore()
    source = stored(store, report(**FILES), **FILES)
    assert incarnation_in(store).fetch(source, tmp_path) == tmp_path
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_what_lies_there_already_and_is_right_is_not_fetched_again(tmp_path: Path) -> None:
    store = MemoryStore()
    source = stored(store, report(**FILES), **FILES)
    incarnation_in(store).fetch(source, tmp_path)
    store.delete([source.checkpoint + "state.json"])
    (tmp_path / "files/part/.metadata").write_bytes(b"torn")
    incarnation_in(store).fetch(source, tmp_path)
    assert (tmp_path / "files/part/.metadata").read_bytes() == b"deep"


def test_a_fetched_checkpoint_is_verified(tmp_path: Path) -> None:
    store = MemoryStore()
    source = stored(store, report(**FILES), **{**FILES, "state.json": b"[]"})
    with pytest.raises(CorruptCheckpoint, match=r"state\.json"):
        incarnation_in(store).fetch(source, tmp_path)


def test_committing_the_same_again_is_success_and_anything_else_is_not() -> None:
    store = MemoryStore()
    incarnation = incarnation_in(store)
    incarnation.commit(report())
    incarnation.commit(report())
    with pytest.raises(RecordRefused, match="already reported by another process"):
        incarnation.commit(report("checkpoints/00000-000001/000000000004-cd/"))


def test_the_successor_is_the_next_birth() -> None:
    store = MemoryStore()
    incarnation = incarnation_in(store)
    assert incarnation.successor() is None
    store.create(keys.birth(1, 3), encode(birth(3)))
    assert incarnation.successor() == birth(3)
    following = incarnation.next()
    assert following.claim()
    assert following.holder == Claim(member=1, incarnation=3, pod="pod", nonce="ours")
