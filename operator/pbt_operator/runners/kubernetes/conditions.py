"""The conditions of a Population: the API by which machines learn how it stands."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pbt_contract.text import abridged, one_line

MAX_MESSAGE = 2000
"""The API takes 32768 characters; nobody reads so many."""

KINDS = (
    "Accepted",
    "StorageReady",
    "Progressing",
    "Suspended",
    "Complete",
    "Failed",
    "Ready",
    "Reconciling",
    "Stalled",
)
"""All types that there are."""

FOR_A_PERSON = frozenset({"Refused", "RecordRefused", "RecordMissing", "TrainersRefused"})
"""Reasons of `StorageReady` that no waiting cures."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition.

    Attributes:
        kind: its type, such as `Accepted`.
        status: as Kubernetes spells it.
        reason: CamelCase.
        message: one sentence for people, with the remedy where there is one.
        wrong: whether more is wrong than its status says, so that the population isn't `Ready`. It isn't written.
    """

    kind: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    wrong: bool = False


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


def summary(conditions: Iterable[Mapping[str, Any]], *, training: int, wrong: bool) -> list[Condition]:
    """What tools ask that know no Population: `Ready`, and kstatus' abnormal conditions `Reconciling` and `Stalled`.

    The reason and the message are those of the condition that decides, or of its Event. https://github.com/fluxcd/cli-utils,
    pkg/kstatus: Reconciling is InProgress, Stalled is Failed, Ready is Current where both are False.

    Args:
        conditions: as the status holds them.
        training: how many members train.
        wrong: see `Condition`.
    """
    known = {condition["type"]: condition for condition in conditions}

    def cause(kind: str, status: str) -> Mapping[str, Any] | None:
        found = known.get(kind)
        return found if found is not None and found["status"] == status else None

    told: Mapping[str, Any]
    if told := cause("Accepted", "False") or cause("Failed", "True") or {}:
        return _three(told, stalled=True)
    if told := cause("Complete", "True") or {}:
        return _three(told, ready=True)
    if told := cause("StorageReady", "False") or {}:
        is_stalled, reason = (
            told["reason"] in FOR_A_PERSON,
            f"Storage{told['reason']}",
        )  # as the Event is called
        return _three({**told, "reason": reason}, stalled=is_stalled, reconciling=not is_stalled)
    if told := cause("Suspended", "True") or {}:
        return _three(told)
    told = known.get("Progressing", {"reason": "Starting", "message": "no pass has come to its end yet"})
    is_ready = training > 0 and not wrong
    return _three(told, ready=is_ready, reconciling=not is_ready)


def _three(
    told: Mapping[str, Any], *, ready: bool = False, reconciling: bool = False, stalled: bool = False
) -> list[Condition]:
    """The three of them; the message stands where something is so, and always at `Ready`."""
    found = {"Ready": ready, "Reconciling": reconciling, "Stalled": stalled}
    return [
        Condition(
            kind,
            "True" if is_so else "False",
            told["reason"],
            told["message"] if is_so or kind == "Ready" else "",
        )
        for kind, is_so in found.items()
    ]
