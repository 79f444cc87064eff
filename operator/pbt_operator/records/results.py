"""The result records: how a population ended, made of what its operator knows, and read back."""

from contextlib import suppress

from pbt_contract import keys
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.lineage import lineage_of
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.round_record import Standing
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.core.status import Result
from pbt_operator.core.status_builder import claimed_activity, status_of
from pbt_operator.records.birth_log import by_life
from pbt_operator.records.large_records import read_head_only, read_large, write_large
from pbt_operator.records.paged_names import PagedNames, newest_number
from pbt_operator.records.repository import Repository

RESULTS_TRIED = 64  # of those that can't be read; a population hardly ends so often


class Conclusion:
    """What `pbt_operator.records.archive` would tell of a population that ended, without reading the whole story."""

    def __init__(self, repository: Repository) -> None:
        """Has read nothing yet."""
        self._repository = repository
        self._ledger: Ledger | None = None
        self._births: dict[Life, Birth] = {}  # behind the best, as far as they are recorded
        self._listed, self._claimed = PagedNames.below(repository.store, keys.CLAIMS), set[Life]()

    def go_on(
        self, spec: Spec, outcome: Outcome, *, spec_number: int, allowance: Allowance | None = None
    ) -> Result | None:
        """Reads what the result tells; None if the allowance was spent before. None of these is as much as it takes."""
        allowance, repository = allowance or Allowance(), self._repository
        if self._ledger is None:
            in_place, total_steps = spec.restart is Restart.IN_PLACE, spec.schedule.total_steps
            self._ledger = repository.count(takeovers=in_place, total_steps=total_steps, allowance=allowance)
        if self._ledger is None or not repository.ledgers.read_all(allowance):
            return None
        best = repository.history.best(spec.objective)
        self._claimed.update(life for life, _ in by_life(self._listed.go_on(allowance)))
        if not self._listed.is_whole or (best is not None and not self._trace(best, allowance)):
            return None
        repository.rounds.learn()
        status = status_of(
            repository.history,
            self._ledger,
            spec,
            phase=outcome.phase,
            reason=outcome.reason,
            message=outcome.message,
            rounds=repository.rounds.num_decided,
            activity=claimed_activity(repository.history, self._claimed),
        )
        segments = lineage_of(best, self._births) if best is not None else []
        return Result.of(status, spec=spec_number, lineage=segments)

    def _trace(self, best: Standing, allowance: Allowance) -> bool:
        """Whether the births behind a standing are known, as far as they are recorded."""
        life: Life | None = best.life
        passed, begins = set[Life](), True
        with suppress(NotFound):
            while life is not None and life not in passed:
                passed.add(life)
                if life not in self._births:
                    if allowance.is_spent and not begins:
                        return False
                    self._births[life], begins = self._repository.peek(life), False
                    allowance.spend(reads=1)
                birth = self._births[life]
                life = birth.source.life if birth.source is not None else None
        return True


def newest_result(store: Store) -> Result | None:
    """How the population ended last, under whichever spec."""
    number = newest_number(store, keys.RESULTS)
    return read_large(store, Result, keys.result(number)) if number else None


def newest_head(store: Store) -> Result | None:
    """As `newest_result`, perhaps without what it tells of members: however large it is, one record is read."""
    number = newest_number(store, keys.RESULTS)
    return read_head_only(store, Result, keys.result(number)) if number else None


def result_under(store: Store, spec_number: int) -> Result | None:
    """How the population ended under that spec, as the newest record says that can be read."""
    newest = newest_number(store, keys.RESULTS)
    for number in range(newest, max(0, newest - RESULTS_TRIED), -1):
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
        number = 1 + newest_number(store, keys.RESULTS)
        known = result_under(store, result.spec)
        if known is not None:
            return known
        key = keys.result(number)  # whoever has written meanwhile has this number too
        stored = write_large(store, result, key=key)
        if stored.spec == result.spec:
            return stored
