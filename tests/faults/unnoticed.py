"""Populations that outlast a fault which trainers must not notice, and the proof that they didn't."""

from collections import Counter
from typing import Any

from cluster.applied import Applied
from cluster.populations import SMALL, decisions
from faults.recovery import Printed
from pbt_contract.records import Cause
from pbt_operator.records.archive import Archive

LONG: dict[str, Any] = {**SMALL, "schedule": {**SMALL["schedule"], "totalSteps": 400}}
ENDLESS: dict[str, Any] = {**SMALL, "schedule": {**SMALL["schedule"], "totalSteps": 4000, "maxLead": 400}}
"""Decides as `LONG`, and is ended by `finish`. With quorum 100 and a small lead it would wait through an outage."""


def finish(applied: Applied, local: Archive) -> Archive:
    """Ends an endless population, which has decided as the local runner did for `LONG`, as far as it came."""
    applied.patch(finish=True)
    found = applied.until_ended(reason="Finished")
    assert 0 < len(found.rounds) < len(local.rounds)
    assert decisions(found) == [told for told in decisions(local) if told[0] <= len(found.rounds)]
    return found


def steps_lost(applied: Applied, found: Archive, printed: Printed) -> int:
    """None: every birth was decided, has had one pod, and that pod trained one step after the other from its start."""
    assert {birth.cause for birth in found.births.values()} == {Cause.INITIAL, Cause.EXPLOIT}
    born = {f"{applied.name}-{member}-{life}": birth for (member, life), birth in found.births.items()}
    started = Counter(pod["metadata"]["name"] for pod in applied.history.values())
    assert started.keys() <= born.keys()
    assert set(started.values()) == {1}
    # It may have ended before the last newborns' pods were made.
    assert {born[name].round for name in born.keys() - started} <= {len(found.rounds)}
    for (member, incarnation), birth in found.births.items():
        steps = list(printed.of(applied, member, incarnation))
        assert steps == list(range(birth.start_step + 1, birth.start_step + 1 + len(steps)))
    return sum(printed.lost(applied, found).values())


def tells_each_decision_once(applied: Applied, found: Archive) -> bool:
    """Whether each decision has its Event, and only one."""
    notes = [event["note"] for event in applied.events if event["reason"] == "Exploited"]
    decided = [decision for one in found.rounds for decision in one.decisions]
    return len(set(notes)) == len(notes) == len(decided)
