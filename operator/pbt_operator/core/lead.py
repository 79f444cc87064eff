"""How far ahead of the decisions members may train: to the next round that can replace them, and a lead beyond it."""

from msgspec import UNSET

from pbt_operator.core.horizon import due
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import planned


def lead_of(spec: Spec) -> int:
    """How many rounds beyond the newest decided one a member may have reported and train on.

    Where slots are shared it is 1 at least: who holds one would idle while others take their turns. Not at quorum 100,
    where what is trained ahead would be thrown away.
    """
    is_shared = spec.slots < spec.members and spec.schedule.quorum_percent < 100
    return max(1, spec.schedule.max_lead) if is_shared else spec.schedule.max_lead


def next_choice(newest: Round | None, spec: Spec) -> int | None:
    """The first round after `newest`, the newest decided one, that can replace anybody; None if there is none.

    That is after burn-in, before the last round and, with a horizon or sub-populations, when losers are due as it is
    planned now.
    """
    schedule = spec.schedule
    if spec.exploit.rule.never_replaces:
        return None
    percent = spec.exploit.horizon_percent
    if spec.sub_populations:
        turns = planned(newest, spec.sub_populations, schedule)
        planned_at = min(turn.due for turn in turns if turn.into is UNSET)
    else:
        planned_at = due(newest, percent, schedule) if percent else 0
    following = max(
        (newest.number if newest else 0) + 1,
        schedule.burn_in_steps // schedule.interval_steps + 1,
        planned_at,
    )
    return following if following < schedule.last_round else None


def reach(newest: Round | None, spec: Spec) -> int:
    """The last round that may be trained for while `newest` is the newest decided one."""
    following = next_choice(newest, spec)
    last = spec.schedule.last_round
    return last if following is None else min(last, following + lead_of(spec))
