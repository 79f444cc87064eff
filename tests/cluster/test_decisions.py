"""The decisions follow from the seed and the scores, wherever the trainers run and whatever happens to the operator."""

from cluster.populations import SMALL, decisions
from cluster.space import Space
from pbt_operator.story import Story


def test_the_cluster_decides_as_the_local_runner(space: Space, local: Story) -> None:
    """Rounds and births are the same bytes, but for the nonces of checkpoints."""
    applied = space.apply(space.population("small", SMALL, template=space.template("deterministic.py")))
    applied.check_decided_as(local, applied.until_ended())
    assert len(decisions(local)) >= 4


def test_in_place_has_fewer_pods_than_births_and_the_same_decisions(space: Space, local: Story) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="0.3")
    applied = space.apply(space.population("in-place", SMALL, restart="InPlace", template=template))
    found = applied.until_ended()
    applied.check_decided_as(local, found)
    assert len(applied.history) < len(found.births) + len(applied.disrupted)


def test_an_operator_that_is_killed_disturbs_no_trainer(space: Space, local: Story) -> None:
    """No birth but those that were decided, one pod for each, and the same decisions."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    applied = space.apply(space.population("orphaned", SMALL, template=template))
    applied.until_round(2)
    operators = space.release.pods()
    command = (
        "delete",
        "pod",
        *operators,
        f"--namespace={space.release.namespace}",
        "--force",
        "--grace-period=0",
    )
    space.cluster.kubectl(*command)
    found = applied.until_ended()
    assert not set(operators) & set(space.release.pods())
    applied.check_decided_as(local, found)
    applied.check_one_pod_each(found)
