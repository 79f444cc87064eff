"""What an API server that is away means: trainers go on, and what was missed is decided afterwards."""

import threading
import time
from pathlib import Path

import pytest

from cluster.applied import Applied
from cluster.space import Space
from faults.operators import STORE, own_operator, until_left_alone
from faults.proxies import Lost, Moment, Request
from faults.recovery import Mark, Printed, Recoveries, pbt_status
from faults.unnoticed import ENDLESS, finish, steps_lost, tells_each_decision_once
from kindcluster.faults import Faults
from pbt_contract import keys
from pbt_operator.records.archive import Archive


def begun(space: Space, name: str, **storage: str) -> Applied:
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    return space.apply(space.population(name, ENDLESS, storage=storage, template=template))


@pytest.mark.parametrize(
    ("component", "seconds", "fault"),
    [
        ("kube-apiserver", 60, "API server stopped for a minute"),
        ("etcd", 15, "etcd restarted"),
    ],
)
def test_the_control_plane_is_away(
    space: Space,
    faults: Faults,
    printed: Printed,
    recoveries: Recoveries,
    long_local: Archive,
    component: str,
    seconds: float,
    fault: str,
) -> None:
    applied = begun(space, "unled")

    def count(prefix: str) -> int:
        return sum(1 for _ in applied.store.names(prefix))

    applied.until_round(2)
    applied.until(lambda: count(keys.CLAIMS) == count(keys.BIRTHS), "the losers of the round train")
    space.populations.endures = space.pods.endures = True
    before = Mark(applied)
    with faults.without(component):
        told = pbt_status(applied)
        time.sleep(seconds)
    after = Mark(applied)
    assert not told.startswith("unled"), told
    reported = [keys.life_in(key)[0] for key in after.known - before.known if key.startswith(keys.REPORTS)]
    assert {*reported} == {*range(ENDLESS["members"])}, "all members trained on meanwhile"
    recovered = after.until_round()
    applied.until_round(applied.status["rounds"] + 2)
    found = finish(applied, long_local)
    assert tells_each_decision_once(applied, found)
    recoveries.note(
        fault=fault,
        steps_lost=steps_lost(applied, found, printed),
        seconds=recovered,
        shown=f"`kubectl pbt status`: {told}; then each decision's Event, once",
    )


@pytest.mark.quick
def test_an_operator_that_is_cut_off_from_everything(
    space: Space, tmp_path: Path, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """From the API server and the store, for half a minute; other operators of the cluster aren't affected."""
    cut = threading.Event()

    def judge(_: Request, __: Moment) -> None:
        if cut.is_set():
            raise Lost

    applied = begun(space, "cut", store=STORE)
    until_left_alone(applied)
    with own_operator(space, tmp_path / "own", judge) as operator:
        operator.start()
        applied.until_round(2)
        cut.set()
        time.sleep(30)
        cut.clear()
        mark = Mark(applied)
        seconds = mark.until_round()
        applied.until_round(applied.status["rounds"] + 2)
        found = finish(applied, long_local)
        assert tells_each_decision_once(applied, found)
    assert "can't be reached" in operator.log.read_text()
    recoveries.note(
        fault="operator cut off from the API server and the store for half a minute",
        steps_lost=steps_lost(applied, found, printed),
        seconds=seconds,
        shown="the status as it was, the operator's log; then the missed rounds' Events",
    )
