"""Nobody's records lead the operator to a key outside of their population's location, to read,
write or delete it."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import MagicMock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import KeyRefused, PbtError, StoreRefused
from pbt_contract.key_rules import check_key, is_key
from pbt_contract.records import Birth, Cause, File, Source
from pbt_contract.stores import Store
from pbt_contract.stores.folder import FolderStore
from pbt_contract.stores.s3 import S3Store
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.records import owners
from pbt_operator.records.archive import read_archive
from pbt_operator.runners.kubernetes.config import StoreConfig
from pbt_operator.runners.kubernetes.finalizer import purge
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.store_clients import location_of, open_location
from service.hostile.texts import TEXTS, spoilt
from simulation import Simulation
from simulation.memory_store import MemoryStore

SMALL = {"members": 3, "schedule": {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}}
OUTSIDE = [
    "../other/x", "/etc/passwd", "a/../../x", "..", ".", "a\\..\\b", "%2e%2e/%2e%2e/x", "a\x00b", "", "a//b",
    "~/x", "C:\\x",
    "s3://other/x", "checkpoints/../../x", "checkpoints/./x", "\u2025/x", "\uff0e\uff0e/x", " ", "a\nb", "x" * 600,
]  # fmt: skip


class Client:
    """An S3 client that notes what it is asked for; something is there everywhere,
    and others' uploads are as well."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def list_objects_v2(self, **arguments: Any) -> dict[str, Any]:
        self.asked.append(arguments["Prefix"])
        return {"Contents": [{"Key": f"{arguments['Prefix']}x"}]}

    def delete_objects(self, **arguments: Any) -> dict[str, Any]:
        self.asked += [item["Key"] for item in arguments["Delete"]["Objects"]]
        return {}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **arguments: Any) -> list[dict[str, Any]]:
        self.asked.append(arguments["Prefix"])
        return []

    def list_multipart_uploads(self, **_: Any) -> dict[str, Any]:
        return {"Uploads": [{"Key": "pbt/team-b/digits-0a1b2c3d/x", "UploadId": "1"}]}


HOME = "pbt/team-a/digits-0a1b2c3d"


@pytest.mark.parametrize("key", OUTSIDE, ids=repr)
@pytest.mark.parametrize("kind", ["memory", "folder", "s3"])
def test_no_store_takes_a_key_that_leads_out(kind: str, key: str, tmp_path: Path) -> None:
    client = MagicMock()
    store: Store = {
        "memory": MemoryStore(),
        "folder": FolderStore(tmp_path / "location"),
        "s3": S3Store("bucket", HOME, client=client),
    }[kind]
    file = tmp_path / "file"
    file.write_bytes(b"x")
    uses = [
        lambda: store.read(key),
        lambda: store.create(key, b"x"),
        lambda: store.delete(["checkpoints/x", key]),
        lambda: store.upload(key, file, size=1),
        lambda: store.fetch(key, File(name="x", size=1, sha256="0"), tmp_path),
        *(
            []
            if key == ""
            else [
                lambda: list(store.names(key)),
                lambda: list(store.names(f"{key}/")),
                lambda: store.abandon_uploads(key),
            ]
        ),
    ]
    for use in uses:
        with pytest.raises(KeyRefused):
            use()
    assert client.mock_calls == []
    assert sorted(tmp_path.rglob("*")) == [file]


class Use(NamedTuple):
    """One thing that was asked of a store."""

    verb: str
    key: str


