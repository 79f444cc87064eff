"""What must hold of the end of a population: it has a result, the resource shows that, and what it says is true."""

from collections.abc import Iterable, Iterator
from typing import Any

from pbt_contract.records import Birth, Cause
from pbt_contract.text import one_line
from pbt_operator.core.status import PopulationPhase, Result

NO_SCORE = "NoFiniteScore"


def false_results(result: Result | None, status: dict[str, Any]) -> Iterator[str]:
    """Faults of the result as it is shown.

    Args:
        result: the newest one under the newest spec.
        status: the resource's.
    """
    if result is None:
        yield "it ended without a result"
    elif status.get("phase") != result.phase:
        yield f"the status shows {status.get('phase')}, it ended {result.phase}"
    else:
        told = {one["type"]: one for one in status["conditions"]}[result.phase]
        if (told["reason"], told["message"]) != (
            result.reason,
            one_line(result.message)[: len(told["message"])],
        ):
            yield f"the condition says {told['message']!r}, the result {result.message!r}"


def untrue_ends(result: Result, *, members: int, births: Iterable[Birth], is_scored: bool) -> Iterator[str]:
    """Faults of a result: Complete means that there is a best, and tells who failed.

    Args:
        result: how it ended.
        members: how many there were to be.
        births: all of them.
        is_scored: whether a report that counts has a finite score.
    """
    if result.phase is PopulationPhase.COMPLETE and not is_scored:
        yield f"it is Complete ({result.reason}) without a finite score"
    if result.reason == NO_SCORE and is_scored:
        yield f"it failed with {NO_SCORE}, and there is a finite score"
    newest: dict[int, Birth] = {}
    for birth in births:
        known = newest.get(birth.member)
        if birth.member < members and (known is None or birth.incarnation > known.incarnation):
            newest[birth.member] = birth
    failed = sum(birth.cause is Cause.FAILED for birth in newest.values())
    if result.phase is PopulationPhase.COMPLETE and failed:
        told = f"{failed} of {members} members failed"
        if told not in result.message:
            yield f"{told}, and it says {result.message!r}"
