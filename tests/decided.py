"""What was decided, in a form that two runs are compared by."""

from pbt_operator.core.round import Round


def decisions(rounds: list[Round]) -> list[object]:
    """Round, member, donor, start step and hyperparameters of every decision."""
    return [
        (one.number, d.member, d.source and d.source.member, d.source and d.source.step, d.hyperparameters)
        for one in rounds
        for d in one.decisions
    ]
