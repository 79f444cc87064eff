"""Takes a population's location, and accepts the spec that is asked for there."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pbt_contract.stores import Store
from pbt_contract.stores.probe import probe
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import LocationEmptied, Ownership
from pbt_operator.core.crossing import crossings, doubt
from pbt_operator.core.location_records import SpecHistory, SpecRecord
from pbt_operator.core.spec import Spec
from pbt_operator.core.strategy import Strategy
from pbt_operator.manifest.population import PopulationSpec, as_now, recorded, to_core, to_wire
from pbt_operator.manifest.settled_spec import settled
from pbt_operator.records import specs


def take(
    store: Store,
    manifest: PopulationSpec,
    ownership: Ownership,
    emit: Callable[[Event], None],
    retry: str | None,
) -> tuple[SpecRecord, bool]:
    """Takes a location and accepts the spec; returns the record in force, and whether the location was empty."""
    known = specs.history(store)
    if known is None and ownership.begun_at == store.url:
        raise LocationEmptied(store.url)
    if ownership.begins(store):
        probe(store)
    _asked(manifest, known, ownership, location=store.url)  # who can't go on here doesn't take it either
    ownership.settle(store)
    record = accept(store, manifest, ownership, retry)
    if known is None:
        _hint(to_core(recorded(record)), emit)
    return record, known is None


def accept(store: Store, manifest: PopulationSpec, ownership: Ownership, retry: str | None) -> SpecRecord:
    """Records the spec unless it is the one in force; returns the record in force."""
    return specs.accept(
        store,
        name=ownership.name,
        namespace=ownership.namespace,
        asked=partial(_asked, manifest, ownership=ownership, location=store.url),
        as_now=as_now,
        retry=retry,
    )


def _asked(
    manifest: PopulationSpec, known: SpecHistory | None, ownership: Ownership, *, location: str
) -> dict[str, Any]:
    """The spec to record where a location holds this much; refuses what can't go on there."""
    if known is not None:
        ownership.check_identity(known, manifest, location=location)
    return to_wire(settled(manifest, known))


def _hint(spec: Spec, emit: Callable[[Event], None]) -> None:
    """Says before GPUs are spent where moves hardly leave what was drawn first; what Auto chose nobody can change."""
    for crossing in crossings(spec) if spec.strategy is Strategy.EXPLICIT else ():
        if crossing.is_slow:
            told = (
                f"{crossing}; longer moves (explore.reachPercent), smaller ranges or more rounds would help"
            )
            emit(Event("SlowSearch", told))
    told_of_explore = doubt(spec)
    if told_of_explore is not None:
        emit(Event("ExploreUnused", told_of_explore))
