"""What a population has used, as far as it has limits."""

from pbt_operator.core.budget import Used
from pbt_operator.core.spec import Restart, Spec
from pbt_operator.records.repository import Repository


def used_by(repository: Repository, spec: Spec, *, active_seconds: float) -> Used:
    """What a population has used, and how good it was a while ago.

    Args:
        repository: its records.
        spec: what is asked.
        active_seconds: for how long it has been active.
    """
    history = repository.history
    ledger = history.ledger
    if ledger is None and spec.limits.of_records:
        in_place, total_steps = spec.restart is Restart.IN_PLACE, spec.schedule.total_steps
        ledger = repository.count(takeovers=in_place, total_steps=total_steps)
    newest = history.newest_round
    return Used(
        active_seconds=active_seconds,
        gpu_seconds=0.0 if ledger is None else spec.gpus * ledger.spent.total,
        member_steps=0 if ledger is None else ledger.productive + ledger.discarded,
        best_before=None if spec.plateau is None else repository.rounds.best_before(spec.plateau.rounds),
        best=None if newest is None else newest.best,
    )
