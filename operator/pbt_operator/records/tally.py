"""Counts what a population has done so far, from its births and the names of its records."""

from pbt_contract import keys
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.records.birth_log import BirthLog, by_life


def tally(history: History, births: BirthLog, interval_steps: int, total_steps: int) -> Ledger:
    """The ledger of the history brought up to date, or a new one, for which every birth is read.

    Args:
        history: what is known.
        births: of the same population.
        interval_steps: between rounds.
        total_steps: of each member; the last round may be shorter than the others.
    """
    ledger = history.ledger or Ledger()
    for birth in [] if history.ledger is not None else births.every():
        ledger.add_birth(birth)
    names = [*births.store.names(keys.REPORTS), *births.store.names(keys.SAVES)]
    for (member, incarnation), key in by_life(names):
        known = history.record(member, key)
        step = known.step if known else min(keys.step_in(key, interval_steps), total_steps)
        ledger.add_record(member, incarnation, step)
    return ledger
