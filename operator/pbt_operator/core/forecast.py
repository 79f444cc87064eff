"""What is left to do at the pace of the newest reports: how long it takes, and how many GPU hours."""

from collections.abc import Sequence
from statistics import median

from msgspec import UNSET, UnsetType

from pbt_operator.core.budget import HOUR_SECONDS
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Forecast


def forecast_of(history: History, spec: Spec, going: Sequence[int]) -> Forecast | UnsetType:
    """The forecast; absent while nobody has a pace, and where nobody has anything left to do.

    Members without a pace get the median of the others'. Who waits at gates is as slow as it was: in the pace is what
    the newest report waited. Members take turns where there are fewer slots than members.

    Args:
        history: what is known.
        spec: what is asked.
        going: the members that still have steps before them.
    """
    paces = {member: pace for member in going if (pace := _pace(history, member)) is not None}
    if not paces:
        return UNSET
    usual, total = median(paces.values()), spec.schedule.total_steps
    left = [max(0, total - history.position(member)) * paces.get(member, usual) for member in going]
    seconds = max(*left, sum(left) / spec.slots)
    hours = sum(left) * spec.gpus / HOUR_SECONDS
    return Forecast(seconds=round(seconds), gpu_hours=float(f"{hours:.3g}") if spec.gpus else UNSET)


def _pace(history: History, member: int) -> float | None:
    """Seconds for a step, waiting included, by the member's newest report or save that took any time."""
    records = history.line_records(member)
    for place in range(len(records) - 1, -1, -1):
        record = records[place]
        birth = history.birth(member, record.incarnation)
        if record.seconds <= 0 or birth is None:
            continue
        follows = place > 0 and records[place - 1].incarnation == record.incarnation
        steps = record.step - (records[place - 1].step if follows else birth.start_step)
        waited = 0.0 if isinstance(record.waited, UnsetType) else record.waited
        return (record.seconds + waited) / steps if steps > 0 else None
    return None
