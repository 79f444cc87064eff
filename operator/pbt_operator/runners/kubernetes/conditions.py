"""The conditions of a Population: the API by which machines learn how it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pbt_contract.text import abridged, one_line

MAX_MESSAGE = 2000
"""The API takes 32768 characters; nobody reads so many."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        kind: its type, such as `Accepted`.
        status: as Kubernetes spells it.
        reason: CamelCase.
        message: one sentence for people, with the remedy where there is one.
    """

    kind: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""


def merged(
    before: Iterable[Mapping[str, Any]], now: Iterable[Condition], *, generation: int, time: str
) -> list[dict[str, Any]]:
    """The conditions as the status holds them; the time changes only with the status of a condition.

    Args:
        before: as the status held them.
        now: all that are known now; conditions of other types are left as they were.
        generation: of the spec that was looked at.
        time: RFC 3339.
    """
    known: dict[str, Mapping[str, Any]] = {condition["type"]: condition for condition in before}
    for condition in now:
        former = known.get(condition.kind, {})
        changed = former.get("status") != condition.status
        known[condition.kind] = {
            "type": condition.kind,
            "status": condition.status,
            "reason": condition.reason,
            "message": abridged(one_line(condition.message), MAX_MESSAGE),
            "observedGeneration": generation,
            "lastTransitionTime": time if changed else former["lastTransitionTime"],
        }
    return [dict(condition) for condition in known.values()]
