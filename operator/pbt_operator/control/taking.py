"""Takes a population's location, and accepts the spec that is asked for there."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pbt_contract import keys
from pbt_contract.assignment import sharing_variables
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
from pbt_operator.records import results, specs


def take(
    store: Store,
    manifest: PopulationSpec,
    ownership: Ownership,
    emit: Callable[[Event], None],
    retry: str | None,
    generation: int | None,
) -> tuple[SpecRecord, bool]:
    """Takes a location and accepts the spec; returns the record in force, and whether the location was empty."""
    known = specs.history(store)
    if known is None and ownership.begun_at == store.url:
        raise LocationEmptied(store.url)
    if ownership.begins(store):
        probe(store)
    _asked(manifest, known, ownership, location=store.url)  # who can't go on here doesn't take it either
    ownership.settle(store)
    record = accept(store, manifest, ownership, retry, generation)
    if known is None:
        _hint(to_core(recorded(record)), emit)
    return record, known is None


def accept(
    store: Store, manifest: PopulationSpec, ownership: Ownership, retry: str | None, generation: int | None
) -> SpecRecord:
    """Records the spec unless it is the one in force; returns the record in force.

    Args:
        store: the population's.
        manifest: what is asked.
        ownership: who asks.
        retry: see `Session.replace_spec`.
        generation: see there; it counts where the population failed under the spec in force.
    """
    failed = generation is not None and failed_result(store) is not None
    return specs.accept(
        store,
        name=ownership.name,
        namespace=ownership.namespace,
        asked=partial(_asked, manifest, ownership=ownership, location=store.url),
        as_now=as_now,
        retry=retry,
        generation=generation if failed else None,
    )


def failed_result(store: Store) -> str | None:
    """The key of the spec in force, if the population failed under it: by that one asks to continue.

    None also where that would find the same: see `Result.can_be_retried`.
    """
    known, ended = specs.newest(store), results.newest_head(store)
    if known is None or ended is None or not ended.can_be_retried:
        return None
    return keys.spec(ended.spec) if ended.spec == known.number else None


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
    for variable, names in sharing_variables(h.name for h in spec.hyperparameters).items():
        told = f"{variable} would be each of {', '.join(names)}: it is left out; PBT_HYPERPARAMETERS has them"
        emit(Event("VariableLeftOut", told))
    told_of_explore = doubt(spec)
    if told_of_explore is not None:
        emit(Event("ExploreUnused", told_of_explore))
