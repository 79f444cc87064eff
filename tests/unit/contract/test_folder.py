"""What only a folder can get wrong: links, races between making and removing folders, and a full disk."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbt_contract.errors import CorruptCheckpoint, KeyRefused, StoreRefused, StoreUnavailable
from pbt_contract.records import File
from pbt_contract.stores import folder as folder_module
from pbt_contract.stores.folder import FolderStore
from support.checksums import sha256
from support.race import START, race


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root)


def failing(number: int) -> Callable[..., None]:
    """A system call that the operating system refuses."""

    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def files(root: Path) -> set[str]:
    """All that lies below `root`, folders as well."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_a_key_is_a_path_and_a_record_its_bytes(store: FolderStore, root: Path) -> None:
    store.create("births/1.json", b"{}")
    assert (root / "births/1.json").read_bytes() == b"{}"
    assert files(root) == {"births", "births/1.json"}


def test_a_file_is_fetched_where_it_lies(store: FolderStore, root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    store.upload("checkpoints/1/model", source, size=7)
    path = store.fetch(
        "checkpoints/1/model", File(name="model", size=7, sha256=sha256(b"weights")), tmp_path / "f"
    )
    assert path == root / "checkpoints/1/model"
    assert not (tmp_path / "f").exists()


def test_a_root_behind_a_symbolic_link_is_a_root(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    store = FolderStore(tmp_path / "runs" / "digits")
    store.create("births/1.json", b"{}")
    assert list(store.names("")) == ["births/1.json"]
    assert (tmp_path / "disk/digits/births/1.json").exists()


@pytest.mark.parametrize("link", ["births", "births/1.json"])
@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_out_of_the_root_is_refused(
    store: FolderStore, root: Path, tmp_path: Path, link: str, there: bool
) -> None:
    outside = tmp_path / "outside"
    if there:
        outside.mkdir() if link == "births" else outside.write_bytes(b"secret")
        if link == "births":
            (outside / "1.json").write_bytes(b"secret")
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(outside)
    source = tmp_path / "source"
    source.write_bytes(b"x")
    file = File(name="f", size=6, sha256=sha256(b"secret"))
    calls: list[Callable[[], object]] = [
        lambda: store.read("births/1.json"),
        lambda: store.create("births/1.json", b"mine"),
        lambda: store.upload("births/1.json", source, size=1),
        lambda: store.fetch("births/1.json", file, tmp_path),
        lambda: store.delete(["births/1.json"]),
    ]
    before = files(tmp_path)
    for call in calls:
        with pytest.raises(KeyRefused, match="symbolic link"):
            call()
    assert list(store.names("")) == []
    assert files(tmp_path) == before


def test_what_is_not_ours_in_the_folder_does_not_matter(store: FolderStore, root: Path) -> None:
    store.create("births/1.json", b"{}")
    for name in ("notes and ideas.txt", "b\u00fccher/x", ".git/config", "births/tmp~left", "births/\udcff"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert list(store.names("")) == ["births/1.json"]


NAMES = st.sampled_from(["a", "a-b", "a.b", "a0", "ab", "b", ".h", "A"])
KEYS = st.lists(NAMES, min_size=1, max_size=3).map("/".join).filter(lambda key: not key.startswith("."))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(wanted=st.sets(KEYS, max_size=8), start=st.one_of(KEYS, KEYS.map(lambda key: key + "/")))
def test_a_walk_is_in_the_order_of_the_keys(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[str], start: str
) -> None:
    root = tmp_path_factory.mktemp("walk")
    kept = {key for key in wanted if not any(other.startswith(f"{key}/") for other in wanted)}
    for key in kept:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).touch()
    names = FolderStore(root).names("", start_after=start)
    assert list(names) == sorted(key for key in kept if key > start)


def test_only_the_folders_that_the_question_needs_are_read(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        store.create(f"reports/{number:07}/00001-000001.json", b"{}")
    store.create("saves/00001-000001/1.json", b"{}")
    scanned: list[str] = []
    scandir = os.scandir

    def watched(path: Path) -> object:
        scanned.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    assert len(list(store.names("reports/", start_after="reports/0000002/"))) == 3
    assert scanned == ["reports", "0000002", "0000003", "0000004"]
    scanned.clear()
    assert next(store.names("reports/")) == "reports/0000000/00001-000001.json"
    assert scanned == ["reports", "0000000"]


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.ENOSPC, StoreUnavailable, "free some space"),
        (errno.EDQUOT, StoreUnavailable, "free some space"),
        (errno.EIO, StoreUnavailable, "Input/output error"),
        (errno.EACCES, StoreRefused, "right to read and write"),
        (errno.EROFS, StoreRefused, "writable"),
    ],
)
def test_what_the_disk_refuses_is_told_with_a_remedy_and_leaves_nothing(
    store: FolderStore,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    number: int,
    kind: type[StoreUnavailable],
    remedy: str,
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    monkeypatch.setattr(os, "fsync", failing(number))
    for call in (lambda: store.create("births/1.json", b"{}"), lambda: store.upload("c/1", source, size=1)):
        with pytest.raises(StoreUnavailable, match=remedy) as caught:
            call()
        assert type(caught.value) is kind
    assert files(root) == {"births", "c"}


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreRefused, match="in the way"):
        FolderStore(tmp_path / "file").create("births/1.json", b"{}")
    (tmp_path / "births/1.json").mkdir(parents=True)
    with pytest.raises(StoreRefused, match="in the way"):
        FolderStore(tmp_path).create("births/1.json", b"{}")


