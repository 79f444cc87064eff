"""The newest report of single members, found by their lives: a few reads for each, however many records there are."""

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from pbt_contract import keys
from pbt_contract.counting import report_fault
from pbt_contract.encoding import decode, decode_report
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused
from pbt_contract.records import Birth, Report
from pbt_contract.stores import Store
from pbt_operator.records.parallel import read_all


class Reached(NamedTuple):
    """How far a member is known to be: its newest incarnation, and the step of its newest report or save."""

    member: int
    incarnation: int
    step: int


def newest_reports(
    store: Store, reached: Iterable[Reached], *, interval_steps: int, readers: int = 1
) -> dict[int, Report]:
    """By member, the newest report of its line; members that have reported nothing since a decision lack it.

    Args:
        store: opened at the population's location.
        reached: of each member.
        interval_steps: between rounds.
        readers: threads that read at once.

    Raises:
        NotFound: a member's birth is not there: it is another location, or none.
        NewerFormat: a newer version has written one of these.
        StoreUnavailable: the store can't be reached.
    """
    found = read_all(partial(_newest_report, store, interval_steps), reached, readers=readers)
    return {report.member: report for report in found if report is not None}


def _newest_report(store: Store, interval_steps: int, reached: Reached) -> Report | None:
    """Looks in the rounds around the step, along the resumes that led to it."""
    last_round = -(-reached.step // interval_steps)  # which a report at the end belongs to, whatever its step
    counted_to = None
    for incarnation in range(reached.incarnation, 0, -1):
        key = keys.birth(reached.member, incarnation)
        birth = decode(Birth, store.read(key), key=key)
        for number in (last_round, last_round - 1):
            report = _report(store, keys.report(number, *birth.life)) if number > 0 else None
            if report is None or (counted_to is not None and report.step > counted_to):
                continue
            if report_fault(report, birth, interval_steps=interval_steps) is None:
                return report
        if not birth.cause.resumes:
            return None
        counted_to = birth.previous_step if counted_to is None else min(counted_to, birth.previous_step)
    return None


def _report(store: Store, key: str) -> Report | None:
    try:
        return decode_report(store.read(key), key=key)
    except NewerFormat:
        raise
    except (NotFound, RecordRefused):  # what is no report is left out everywhere
        return None
