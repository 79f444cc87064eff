"""What must hold of the end of a population: it has a result, the resource shows that, and what it says is true."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from pbt_contract.records import Birth, Cause, Report
from pbt_contract.text import one_line
from pbt_operator.core.status import PopulationPhase, Result
from pbt_operator.records.archive import Archive

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
        if status.get("final") != as_shown(result):
            yield f"the status shows {status.get('final')} as the final one, the result {result.final}"
        if (told["reason"], told["message"]) != (
            result.reason,
            one_line(result.message)[: len(told["message"])],
        ):
            yield f"the condition says {told['message']!r}, the result {result.message!r}"


COUNTED = ("rounds", "births", "exploits", "steps", "seconds")


def wrong_counts(result: Result, records: Archive, resource: dict[str, Any]) -> Iterator[str]:
    """Faults of the counts: the result and the resource tell the same ones, and those are what is recorded.

    Lives that were over may have recorded steps after the end, all of which are discarded.
    """
    told = msgspec.to_builtins(result)
    for name in COUNTED:
        if told[name] != resource.get(name):
            yield f"{name}: the resource has {resource.get(name)}, the result {told[name]}"
    if result.rounds != len(records.rounds):
        yield f"{len(records.rounds)} rounds are decided, and the result has {result.rounds}"
    steps = replace(records, result=None).status().steps
    is_through = result.reason == "AllStepsDone"  # else trainers are stopped, and save what they have
    later = steps.productive - result.steps.productive
    if (later if is_through else later < 0) or steps.discarded < result.steps.discarded:
        yield f"the records have {steps}, the result {result.steps}"


def as_shown(result: Result) -> dict[str, Any] | None:
    """The final checkpoint in the words of a resource."""
    return None if result.final is None else msgspec.to_builtins(result.final)


def lines_of(births: Iterable[Birth], counting: Iterable[Report]) -> dict[int, list[Report]]:
    """By member, what counts of its newest decision and the resumes since; nothing where its line is closed."""
    begun: dict[int, int] = {}
    for birth in births:
        if not birth.cause.resumes:
            begun[birth.member] = max(birth.incarnation, begun.get(birth.member, 0))
    known = list(counting)
    return {m: [r for r in known if r.member == m and r.incarnation >= i] for m, i in begun.items()}


def wrong_finals(result: Result, *, goal: str, lines: Mapping[int, Iterable[Report]]) -> Iterator[str]:
    """Faults of `final`: where all members are through, it is the best of their newest scores.

    Args:
        result: how it ended.
        goal: of the objective.
        lines: by member that is left, the records of its line that count.
    """
    if result.reason != "AllStepsDone":
        return
    best = max if goal == "Maximize" else min
    reports = [[record for record in line if record.round is not None] for line in lines.values()]
    newest = [max(line, key=lambda one: (one.step, one.incarnation)) for line in reports if line]
    scores = {one.member: score for one in newest if (score := one.score("score")) is not None}
    first = min((m for m in scores if scores[m] == best(scores.values())), default=None)
    wanted = next(((*one.life, one.step) for one in newest if one.member == first), None)
    final = result.final
    found = (final.member, final.incarnation, final.step) if final is not None else None
    if found != wanted:
        yield f"the final one is {found}, the best of the newest scores {wanted}"


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
