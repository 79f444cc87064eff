"""Which URLs open a store, and which stores a population accepts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbt_contract.errors import StoreRefused
from pbt_contract.stores import location, open_store
from pbt_contract.stores.probe import probe
from simulation.memory_store import MemoryStore
from unit.contract import toy_store


class LastWriteWins(MemoryStore):
    """Has no create-only writes."""

    def create(self, key: str, data: bytes) -> bytes:
        self.put(key, data)
        return data


class Forgetful(MemoryStore):
    """Lists what it held some time ago."""

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        return iter(())


@pytest.mark.parametrize(("kind", "reason"), [(LastWriteWins, "conditional writes"), (Forgetful, "listing")])
def test_a_store_that_breaks_a_promise_fails_the_probe(kind: type[MemoryStore], reason: str) -> None:
    store = kind()
    with pytest.raises(StoreRefused, match=reason):
        probe(store)
    assert store._objects == {}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:",
        "file://elsewhere/x",
        "s3://",
        "s3:///x",
        "gs://b/x",
        "a:b",
        "s3://b/x?y",
        "s3://b/a//b",
        "s3://b/..",
    ],
)
def test_a_url_that_names_no_location_is_refused(url: str) -> None:
    with pytest.raises(StoreRefused, match="location"):
        open_store(url)


def test_a_path_with_spaces_and_signs_opens_the_same_folder_as_its_url(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "my runs #1?"))
    store.create("births/1.json", b"{}")
    assert (tmp_path / "my runs #1?/births/1.json").exists()
    assert list(open_store(store.url).names("")) == ["births/1.json"]


def test_a_folder_whose_name_is_no_text_is_opened_by_its_url(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    open_store(folder).create("births/1.json", b"{}")
    assert list(open_store(open_store(folder).url).names("")) == ["births/1.json"]


def test_a_scheme_is_one_line_of_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = MemoryStore()
    monkeypatch.setitem(location.STORES, "gs", "unit.contract.toy_store:at")
    monkeypatch.setattr(toy_store, "KEPT", kept)
    assert open_store("gs://bucket/digits") is kept
    with pytest.raises(StoreRefused, match="location"):
        open_store("gs://")
