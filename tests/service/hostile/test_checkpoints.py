"""Hostile checkpoints on their way into a trainer: refused, and nothing in them is ever run."""

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import (
    CorruptCheckpoint,
    KeyRefused,
    NotFound,
    PbtError,
    RecordRefused,
    StateError,
)
from pbt_contract.records import Birth, Cause, File, Report, Source
from pbt_contract.stores.folder import FolderStore
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.state.checkpoint_files import STATE, TENSORS, Checkpoint
from pbt_trainer.state.codec import decode, loads
from service.hostile.texts import ESCAPES, assert_plain, spoilt
from support.checksums import sha256
from unit.trainer.training import SCHEDULED, Member

HP = {"lr": 0.1}
RAN = "ran"


class Payload:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.trace),))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bytes]:
    """A real checkpoint: its tree, and its tensors."""
    member = Member(SCHEDULED["cosine"], HP, seed=1)
    member.train(2)
    folder = member.save(tmp_path_factory.mktemp("saved"))
    return json.loads((folder / STATE).read_bytes()), (folder / TENSORS).read_bytes()


def restore(folder: Path, tree: bytes, tensors: bytes, *, in_place: bool = False) -> PbtError | None:
    """Has a trainer restore it; returns the error that it is refused with."""
    folder.mkdir(exist_ok=True)
    (folder / STATE).write_bytes(tree)
    (folder / TENSORS).write_bytes(tensors)
    member = Member(SCHEDULED["cosine"], HP, seed=2)
    try:
        member.resume(folder, in_place=in_place)
    except (RecordRefused, StateError) as error:
        return error
    return None


