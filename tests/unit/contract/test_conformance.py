"""What every store promises, over memory, a folder and a real S3 server."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from pbt_contract.errors import CorruptCheckpoint, KeyRefused, NotFound, RecordRefused
from pbt_contract.limits import MAX_RECORD_BYTES
from pbt_contract.records import File
from pbt_contract.stores import Store, open_store
from pbt_contract.stores.probe import probe
from support.checksums import sha256
from support.race import START, race

LARGE = 20 * 1024 * 1024 + 7  # three parts of an S3 upload, the last one odd

BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "births/../../x",
    "births/./x",
    "births//x",
    "births/",
    "births/\u00fc.json",
    "births/a b",
    "births/a\n",
    "births/a\\b",
    "births/%2e%2e",
    "~/x",
    ".hidden/x",
    "x" * 513,
    "births/" + "x" * 256,
]

# Traps for a walk through folders: '-' and '.' sort before the slash, digits and letters after it.
TREE = sorted(
    [
        "a-b/1.json",
        "a.json",
        "a/1.json",
        "a/b-c/1.json",
        "a/b.json",
        "a/b/.hidden",
        "a/b/c/d/e.json",
        "a/b0",
        "a0/1.json",
        "ab/1.json",
        "b/1.json",
    ]
)


def fill(store: Store, keys: list[str]) -> None:
    """Writes a small record under each key."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.create(key, key.encode()), keys))


def put(store: Store, key: str, data: bytes, folder: Path) -> File:
    """Uploads `data` and returns what its record would say."""
    source = folder / "source"
    source.write_bytes(data)
    store.upload(key, source, size=len(data))
    return File(name="model.safetensors", size=len(data), sha256=sha256(data))


def test_a_record_is_read_back_as_it_was_written(store: Store) -> None:
    assert store.create("births/00001-000001.json", b"{}\n") == b"{}\n"
    assert store.read("births/00001-000001.json") == b"{}\n"


def test_an_empty_record_is_a_record(store: Store) -> None:
    assert store.create("births/1.json", b"") == b""
    assert store.create("births/1.json", b"late") == b""
    assert store.read("births/1.json") == b""


def test_the_first_write_wins_and_later_writers_get_its_bytes(store: Store) -> None:
    store.create("rounds/1.json", b"first")
    assert store.create("rounds/1.json", b"second") == b"first"
    assert store.create("rounds/1.json", b"first") == b"first"
    assert store.read("rounds/1.json") == b"first"


def test_of_16_threads_one_wins_and_all_learn_who(store: Store) -> None:
    start = Barrier(16)

    def write(number: int) -> list[bytes]:
        start.wait()
        return [store.create(f"claims/{key}.json", f"{number}".encode()) for key in range(5)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(write, range(16)))
    stored = [store.read(f"claims/{key}.json") for key in range(5)]
    assert answers == [stored] * 16


WRITER = f"""
import sys
from pbt_contract.stores import open_store
store = open_store(sys.argv[1])
list(store.names("claims/"))
{START}
print([store.create(f"claims/{{key}}.json", sys.argv[2].encode()) for key in range(20)])
"""


@pytest.mark.process
def test_of_several_processes_one_wins_and_all_learn_who(shared_store: Store) -> None:
    answers = race(WRITER, shared_store.url)
    stored = [shared_store.read(f"claims/{key}.json") for key in range(20)]
    assert answers == [str(stored)] * 4


def test_what_is_not_there_is_not_found(store: Store, tmp_path: Path) -> None:
    store.create("births/1.json", b"{}")
    file = File(name="f", size=1, sha256=sha256(b"x"))
    for key in ("births/2.json", "rounds/1.json", "births", "births/1.json/x"):
        with pytest.raises(NotFound, match=key):
            store.read(key)
        with pytest.raises(NotFound, match=key):
            store.fetch(key, file, tmp_path / "fetched")


def test_names_are_the_sorted_keys(store: Store) -> None:
    fill(store, TREE)
    assert list(store.names("")) == TREE


def test_names_of_an_empty_store_are_none(store: Store) -> None:
    assert list(store.names("")) == []
    assert list(store.names("births/", start_after="births/00001")) == []


