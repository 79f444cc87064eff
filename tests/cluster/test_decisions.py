"""The decisions follow from the seed and the scores, wherever the trainers run and whatever happens to the operator."""

from cluster.applied import Applied
from cluster.populations import SMALL, decisions, records
from cluster.space import Space
from pbt_operator.story import Story
from pbt_trainer.records import Cause


def pods_of(applied: Applied) -> dict[str, str]:
    """The name of every pod that a population ever had, by uid."""
    metadata = [change.body["metadata"] for change in applied.space.pods.changes]
    return {found["uid"]: found["name"] for found in metadata}


def test_the_cluster_decides_as_the_local_runner(space: Space, local: Story) -> None:
    """Rounds and births are the same bytes, but for the nonces of checkpoints."""
    applied = space.apply(space.population("small", SMALL, template=space.template("deterministic.py")))
    assert records(applied.until_ended()) == records(local)
    assert len(decisions(local)) >= 4


def test_in_place_has_fewer_pods_than_births_and_the_same_decisions(space: Space, local: Story) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="0.3")
    applied = space.apply(space.population("in-place", SMALL, restart="InPlace", template=template))
    found = applied.until_ended()
    assert records(found) == records(local)
    assert len(pods_of(applied)) < len(found.births)


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
    assert {birth.cause for birth in found.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    assert records(found) == records(local)
    assert len(pods_of(applied)) == len(found.births)
