"""What a trainer is told: a birth's place in its population."""

from pbt_contract.assignment import Assignment
from pbt_contract.records import Birth
from pbt_operator.core.spec import Restart, Spec


def assign(
    spec: Spec,
    birth: Birth,
    *,
    location: str,
    population: str,
    poll_seconds: float,
    grace_seconds: float,
    pod: str = "",
    bell: str | None = None,
) -> Assignment:
    """What the trainer of a birth is told, wherever it runs.

    Args:
        spec: of the population.
        birth: whose trainer it is.
        location: URL of the population's location.
        population: its name.
        poll_seconds: how often it looks for its successor.
        grace_seconds: what is left for a save after SIGTERM.
        pod: unique for each pod; empty where the runner learns it only once there is one, and tells it otherwise.
        bell: see `Assignment`.
    """
    return Assignment(
        location=location,
        member=birth.member,
        incarnation=birth.incarnation,
        pod=pod,
        hyperparameters=birth.hyperparameters,
        objective=spec.objective.metric,
        total_steps=spec.schedule.total_steps,
        interval_steps=spec.schedule.interval_steps,
        seed=spec.seed,
        population=population,
        in_place=spec.restart is Restart.IN_PLACE,
        shared_slots=True,  # whatever is asked, a cluster may grant fewer
        poll_seconds=poll_seconds,
        grace_seconds=grace_seconds,
        bell=bell,
    )
