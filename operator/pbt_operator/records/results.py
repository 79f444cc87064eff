"""The result records: how a population ended, made of what its operator knows, and read back."""

from contextlib import suppress

from pbt_contract import keys
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.core.lineage import lineage_of
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.round_record import Standing
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.core.status import Result
from pbt_operator.core.status_builder import claimed_activity, status_of
from pbt_operator.records.claims import claimed_lives
from pbt_operator.records.large_records import read_large, write_large
from pbt_operator.records.repository import Repository


def conclude(repository: Repository, spec: Spec, outcome: Outcome, *, spec_number: int) -> Result:
    """What `pbt_operator.records.archive` would tell of it, without reading the whole story."""
    in_place, total_steps = spec.restart is Restart.IN_PLACE, spec.schedule.total_steps
    ledger, history = repository.count(takeovers=in_place, total_steps=total_steps), repository.history
    repository.ledgers.read_all()
    best = history.best(spec.objective)
    segments = lineage_of(best, _ancestors(repository, best)) if best is not None else []
    status = status_of(
        history,
        ledger,
        spec,
        phase=outcome.phase,
        reason=outcome.reason,
        message=outcome.message,
        rounds=repository.rounds.count(),
        activity=claimed_activity(history, set(claimed_lives(repository.store))),
    )
    return Result.of(status, spec=spec_number, lineage=segments)


def _ancestors(repository: Repository, standing: Standing) -> dict[Life, Birth]:
    """The births behind a standing, as far as they are recorded."""
    found: dict[Life, Birth] = {}
    life: Life | None = standing.life
    with suppress(NotFound):
        while life is not None and life not in found:
            birth = found[life] = repository.peek(life)
            life = birth.source.life if birth.source is not None else None
    return found


def newest_result(store: Store) -> Result | None:
    """How the population ended last, under whichever spec."""
    number = keys.newest_number(store.names(keys.RESULTS))
    return read_large(store, Result, keys.result(number)) if number else None


def result_under(store: Store, spec_number: int) -> Result | None:
    """How the population ended under that spec, as the newest record says that can be read."""
    for number in range(keys.newest_number(store.names(keys.RESULTS)), 0, -1):
        try:
            result = read_large(store, Result, keys.result(number))
        except NewerFormat:
            raise
        except (NotFound, RecordRefused):
            continue
        return result if result.spec == spec_number else None
    return None


def write_result(store: Store, result: Result) -> Result:
    """Records how it ended; returns the one record under its spec, whoever was first to write it."""
    while True:
        number = 1 + keys.newest_number(store.names(keys.RESULTS))
        known = result_under(store, result.spec)
        if known is not None:
            return known
        key = keys.result(number)  # whoever has written meanwhile has this number too
        stored = write_large(store, result, key=key)
        if stored.spec == result.spec:
            return stored
