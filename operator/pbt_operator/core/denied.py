"""Whether the store refuses all trainers of a population from its start, so that no retry of any member helps."""

from collections.abc import Mapping

from pbt_contract.errors import ExitCode
from pbt_operator.core.crash_words import last_line
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase

MEMBERS_REFUSED = 2
PODS_REFUSED = 2


def is_refused(end: End) -> bool:
    """Whether a process ended since the store refused it."""
    return end.exit_code == ExitCode.ACCESS and end.is_its_own


def refusal_of(history: History, spec: Spec, *, refused: Mapping[int, End]) -> Outcome | None:
    """The end of a population whose trainers the store refuses; None while anybody has recorded anything.

    Once somebody has recorded something it is an outage: credentials that were revoked are renewed.

    Args:
        history: what is known.
        spec: what is asked.
        refused: the newest end of each member whose process was refused.
    """
    found = {member: end for member, end in refused.items() if member < spec.members}
    are_enough = len(found) >= min(MEMBERS_REFUSED, spec.members)
    if history.has_recorded or not are_enough or len({end.pod for end in found.values()}) < len(found):
        return None
    who = ", ".join(map(str, sorted(found)[:3]))
    told = (
        f"the store refuses members {who}, and nobody has recorded anything: {last_line(found[min(found)])}"
    )
    return Outcome(PopulationPhase.FAILED, "TrainersRefused", told)
