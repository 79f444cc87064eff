"""What is taken of a report or save that was read and may be believed."""

from typing import NamedTuple

from msgspec.structs import replace

from pbt_contract.records import Birth, Report
from pbt_operator.core.history import History

# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16


HELD_PER_MEMBER, HELD_BESIDES, HELD_AT_MOST = 256, 8192, 65536
"""By weight, before only what the next round lacks is read: 64 MB however many members there are. The round that is
decided next has what it needs all the same."""

EVALUATIONS_A_WEIGHT = 32  # a record without lists takes about a kilobyte, and so do so many numbers


def too_much_held(history: History) -> int | None:
    """What the reports of undecided rounds take, if it is more than is held of so many members; else None."""
    known = (record for member in history.members for record in history.records(member))
    held = sum(_weight(record) for record in known if (record.round or 0) > history.decided)
    return held if held > min(HELD_BESIDES + HELD_PER_MEMBER * len(history.members), HELD_AT_MOST) else None


def _weight(record: Report) -> int:
    lists = (len(value) for value in record.metrics.values() if isinstance(value, list))
    return 1 + sum(lists) // EVALUATIONS_A_WEIGHT


class Arrival(NamedTuple):
    """A report or save that was read and may be believed, with the birth of the life that wrote it."""

    report: Report
    birth: Birth


def lean(report: Report, birth: Birth, *, objective: str | None) -> Report:
    """The report without what no decision looks at: thousands of them are kept.

    Args:
        report: as it was read.
        birth: of its life; they share their hyperparameters.
        objective: the only metric that is kept; None keeps all.
    """
    kept = (
        report.metrics if objective is None else {n: v for n, v in report.metrics.items() if n == objective}
    )
    shared = birth.hyperparameters
    return replace(report, hyperparameters=shared, metrics=kept, effective={}, files=[], notes=[])
