"""A location outlives the Population that began it; one of them drives it at a time."""

import msgspec

from cluster.applied import Applied
from cluster.populations import SMALL, decisions
from cluster.space import Space
from pbt_contract import keys
from pbt_operator.core.status import Best
from pbt_operator.records import owners
from pbt_operator.records.archive import Archive, read_archive


def leaf(applied: Applied) -> str:
    """The last part of its location, as `storage.adopt` takes it."""
    return applied.store.url.rstrip("/").rpartition("/")[2]


def test_a_new_population_goes_on_where_a_deleted_one_was(space: Space, local: Archive) -> None:
    """With the same best from the first moment, and with the decisions of a run that was never interrupted."""
    template = space.template("deterministic.py", STEP_SECONDS="0.5")
    first = space.apply(space.population("first", SMALL, template=template))
    first.until_round(2)
    first.patch(suspend=True)
    first.until_condition("Suspended")
    first.until(lambda: not first.live, "no trainer is left")
    store = first.store
    best = Best.of(read_archive(store).best)  # the status may be a pass behind
    assert best is not None
    stored = records_of(first) | set(store.names(best.checkpoint))
    first.delete()
    assert stored <= set(store.names(""))  # meanwhile ends may be recorded, and superseded checkpoints swept
    second = space.apply(space.population("second", SMALL, template=template, storage={"adopt": leaf(first)}))
    found = second.until_ended()
    shown = [c.body["status"]["best"] for c in space.populations.changes if is_shown_by(second, c.body)]
    assert shown[0] == msgspec.to_builtins(best)
    assert second.store.url == store.url
    owner = owners.current(store)
    assert owner is not None
    assert (owner.number, owner.uid) == (2, second.uid)
    assert decisions(found) == decisions(local)


def is_shown_by(applied: Applied, body: dict) -> bool:
    return body["metadata"]["uid"] == applied.uid and "best" in body.get("status", {})


def records_of(applied: Applied) -> set[str]:
    """The keys of all that an owner never deletes."""
    return {key for key in applied.keys if not key.startswith(keys.CHECKPOINTS)}


def test_a_population_whose_location_was_adopted_stops_and_deletes_nothing(space: Space) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="2")
    retention = {"onDelete": "Delete"}
    first = space.apply(space.population("first", SMALL, retention=retention, template=template))
    first.until(lambda: len(first.live) == 4 and first.status.get("readyReplicas") == 4, "it trains")
    storage = {"adopt": leaf(first)}
    second = space.apply(space.population("second", SMALL, storage=storage, template=template))
    failed = first.until_condition("Failed", reason="NotOwner")
    assert f"Population {space.name}/second" in failed["message"]
    first.until(lambda: not first.live, "its pods have gone")
    before = records_of(second)
    first.delete()
    assert records_of(second) >= before
    second.until_round(1)
    second.patch(finish=True)
    assert second.until_ended(reason="Finished").best is not None