@pytest.mark.parametrize("prefix", ["a/", "a/b/", "ab/", "b/", "c/"])
def test_a_prefix_names_what_lies_below_it(store: Store, prefix: str) -> None:
    fill(store, TREE)
    assert list(store.names(prefix)) == [key for key in TREE if key.startswith(prefix)]


def test_start_after_cuts_wherever_it_lies(store: Store) -> None:
    fill(store, TREE)
    for prefix in ("", "a/"):
        for start in [*TREE, "a", "a/", "a/b", "a/b/", "a/b/c/d", "a/zz", "0", "zz"]:
            expected = [key for key in TREE if key.startswith(prefix) and key > start]
            assert list(store.names(prefix, start_after=start)) == expected, (prefix, start)


def test_names_go_on_across_pages(store: Store) -> None:
    keys = [f"reports/{number // 7:07}/{number:05}-000001.json" for number in range(1100)]
    fill(store, keys)
    assert list(store.names("reports/")) == keys
    for start in (0, 998, 999, 1000, 1099):
        assert list(store.names("reports/", start_after=keys[start])) == keys[start + 1 :]
    store.delete(iter(keys))
    assert list(store.names("")) == []


@pytest.mark.parametrize("key", BAD_KEYS, ids=ascii)
def test_a_key_that_could_leave_the_location_is_refused(store: Store, tmp_path: Path, key: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    file = File(name="f", size=1, sha256=sha256(b"x"))
    calls: list[Callable[[], object]] = [
        lambda: store.create(key, b"x"),
        lambda: store.read(key),
        lambda: store.upload(key, source, size=1),
        lambda: store.fetch(key, file, tmp_path / "fetched"),
        lambda: store.delete([key]),
    ]
    for call in calls:
        with pytest.raises(KeyRefused):
            call()
    assert list(store.names("")) == []


@pytest.mark.parametrize("prefix", ["/", "..", "../", "births", "births//", "a/../", "\u00fc/", "a b/"])
def test_a_prefix_that_is_no_folder_of_the_location_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(KeyRefused):
        store.names(prefix)
    with pytest.raises(KeyRefused):
        store.abandon_uploads(prefix)


@pytest.mark.parametrize("size", [0, 1, LARGE])
def test_a_file_comes_back_verified(store: Store, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    file = put(store, "checkpoints/00001-000001/000000000200-x/model.safetensors", data, tmp_path)
    path = store.fetch(
        "checkpoints/00001-000001/000000000200-x/model.safetensors", file, tmp_path / "fetched"
    )
    assert path.read_bytes() == data


def test_a_file_is_fetched_below_folders_of_its_name(store: Store, tmp_path: Path) -> None:
    put(store, "checkpoints/1/shards/.hidden", b"x", tmp_path)
    file = File(name="shards/.hidden", size=1, sha256=sha256(b"x"))
    assert store.fetch("checkpoints/1/shards/.hidden", file, tmp_path / "fetched").read_bytes() == b"x"


@pytest.mark.parametrize("size", [0, 5, LARGE])
def test_only_the_first_bytes_of_a_larger_memory_file_are_uploaded(
    store: Store, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    descriptor = os.memfd_create("checkpoint")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as memory:
            memory.write(data + b"left from a larger checkpoint")
        store.upload("checkpoints/1/model", Path(f"/proc/self/fd/{descriptor}"), size=size)
    finally:
        os.close(descriptor)
    file = File(name="model", size=size, sha256=sha256(data))
    assert store.fetch("checkpoints/1/model", file, tmp_path).stat().st_size == size


def test_an_upload_replaces_what_was_there(store: Store, tmp_path: Path) -> None:
    put(store, "checkpoints/1/model", b"a longer first attempt", tmp_path)
    file = put(store, "checkpoints/1/model", b"second", tmp_path)
    assert store.fetch("checkpoints/1/model", file, tmp_path / "fetched").read_bytes() == b"second"


def test_a_file_shorter_than_announced_is_not_uploaded(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"short")
    with pytest.raises(CorruptCheckpoint, match="5 bytes"):
        store.upload("checkpoints/1/model", source, size=6)
    assert list(store.names("")) == []


@pytest.mark.parametrize(
    ("size", "damage"),
    [(100, "truncated"), (100, "extended"), (100, "flipped"), (LARGE, "truncated"), (LARGE, "flipped")],
)
def test_damaged_content_is_refused_and_not_left_behind(
    store: Store, tmp_path: Path, size: int, damage: str
) -> None:
    data = bytearray(os.urandom(size))
    file = File(name="model", size=size, sha256=sha256(data))
    if damage == "flipped":
        data[size // 2] ^= 1
    stored = {"truncated": data[: size // 2], "extended": data + b"x", "flipped": data}[damage]
    put(store, "checkpoints/1/model", bytes(stored), tmp_path)
    with pytest.raises(CorruptCheckpoint, match="checkpoints/1/model"):
        store.fetch("checkpoints/1/model", file, tmp_path / "fetched")
    assert not (tmp_path / "fetched" / "model").exists()


def test_a_download_never_leaves_its_folder(copying_store: Store, tmp_path: Path) -> None:
    put(copying_store, "checkpoints/1/model", b"x", tmp_path)
    for name in ("../model", "/model", "a/../../model", ""):
        file = File(name=name, size=1, sha256=sha256(b"x"))
        with pytest.raises(KeyRefused):
            copying_store.fetch("checkpoints/1/model", file, tmp_path / "fetched")
    assert not (tmp_path / "model").exists()


def test_folders_are_found_by_how_their_names_start(store: Store) -> None:
    fill(store, ["digits-1/a", "digits-1/b/c", "digits-22/a", "digit/a", "digits-3", "x/digits-4/a"])
    assert store.folders("digits-") == ["digits-1", "digits-22"]
    assert store.folders("") == ["digit", "digits-1", "digits-22", "x"]
    assert store.folders("nothing") == []


def test_deleting_what_is_gone_is_no_error(store: Store) -> None:
    fill(store, TREE)
    store.delete(["a/b.json", "a/b/c/d/e.json", "a/b.json", "never/there", "a", "a.json/x"])
    assert list(store.names("")) == [key for key in TREE if key not in {"a/b.json", "a/b/c/d/e.json"}]
    store.delete(TREE)
    store.delete(TREE)
    store.delete([])
    assert list(store.names("")) == []


def test_a_deleted_record_can_be_written_again(store: Store) -> None:
    store.create("births/1.json", b"first")
    store.delete(["births/1.json"])
    assert store.create("births/1.json", b"second") == b"second"


def test_a_record_may_be_as_large_as_allowed_and_no_larger(store: Store, tmp_path: Path) -> None:
    most = bytes(MAX_RECORD_BYTES)
    assert store.create("rounds/1.json", most) == most
    with pytest.raises(RecordRefused, match=r"rounds/2\.json"):
        store.create("rounds/2.json", most + b"x")
    put(store, "rounds/3.json", most + b"x", tmp_path)
    with pytest.raises(RecordRefused, match=r"rounds/3\.json"):
        store.read("rounds/3.json")


def test_abandoning_uploads_keeps_what_is_finished(store: Store, tmp_path: Path) -> None:
    file = put(store, "checkpoints/1/model", os.urandom(LARGE), tmp_path)
    store.create("births/1.json", b"{}")
    for prefix in ("checkpoints/1/", "nothing/there/", ""):
        store.abandon_uploads(prefix)
    assert list(store.names("")) == ["births/1.json", "checkpoints/1/model"]
    store.fetch("checkpoints/1/model", file, tmp_path / "fetched")


def test_a_purge_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    fill(store, [*TREE, "owners/0000001.json", "births/00001-000001.json"])
    put(store, "checkpoints/1/model", os.urandom(LARGE), tmp_path)
    assert store.purge() is False
    assert list(store.names("")) == []
    assert store.purge() is False
    store.create("births/00001-000001.json", b"again")
    assert list(store.names("")) == ["births/00001-000001.json"]


def test_another_handle_opened_by_the_url_sees_the_same(shared_store: Store) -> None:
    shared_store.create("births/1.json", b"{}")
    other = open_store(shared_store.url)
    assert other.url == shared_store.url
    assert list(other.names("")) == ["births/1.json"]


def test_a_good_store_passes_the_probe_and_keeps_nothing_of_it(store: Store) -> None:
    probe(store)
    probe(store)
    assert list(store.names("")) == []