@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), in_place=st.booleans())
def test_a_spoilt_tree_is_restored_or_refused(
    data: st.DataObject, in_place: bool, saved: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    tree, tensors = saved
    error = restore(tmp_path / "c", json.dumps(data.draw(spoilt(tree))).encode(), tensors, in_place=in_place)
    assert len(str(error)) < 5000
    if isinstance(error, RecordRefused):
        assert_plain(str(error))


HEADER = 8


def with_header(tensors: bytes, change: Any) -> bytes:
    (length,) = struct.unpack_from("<Q", tensors)
    header = json.loads(tensors[HEADER : HEADER + length])
    change(header)
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + tensors[HEADER + length :]


def each(change: Any) -> Any:
    def apply(header: dict[str, Any]) -> None:
        for name in [name for name in header if name != "__metadata__"]:
            change(header[name])

    return apply


LIES: dict[str, Any] = {
    "a huge header": lambda t: struct.pack("<Q", 2**63) + t[HEADER:],
    "a header longer than the file": lambda t: struct.pack("<Q", len(t)) + t[HEADER:],
    "a short header": lambda t: struct.pack("<Q", 10) + t[HEADER:],
    "truncated": lambda t: t[: len(t) // 2],
    "too long": lambda t: t + b"\0" * 8,
    "empty": lambda t: b"",
    "overlapping": lambda t: with_header(t, each(lambda x: x.update(data_offsets=[0,
    x["data_offsets"][1] - x["data_offsets"][0]]))),
    "backwards": lambda t: with_header(t, each(lambda x: x["data_offsets"].reverse())),
    "beyond the end": lambda t: with_header(t, each(lambda x: x.update(data_offsets=[2**40, 2**41]))),
    "another type": lambda t: with_header(t, each(lambda x: x.update(dtype="I8"))),
    "no such type": lambda t: with_header(t, each(lambda x: x.update(dtype="OBJECT"))),
    "a type of other libraries": lambda t: with_header(t, each(lambda x: x.update(dtype="F4"))),
    "a huge shape": lambda t: with_header(t, each(lambda x: x.update(shape=[2**62, 2**62]))),
    "a negative shape": lambda t: with_header(t, each(lambda x: x.update(shape=[-1]))),
    "another shape": lambda t: with_header(t, each(lambda x: x.update(shape=[*x["shape"], 1, 1]))),
    "a header that is no mapping": lambda t: struct.pack("<Q", 2) + b"[]",
    "nested": lambda t: struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "a pickle of torch": lambda t: b"PK\x03\x04" + t,
}  # fmt: skip


@pytest.mark.parametrize("in_place", [False, True], ids=["fresh", "in place"])
@pytest.mark.parametrize("lie", LIES)
def test_a_tensor_file_that_lies_is_refused(
    lie: str, in_place: bool, saved: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    tree, tensors = saved
    error = restore(tmp_path / "c", json.dumps(tree).encode(), LIES[lie](tensors), in_place=in_place)
    assert error is not None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_of_a_tensor_file_are_restored_or_refused(
    changes: list[tuple[int, int]], saved: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    tree, tensors = saved
    damaged = bytearray(tensors)
    for at, byte in changes:
        damaged[at % len(damaged)] = byte
    restore(tmp_path / "c", json.dumps(tree).encode(), bytes(damaged))


def test_a_pickle_in_place_of_a_checkpoint_is_not_run(
    saved: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    trace = tmp_path / RAN
    plain = pickle.dumps(Payload(trace))
    torch.save(Payload(trace), tmp_path / "torch")
    zipped = (tmp_path / "torch").read_bytes()
    tree, tensors = saved
    good = json.dumps(tree).encode()
    for state, file in [(plain, tensors), (zipped, tensors), (good, plain), (good, zipped)]:
        assert restore(tmp_path / "c", state, file) is not None
    assert not trace.exists()
    pickle.loads(plain)
    assert trace.exists(), "the payload itself works"


@pytest.mark.parametrize(
    "kind", ["bytes", "numpy", "torch.dtype", "torch.device", "torch.Size", "defaultdict", "array"]
)
def test_a_pickle_within_the_tree_is_not_run(kind: str, tmp_path: Path) -> None:
    trace = tmp_path / RAN
    body = pickle.dumps(Payload(trace), protocol=0).decode("latin-1")
    tree = {"tuple": [{kind: part} for part in (body, [body, body], {"leaf": body})]}
    with pytest.raises(RecordRefused) as refusal:
        decode(loads(json.dumps(tree).encode()), lambda leaf, _: {}[leaf])
    assert_plain(str(refusal.value))
    assert not trace.exists()


def test_no_object_of_a_checkpoint_is_looked_up_by_its_name(
    saved: tuple[dict[str, Any], bytes], tmp_path: Path
) -> None:
    tree, tensors = json.loads(json.dumps(saved[0])), saved[1]
    tree["objects"] = {
        f"os.system{n}": {**item, "class": "os.system"} for n, item in enumerate(tree["objects"].values())
    }
    (tmp_path / STATE).write_text(json.dumps(tree))
    (tmp_path / TENSORS).write_bytes(tensors)
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.class_name("os.system0") == "os.system"
        assert type(checkpoint.state("os.system0")).__name__ in {"dict", "OrderedDict"}


# What a newborn is told to start from


def birth_from(**changes: Any) -> Birth:
    place = {
        "member": 2,
        "incarnation": 1,
        "step": 10,
        "checkpoint": keys.checkpoint(2, 1, 10, "n"),
        "record": keys.report(1, 2, 1),
    }
    source = Source(**{**place, **changes})
    return Birth(
        member=0,
        incarnation=2,
        cause=Cause.EXPLOIT,
        hyperparameters={},
        source=source,
        start_step=10,
        reason="x",
    )


def written(
    store: FolderStore, birth: Birth, *, size: int = 2, data: bytes = b"{}", **changes: Any
) -> Incarnation:
    """A newborn, its birth and the record and file that it is to start from."""
    fields = {
        "member": 2, "incarnation": 1, "step": 10, "round": 1, "metrics": {}, "hyperparameters": {},
        "checkpoint": keys.checkpoint(2, 1, 10, "n"), "files": [File(name=STATE, size=size, sha256=sha256(b"{}"))],
    }  # fmt: skip
    store.create(keys.birth(0, 2), encode(birth))
    store.create(keys.report(1, 2, 1), encode(Report(**{**fields, **changes})))
    store.create(keys.checkpoint(2, 1, 10, "n") + STATE, data)
    return Incarnation(store, member=0, incarnation=2, pod="p", nonce="n")


def fetched(life: Incarnation, folder: Path) -> Path:
    report = life.source()
    assert report is not None
    return life.fetch(report, folder)


@pytest.mark.parametrize(
    "record", ["../../other/reports/0000001/00002-000001.json", "/etc/passwd", "", "a\x00b", "..", "reports\\x",
    ESCAPES],
    ids=repr,
)  # fmt: skip
def test_a_birth_that_names_a_record_elsewhere_is_not_followed(record: str, tmp_path: Path) -> None:
    life = written(FolderStore(tmp_path / "s"), birth_from(record=record))
    with pytest.raises(KeyRefused) as refusal:
        life.source()
    assert_plain(str(refusal.value))


@pytest.mark.parametrize(
    ("changes", "of_birth", "error"),
    [
        ({"data": b"[]"}, {}, CorruptCheckpoint),
        ({"data": b"{}" * 10_000}, {}, CorruptCheckpoint),
        ({"data": b""}, {}, CorruptCheckpoint),
        ({"size": 10**12 - 1}, {}, CorruptCheckpoint),
        ({"files": [File(name="gone", size=2, sha256="0")]}, {}, NotFound),
        ({"files": [File(name="../x", size=2, sha256="0")]}, {}, KeyRefused),
        ({"checkpoint": "checkpoints/00003-000001/000000000010-n/"}, {}, RecordRefused),
        ({}, {"checkpoint": keys.checkpoint(2, 1, 10, "other")}, RecordRefused),
        ({}, {"step": 20}, RecordRefused),
        ({}, {"member": 3}, RecordRefused),
    ],
    ids=repr,
)
def test_a_checkpoint_that_is_not_what_the_records_say_is_not_taken(
    changes: dict[str, Any], of_birth: dict[str, Any], error: type[PbtError], tmp_path: Path
) -> None:
    life = written(FolderStore(tmp_path / "s"), birth_from(**of_birth), **changes)
    with pytest.raises(error):
        fetched(life, tmp_path / "downloads")


@pytest.mark.parametrize("what", ["file", "folder", "record"])
def test_links_in_a_folder_lead_nowhere(what: str, tmp_path: Path) -> None:
    store, secret = FolderStore(tmp_path / "s"), tmp_path / "secret"
    secret.mkdir()
    (secret / STATE).write_bytes(b"{}")
    life = written(store, birth_from())
    place = tmp_path / "s" / keys.checkpoint(2, 1, 10, "n")
    target, of = {
        "file": (place / STATE, secret / STATE),
        "folder": (place, secret),
        "record": (tmp_path / "s" / keys.report(1, 2, 1), secret / STATE),
    }[what]
    if target.is_dir():
        (target / STATE).unlink()
        target.rmdir()
    else:
        target.unlink()
    target.symlink_to(of)
    with pytest.raises(KeyRefused):
        fetched(life, tmp_path / "downloads")
    store.purge()
    assert (secret / STATE).read_bytes() == b"{}"


@pytest.mark.timeout(60)
def test_a_pipe_in_a_folder_keeps_nobody_waiting(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "s")
    life = written(store, birth_from())
    for key in (keys.checkpoint(2, 1, 10, "n") + STATE, keys.report(1, 2, 1)):
        (tmp_path / "s" / key).unlink()
        os.mkfifo(tmp_path / "s" / key)
        with pytest.raises(NotFound):
            fetched(life, tmp_path / "downloads")
        assert key not in list(store.names(""))
