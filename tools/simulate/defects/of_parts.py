"""Defects of sub-populations: who decides in a round, and by how many."""

from typing import Any
from unittest.mock import patch

from msgspec import UNSET
from msgspec.structs import replace

from pbt_operator.core import quorum
from pbt_operator.core.quorum import Attendance


def _a_sub_population_decides_without_its_quorum() -> Any:
    taken = quorum._turns_taken
    return patch.object(quorum, "_turns_taken", lambda attendance, _percent: taken(attendance, 0))


def _a_sub_population_never_decides() -> Any:
    taken = quorum._turns_taken

    def but_the_last(attendance: Attendance, percent: float) -> Any:
        found = taken(attendance, percent)
        return found if found is UNSET else [*found[:-1], replace(found[-1], decides=False)]

    return patch.object(quorum, "_turns_taken", but_the_last)


MADE = (_a_sub_population_decides_without_its_quorum, _a_sub_population_never_decides)

CAUGHT_BY = dict.fromkeys(MADE, 10)
