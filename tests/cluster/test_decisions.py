"""The decisions follow from the seed and the scores, wherever the trainers run and whatever happens to the operator."""

from cluster import pods
from cluster.populations import SMALL, decisions, undecided
from cluster.space import Space
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Cause, Claim
from pbt_operator.records.archive import Archive
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER


def test_the_cluster_decides_as_the_local_runner(space: Space, local: Archive) -> None:
    """Rounds and births are the same bytes, but for the nonces of checkpoints."""
    applied = space.apply(space.population("small", SMALL, template=space.template("deterministic.py")))
    applied.check_decided_as(local, applied.until_ended())
    assert len(decisions(local)) >= 4


def test_in_place_has_fewer_pods_than_births_and_the_same_decisions(space: Space, local: Archive) -> None:
    template = space.template("deterministic.py", STEP_SECONDS="0.3")
    applied = space.apply(space.population("in-place", SMALL, restart="InPlace", template=template))
    found = applied.until_ended()
    applied.check_decided_as(local, found)
    assert len(applied.history) < len(found.births) + len(applied.disrupted)


def test_on_fewer_slots_in_place_processes_go_on_as_the_members_that_wait(
    space: Space, local: Archive
) -> None:
    """Two slots for four members: a pod for each slot and each member's end at most, and labels that follow.

    Each member's turns are several; by new pods they would be as many as the births.
    """
    template = space.template("deterministic.py", STEP_SECONDS="0.5")
    spec = {**SMALL, "parallelism": 2, "restart": "InPlace", "template": template}
    applied = space.apply(space.population("sliced", spec))
    found = applied.until_ended()
    assert decisions(found) == decisions(local), applied.account(found)
    others = {birth.cause for birth in undecided(found)}
    assert others <= {Cause.RESUME}, applied.account(found)
    late = [event["note"] for event in applied.events if event["reason"] == "TakeoverLate"]
    assert not late
    assert len(applied.history) <= 4 + len(applied.disrupted), applied.account(found)

    store = applied.store
    lives = {keys.life_in(key): decode(Claim, store.read(key), key=key) for key in store.names(keys.CLAIMS)}
    labels = {(change.body["metadata"]["uid"], pods.member(change.body)) for change in space.pods.changes}
    turns = {(claim.pod, member) for (member, _), claim in lives.items() if claim.pod in applied.history}
    assert len({uid for uid, _ in turns}) < len(turns)
    assert turns <= labels, "each life was to be seen under its member's label"
    for body in applied.pods:
        told = body["metadata"]["labels"]
        assert lives[int(told[MEMBER]), int(told[INCARNATION])].pod == body["metadata"]["uid"]


def test_an_operator_that_is_killed_disturbs_no_trainer(space: Space, local: Archive) -> None:
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
