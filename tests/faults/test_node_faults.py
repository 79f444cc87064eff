"""What becomes of a population whose node goes: others take its members over, from their newest records."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from cluster.applied import Applied
from cluster.space import Space
from faults.recovery import Mark, Printed, Recoveries, event, pbt_status
from faults.unnoticed import ENDLESS, finish
from kindcluster.faults import Faults
from pbt_contract import keys
from pbt_contract.records import Birth, Cause
from pbt_operator.records.archive import Archive

INTERVAL = ENDLESS["schedule"]["intervalSteps"]
Breaking = Callable[[str], AbstractContextManager[None]]
LOST = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
TOLERATIONS = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5} for key in LOST
]
"""As whoever trains on nodes that come and go would shorten the default of five minutes."""


def template(space: Space) -> dict[str, Any]:
    made = space.template("deterministic.py", STEP_SECONDS="1")
    made["spec"]["tolerations"] = TOLERATIONS
    return made


def node_of(applied: Applied, member: int) -> str:
    return str(applied.live[member]["spec"]["nodeName"])


def busiest(applied: Applied) -> tuple[str, list[int]]:
    """The worker with the most members, of those without the operator, and these members."""
    release = applied.space.release
    listed = applied.space.cluster.kubectl(
        "get", "pods", f"--namespace={release.namespace}", "--output=jsonpath={.items[*].spec.nodeName}"
    )
    held: dict[str, list[int]] = {}
    for member in applied.live:
        held.setdefault(node_of(applied, member), []).append(member)
    node = max(held.keys() - {*listed.stdout.split()}, key=lambda name: len(held[name]))
    return node, held[node]


def is_settled(applied: Applied) -> bool:
    """Whether each member's newest birth is lived."""
    known = applied.keys
    born, lived = (
        {keys.life_in(key) for key in known if key.startswith(prefix)}
        for prefix in (keys.BIRTHS, keys.CLAIMS)
    )
    return {max(life for life in born if life.member == member) for member in applied.live} <= lived


@dataclass(frozen=True)
class Passed:
    """A population that lost a node for good, until its members trained elsewhere.

    Attributes:
        found: its story.
        members: those that the node had.
        began: the beginning of the fault, by the monotonic clock.
        seconds: from then until all these members had new records.
    """

    applied: Applied
    found: Archive
    members: list[int]
    began: float
    seconds: float

    @property
    def resumes(self) -> list[Birth]:
        return [birth for birth in self.found.births.values() if birth.cause is Cause.RESUME]


def passed(space: Space, breaking: Breaking, *, local: Archive) -> Passed:
    """Lets a population pass through the loss of a node; what it decides is the same as if it hadn't been."""
    applied = space.apply(space.population("broken", ENDLESS, template=template(space)))
    applied.until_round(1)
    applied.until(lambda: is_settled(applied), "whoever the round replaced has begun anew")
    node, members = busiest(applied)
    mark = Mark(applied)
    with breaking(node):
        seconds = mark.until_record(*members, reborn=True)
        assert node not in {node_of(applied, member) for member in applied.live}
    found = finish(applied, local)
    told = Passed(applied, found, members, mark.at, seconds)
    # A loser among them is born from its donor instead.
    assert told.resumes
    assert {birth.member for birth in told.resumes} <= {*members}
    assert not [event for event in applied.events if event["reason"] == "Crashed"]
    assert pbt_status(applied).startswith("broken: Complete")
    return told


def is_taken_over(
    space: Space, printed: Printed, recoveries: Recoveries, local: Archive, *, breaking: Breaking, fault: str
) -> None:
    """Proves what holds of every node that is gone without notice."""
    told = passed(space, breaking, local=local)
    applied, found, members = told.applied, told.found, told.members
    lost = printed.lost(applied, found, before=told.began)
    assert all(steps <= INTERVAL for steps in lost.values()), lost
    in_vain = sum(printed.lost(applied, found).values()) - sum(lost.values())
    note = event(applied, "Disrupted", "its node is lost")
    recoveries.note(
        fault=f"{fault} ({len(members)} members"
        + (f"; {in_vain} more steps were done in vain while it was away)" if in_vain else ")"),
        steps_lost=sum(lost.values()),
        seconds=told.seconds,
        shown=f"Event Disrupted: {note}",
    )


def test_a_kubelet_that_stops_leaves_zombies_that_nobody_reads(
    space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    space.has_zombies = True
    fault = "kubelet stopped, its pods run on"
    is_taken_over(space, printed, recoveries, long_local, breaking=faults.zombie, fault=fault)


def test_a_node_that_is_killed(
    space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    is_taken_over(space, printed, recoveries, long_local, breaking=faults.lost, fault="node killed")


def test_a_node_that_is_cut_off(
    space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    space.has_zombies = True
    fault = "network of a node cut"
    is_taken_over(space, printed, recoveries, long_local, breaking=faults.cut_off, fault=fault)


def test_a_node_that_is_drained(
    space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """Its trainers save before they go: they go on elsewhere at the very next step."""
    told = passed(space, faults.drained, local=long_local)
    lost = printed.lost(told.applied, told.found)
    assert set(lost.values()) == {0}
    assert all(birth.source and birth.source.record.startswith("saves/") for birth in told.resumes)
    note = event(told.applied, "Disrupted", "EvictionByEvictionAPI")
    recoveries.note(
        fault=f"node drained ({len(told.members)} members)",
        steps_lost=sum(lost.values()),
        seconds=told.seconds,
        shown=f"Event Disrupted: {note}",
    )
