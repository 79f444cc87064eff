"""Who is in the quorum: who waits for its turn is, however long; whose pod should have run long ago is not."""

from typing import Any
from unittest.mock import Mock

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Birth, Cause
from pbt_operator.control.living import Living
from pbt_operator.control.look import Seen
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.manifest.population import to_core

TIMEOUT = 100.0
MEMBERS = {0, 1}


def asked(quorum: int) -> Spec:
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum, "stragglerTimeoutSeconds": TIMEOUT}
    return to_core(spec(DETERMINISTIC, members=len(MEMBERS), schedule=schedule))


def waiting(**place: Any) -> Pod:
    return Pod(name="p", uid="p", member=1, incarnation=1, phase=Phase.PENDING, **place)


def living(pod: Pod, *, quorum: int = 75, makes_room: bool, own_record: object = None) -> set[int]:
    """Those in the quorum once member 1 has had this pod for longer than the timeout, while member 0 runs."""
    history = Mock(spec=History)
    history.newest_birth = lambda member: Birth(
        member=member, incarnation=1, cause=Cause.INITIAL, hyperparameters={}, reason="a test"
    )
    history.own_record = lambda _: own_record
    runs = Pod(name="r", uid="r", member=0, incarnation=1, phase=Phase.RUNNING, placed_for=1e6)
    known, seen = Living(history), Seen({0: runs, 1: pod}, [], makes_room=makes_room)
    assert known.members(seen, asked(quorum), now=0.0) == MEMBERS
    assert known.members(seen, asked(quorum), now=TIMEOUT) == MEMBERS
    return known.members(seen, asked(quorum), now=TIMEOUT + 1)


@pytest.mark.parametrize(
    ("place", "makes_room", "left_out"),
    [
        ({"unplaced_for": 500.0}, True, False),
        ({"unplaced_for": 500.0}, False, True),  # nobody can go on as it
        ({"placed_for": 500.0}, True, True),  # an image that doesn't come
        ({}, True, True),  # a runner that knows nothing of places
    ],
)
def test_one_without_a_place_is_living_as_long_as_somebody_can_make_room_for_it(place, makes_room, left_out):
    found = living(waiting(**place), makes_room=makes_room)
    assert found == (MEMBERS - {1} if left_out else MEMBERS)


@pytest.mark.parametrize("place", [{"unplaced_for": 500.0}, {"placed_for": 500.0}])
def test_at_quorum_100_nobody_is_left_out(place):
    assert living(waiting(**place), quorum=100, makes_room=False) == MEMBERS


def test_who_has_recorded_something_runs_whatever_a_watch_shows():
    assert living(waiting(placed_for=500.0), makes_room=False, own_record=object()) == MEMBERS