class Watched(MemoryStore):
    """Notes every key that is asked for, before anything checks it."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: list[Use] = []

    def read(self, key: str) -> bytes:
        self.uses.append(Use("read", key))
        return super().read(key)

    def create(self, key: str, data: bytes) -> bytes:
        self.uses.append(Use("create", key))
        return super().create(key, data)

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        self.uses.append(Use("names", prefix))
        return super().names(prefix, start_after=start_after)

    def delete(self, doomed: Iterable[str]) -> None:
        listed = list(doomed)
        self.uses += [Use("delete", key) for key in listed]
        super().delete(listed)

    def abandon_uploads(self, prefix: str) -> None:
        self.uses.append(Use("abandon", prefix))
        super().abandon_uploads(prefix)


def probes(store: Watched) -> set[str]:
    """What the operator wrote itself to try the store."""
    return {key for verb, key in store.uses if verb == "create" and key.startswith(keys.PROBES)}


REPORT = {
    "format": 1, "member": 1, "incarnation": 1, "step": 50, "round": 5, "metrics": {"score": 99.0},
    "hyperparameters": {},
    "checkpoint": "checkpoints/00001-000001/000000000050-n/", "files": [{"name": "x", "size": 1, "sha256": "0"}],
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    trees=st.lists(st.tuples(spoilt(REPORT), st.sampled_from(OUTSIDE + TEXTS[:12])), min_size=1, max_size=3),
    honest=st.booleans(),
)
def test_whatever_members_write_the_operator_asks_only_for_keys_of_the_layout(
    trees: list[tuple[Any, str]], honest: bool
) -> None:
    store = Watched()
    simulation = Simulation(spec(DETERMINISTIC, **SMALL), Deterministic(), store=store)
    simulation.step()
    hyperparameters = simulation.repository.birth(1, 1).hyperparameters
    for number, (drawn, place) in enumerate(trees):
        tree = drawn
        if isinstance(drawn, dict):
            checkpoint = drawn.get("checkpoint") if honest else place
            tree = {**drawn, "format": 1, "checkpoint": checkpoint, "hyperparameters": hyperparameters}
        store.put(keys.report(5, 1, 50 + number), json.dumps(tree).encode())
        store.put(keys.save(1, 1, 41 + number), json.dumps(tree).encode())
    simulation.run(max_seconds=1e6)
    read_archive(store)
    tops = {keys.BIRTHS, keys.CLAIMS, keys.YIELDS, keys.ROUNDS, keys.REPORTS, keys.SAVES, keys.CHECKPOINTS}
    tops |= {keys.SPECS, keys.OWNERS, keys.RESULTS, keys.PROBES, keys.GATES, keys.ENDS}
    for verb, key in store.uses:
        check_key(key.removesuffix("/"))
        assert f"{key.split('/')[0]}/" in tops
        assert verb not in {"delete", "abandon"} or key.startswith("checkpoints/") or key in probes(store)


def test_retention_deletes_nothing_but_checkpoints_that_trainers_made() -> None:
    store = Watched()
    kept = [
        "checkpoints/x",
        "checkpoints/00001-000001",
        "checkpoints/00001-000001/x",
        "notes.txt",
        "checkpoints/a/b/c",
        "births/x",
    ]
    for key in kept:
        store.put(key, b"")
    Simulation(spec(DETERMINISTIC, **SMALL), Deterministic(), store=store).run()
    deleted = {key for verb, key in store.uses if verb == "delete"} - probes(store)
    assert deleted
    assert not deleted & set(kept)
    assert all(keys.parse_life(key.split("/")[1]) for key in deleted)
    assert set(kept) <= set(store.names(""))


# Where a Population lies, and what is deleted with it

STORE = StoreConfig(name="default", bucket="experiments", prefix="pbt")
NAMES = st.sampled_from([*OUTSIDE, *TEXTS[:20], "digits", "team-b", "pbt"])


@settings(max_examples=200, deadline=None)
@given(prefix=NAMES, adopt=st.none() | NAMES, name=NAMES, namespace=st.just("team-a"))
def test_no_manifest_leads_out_of_its_namespaces_folder(
    prefix: str, adopt: str | None, name: str, namespace: str
) -> None:
    storage = Storage.model_construct(store="default", prefix=prefix, adopt=adopt)
    try:
        url = location_of(STORE, namespace=namespace, name=name, uid="0a1b2c3d-0000", storage=storage)
        store = open_location(STORE, url)
    except (KeyRefused, StoreRefused):
        return
    assert store.url.startswith("s3://experiments/pbt/team-a/")
    assert store.url != "s3://experiments/pbt/team-a/"
    assert ".." not in store.url.split("/")


def test_a_purge_asks_for_nothing_outside_and_only_the_owner_gets_one() -> None:
    client = Client()
    S3Store("experiments", HOME, client=client).purge()  # type: ignore[arg-type]
    assert client.asked
    assert all(key.startswith(f"{HOME}/") for key in client.asked)
    for prefix in ("", "/"):
        with pytest.raises(PbtError):
            S3Store("experiments", prefix, client=Client()).purge()  # type: ignore[arg-type]
    store = MemoryStore()
    owners.settle(store, uid="u1", name="digits", namespace="team-a", adopt=False)
    told = purge(store, Owner(name="digits", namespace="team-b", uid="u2"))
    assert "stays" in told
    assert list(store.names(keys.OWNERS))


@pytest.mark.parametrize("place", OUTSIDE, ids=repr)
def test_a_source_that_leads_out_is_refused_and_is_never_deleted(place: str) -> None:
    """A forged birth may name any place; nobody asks a store for it before it was checked."""
    store = Watched()
    simulation = Simulation(spec(DETERMINISTIC, **SMALL), Deterministic(), store=store)
    source = Source(member=2, incarnation=1, step=10, checkpoint=place, record=place)
    forged = Birth(
        member=1, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={"rate": 0.01, "depth": 2}, source=source,
        start_step=10, previous_step=10, round=1, reason="forged",
    )  # fmt: skip
    simulation.step()
    store.put(keys.birth(1, 2), encode(forged))
    simulation.operator_restarts()
    with pytest.raises(PbtError):
        simulation.run(max_seconds=1e4)
    assert all(is_key(key.removesuffix("/")) or key == place for _, key in store.uses)
    assert all(verb == "read" for verb, key in store.uses if key == place)
