"""How numbers, values and lives are written for people, in the commands and on the page."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from pbt_contract.records import Birth, Cause, Value
from pbt_contract.text import escaped
from pbt_operator.core.status import NOT_SCORED, MemberStatus, Status, Takeovers


def value_text(value: Value) -> str:
    """A hyperparameter's value, floats with six digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else escaped(str(value))


def member_score_text(member: MemberStatus) -> str:
    """The newest score of a member; in words where it has reported too few evaluations so far."""
    return NOT_SCORED if member.score is None and member.is_unscored else score_text(member.score)


def score_text(score: float | None) -> str:
    """A score; a dash where there is none."""
    return "-" if score is None else f"{score:.6g}"


def values_text(hyperparameters: Mapping[str, Value]) -> str:
    """`lr 0.01, momentum 0.9`."""
    return ", ".join(f"{escaped(name)} {value_text(value)}" for name, value in hyperparameters.items())


def strategy_text(status: Status) -> str:
    """`Auto; exploit: truncation (percent 25), copy Both; explore: reachPercent 20`; empty where nobody has said."""
    if isinstance(status.strategy, UnsetType):
        return ""
    parts = {"exploit": status.exploit, "explore": status.explore}
    told = [f"; {name}: {_fields_text(part)}" for name, part in parts.items() if isinstance(part, Mapping)]
    return f"{status.strategy}{''.join(told)}"


def _fields_text(fields: Mapping[str, Any]) -> str:
    """The arm first and the rest by name: an API server keeps no order."""
    told = sorted(fields.items(), key=lambda field: (not isinstance(field[1], Mapping), field[0]))
    return ", ".join(f"{escaped(name)}{_field_text(value)}" for name, value in told)


def _field_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return f" ({_fields_text(value)})" if value else ""
    return f" {' or '.join(map(value_text, value)) if isinstance(value, list) else value_text(value)}"


def parts_text(status: Status, *, interval_steps: int) -> list[str]:
    """A line for each sub-population: `sub-population 0 (everyRounds 1): 4 members, ...`; none without any."""
    if isinstance(status.sub_populations, UnsetType):
        return []
    lines = []
    for number, part in enumerate(status.sub_populations):
        if part.into is not UNSET:
            told = f"merged into sub-population {part.into}"
        else:
            told = f"{counted(part.members, 'member')}, the best {score_text(part.score)}"
            if part.due is not UNSET:
                told += f"; {due_text(part.due, interval_steps=interval_steps)}"
        lines.append(f"sub-population {number} ({escaped(part.pace)}): {told}")
    return lines


def due_text(due: int, *, interval_steps: int) -> str:
    """`losers are replaced next in round 12, at step 240`."""
    return f"losers are replaced next in round {due:,}, at step {due * interval_steps:,}"


def counted(number: int, thing: str) -> str:
    """`1 member`, `3 members`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def life_text(member: int, incarnation: int) -> str:
    """`3-5`: incarnation 5 of member 3."""
    return f"{member}-{incarnation}"


def changes_text(birth: Birth, before: Mapping[str, Value], *, names: Iterable[str]) -> str:
    """What a birth changed: `lr 0.01 -> 0.0125 (x1.25)`; empty where nothing did.

    Args:
        birth: with the new values.
        before: those of the life that it goes on from.
        names: the hyperparameters in the order of the manifest; records have them sorted.
    """
    changes = []
    for name in names:
        if name not in birth.hyperparameters:
            continue
        value = birth.hyperparameters[name]
        operation = escaped(birth.operations.get(name, ""))
        if before.get(name) == value and operation in {"", "kept"}:
            continue
        old = f"{value_text(before[name])} -> " if name in before and before[name] != value else ""
        changes.append(f"{escaped(name)} {old}{value_text(value)}" + (f" ({operation})" if operation else ""))
    return ", ".join(changes)


def takeovers_text(takeovers: Takeovers) -> str:
    """`0 of 9 births in place: ...`: of those that rounds decided, whose process trained already."""
    told = f"{takeovers.in_place:,} of {takeovers.in_place + takeovers.anew:,} births in place"
    return f"{told}: {escaped(takeovers.why)}" if takeovers.why else told


def origin_text(birth: Birth) -> str:
    """How a life began, in a few words."""
    stop = "crash" if birth.cause is Cause.CRASH else "stop"
    if birth.source is None:
        if birth.cause.resumes:
            return f"began again after a {stop}"
        return "sampled anew" if birth.cause is Cause.ROLLBACK else "started new"
    step = f"at step {birth.source.step:,}"
    if birth.source.member != birth.member:
        return f"copied member {birth.source.member} {step}"
    if birth.cause.resumes:
        return f"went on {step} after a {stop}"
    if birth.cause is Cause.ROLLBACK:
        return f"went back to its own weights {step}"
    return f"took new hyperparameters {step}"


def size_text(num_bytes: int) -> str:
    """`1.2 MB`."""
    size, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
