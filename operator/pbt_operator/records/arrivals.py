"""What is taken of a report or save that was read and may be believed."""

from typing import NamedTuple

from msgspec.structs import replace

from pbt_contract.records import Birth, Report

# Two for the target (two reports in a row), and what retention may be asked to keep.
RECORDS_PER_MEMBER = 16


class Arrival(NamedTuple):
    """A report or save that was read and may be believed, with the birth of the life that wrote it."""

    report: Report
    birth: Birth


def lean(report: Report, birth: Birth) -> Report:
    """The report without what no decision looks at: thousands of them are kept."""
    return replace(report, hyperparameters=birth.hyperparameters, effective={}, files=[], notes=[])