def test_a_source_that_shrinks_during_its_upload_is_no_checkpoint(
    store: FolderStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    monkeypatch.setattr(os, "sendfile", lambda *_: 0)
    with pytest.raises(CorruptCheckpoint, match="shorter"):
        store.upload("checkpoints/1/model", source, size=7)
    assert files(root) == {"checkpoints", "checkpoints/1"}


def test_deleting_removes_emptied_folders_and_no_others(store: FolderStore, root: Path) -> None:
    for key in ("checkpoints/1/a/model", "checkpoints/1/b/model", "births/1.json"):
        store.create(key, b"x")
    store.delete(["checkpoints/1/a/model"])
    assert files(root) >= {"checkpoints/1/b/model"}
    assert not (root / "checkpoints/1/a").exists()
    store.delete(["checkpoints/1/b/model", "births/1.json"])
    assert files(root) == set()


def test_writing_goes_on_while_others_remove_emptied_folders(store: FolderStore) -> None:
    stop = threading.Event()

    def remove() -> None:
        while not stop.is_set():
            store.delete(store.names("deep/"))

    def write(number: int) -> None:
        for attempt in range(50):
            data = f"{number}-{attempt}".encode()
            assert store.create(f"deep/er/{number}/{attempt}", data) == data

    with ThreadPoolExecutor(8) as pool:
        removers = [pool.submit(remove) for _ in range(2)]
        try:
            for writer in [pool.submit(write, number) for number in range(4)]:
                writer.result()
        finally:
            stop.set()
        for remover in removers:
            remover.result()


@pytest.mark.parametrize("times", [3, 1000])
def test_a_folder_removed_before_its_first_file_is_made_again(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    removed: list[str] = []

    def remove_it_once_more() -> UUID:
        if len(removed) < times:
            (root / "births").rmdir()
            removed.append("births")
        return uuid4()

    monkeypatch.setattr(folder_module, "uuid4", remove_it_once_more)  # called between mkdir and open
    if times == 3:
        assert store.create("births/1.json", b"{}") == b"{}"
    else:
        with pytest.raises(StoreUnavailable, match="births"):
            store.create("births/1.json", b"{}")


@pytest.mark.process
def test_what_a_killed_upload_left_is_not_seen_and_can_be_dropped(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    store.upload("checkpoints/2/model", source, size=7)
    script = """
import os, signal, sys
from pathlib import Path
from pbt_contract.stores.folder import FolderStore
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
FolderStore(Path(sys.argv[1])).upload("checkpoints/1/model", Path(sys.argv[2]), size=7)
"""
    killed = subprocess.run([sys.executable, "-c", script, str(root), str(source)], check=False)
    assert killed.returncode == -9
    assert len(list((root / "checkpoints/1").iterdir())) == 1
    assert list(store.names("")) == ["checkpoints/2/model"]
    store.abandon_uploads("checkpoints/2/")
    assert (root / "checkpoints/1").exists()
    store.abandon_uploads("checkpoints/1/")
    assert files(root) == {"checkpoints", "checkpoints/2", "checkpoints/2/model"}


def test_an_upload_abandoned_under_way_fails_and_is_not_there(
    store: FolderStore, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    monkeypatch.setattr(os, "fsync", lambda _: store.abandon_uploads("checkpoints/1/"))
    with pytest.raises(StoreUnavailable, match="model"):
        store.upload("checkpoints/1/model", source, size=7)
    assert list(store.names("")) == []


WITHOUT_LINKS = f"""
import errno, os, sys, time
from pathlib import Path
from pbt_contract.stores.folder import FolderStore
def link(*_, **__):
    raise OSError(errno.EPERM, "Operation not permitted")
def slowly(path, exists=os.path.lexists):
    there = exists(path)
    time.sleep(0.002)  # others would come between, if they could
    return there
os.link, os.path.lexists = link, slowly
store = FolderStore(Path(sys.argv[1]))
{START}
print([store.create(f"claims/{{key}}.json", sys.argv[2].encode()) for key in range(50)])
"""


@pytest.mark.process
def test_without_hard_links_the_first_write_still_wins(store: FolderStore, root: Path) -> None:
    answers = race(WITHOUT_LINKS, str(root))
    stored = [store.read(f"claims/{key}.json") for key in range(50)]
    assert answers == [str(stored)] * 4
    assert files(root) == {".lock", "claims"} | {f"claims/{key}.json" for key in range(50)}
