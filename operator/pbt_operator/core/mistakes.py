"""Whether the script is to blame for a population in which nobody has reported: then no retry of any member helps."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile

from pbt_operator.core.crash_words import fault_of, is_mistake, is_unable, last_line
from pbt_operator.core.crashed import AFTER_CRASHES
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase

MEMBERS_MISTAKEN = 2
ENDS_ALIKE = 2
ENDS_ALIKE_IN_ALL = 8
"""Fewer may have been drawn from the same region that crashes; those of a member after two have other values."""

_REMEDIES = (
    (re.compile(r"No module named"), "; install it where the trainers run: beside pbt, or in their image"),
    (
        re.compile(r"can't open file '"),
        "; the script has to be where the trainers run: paths are seen from there",
    ),
)
"""What to do about what a process says, where that doesn't say so itself."""


def mistake_of(
    history: History, spec: Spec, *, running: Collection[int], logs: Mapping[int, str]
) -> Outcome | None:
    """The end of a population whose script is mistaken; None while anybody may still train, or has reported.

    Two members said so by their exit code, two could not even begin, or all of them have ended again and again with
    the same last line.

    Args:
        history: what is known.
        spec: what is asked.
        running: the members that have a process.
        logs: by member, where its whole output is, as far as that is known.
    """
    if history.has_reported:
        return None
    ends = {member: _ends_in_a_row(history, member) for member in range(spec.members)}
    mistaken = [member for member, found in ends.items() if found and is_mistake(found[0])]
    if len(mistaken) >= min(MEMBERS_MISTAKEN, spec.members):
        return _failed("said that the script or the manifest is mistaken", mistaken, ends, logs)
    unable = [member for member, found in ends.items() if found and is_unable(found[0])]
    if len(unable) >= min(MEMBERS_MISTAKEN, spec.members):
        return _failed("could not begin", unable, ends, logs)
    if running or not _are_alike(ends):
        return None
    return _failed("ended with the same words again and again", list(ends), ends, logs)


def _ends_in_a_row(history: History, member: int) -> Sequence[End]:
    """How its newest lives ended by their own fault, the newest first, since its line began or came back."""
    begun = [
        b.incarnation for b in history.births(member) if not (b.cause.resumes or b.cause in AFTER_CRASHES)
    ]
    since = max(begun, default=0)
    newest = (end for end in history.ends.of(member) if end.incarnation >= since)
    return list(takewhile(lambda end: fault_of(end, has_record=False) is not None, newest))


def _are_alike(ends: Mapping[int, Sequence[End]]) -> bool:
    """Whether all members have ended often enough, with the same last line."""
    fewest = min(len(found) for found in ends.values())
    lines = {last_line(end) for found in ends.values() for end in found}
    is_often = fewest >= ENDS_ALIKE and sum(map(len, ends.values())) >= ENDS_ALIKE_IN_ALL
    return is_often and len(lines) == 1 and lines != {""}


def _failed(
    what: str, members: Sequence[int], ends: Mapping[int, Sequence[End]], logs: Mapping[int, str]
) -> Outcome:
    """Tells it once, in the words of the first of these members."""
    first = next((member for member in members if member in logs), members[0])
    who = f"members {', '.join(map(str, members[:3]))}{' and others' if len(members) > 3 else ''}"
    who = f"member {members[0]}" if len(members) == 1 else who
    told = f"{who} {what}, and nobody has reported: {ends[first][0].message or 'no output'}"
    told += next((remedy for pattern, remedy in _REMEDIES if pattern.search(told)), "")
    where = f"; all that member {first} printed: {logs[first]}" if logs.get(first) else ""
    return Outcome(PopulationPhase.FAILED, "Mistake", told + where)
