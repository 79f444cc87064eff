"""What operators may do to a population: die at any write, be two, or be away. No trainer notices, no step is lost."""

import time
from collections import Counter
from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pytest

from cluster.applied import Applied
from cluster.populations import SMALL, records
from cluster.space import Space
from faults.operators import (
    BIRTH,
    POD_CREATION,
    ROUND,
    STORE,
    WRITES,
    Killer,
    kind_of,
    own_operator,
    until_left_alone,
)
from faults.proxies import Judge, Moment, Request
from faults.recovery import Mark, Printed, Recoveries, event, pbt_status
from faults.unnoticed import ENDLESS, finish, steps_lost, tells_each_decision_once
from pbt_operator.records.archive import Archive

FEW = [(ROUND, Moment.BEFORE), (ROUND, Moment.AFTER), (BIRTH, Moment.AFTER), (POD_CREATION, Moment.AFTER)]


def kill_at_each(applied: Applied, killer: Killer, targets: Iterable[tuple[str, Moment]]) -> None:
    """Kills the operator at one write after the other, in an exploit for each; each time another process goes on."""
    for kind, moment in targets:
        killer.arm(kind, moment)
        applied.until(lambda: not killer.armed, f"an exploit's {kind}")
        killer.operator.start()


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param(FEW, id="the-four-that-matter-most", marks=pytest.mark.quick),
        pytest.param([*product(WRITES, Moment)], id="each"),
    ],
)
def test_an_operator_that_dies_at_a_write_of_an_exploit(
    space: Space,
    tmp_path: Path,
    printed: Printed,
    recoveries: Recoveries,
    long_local: Archive,
    targets: list[tuple[str, Moment]],
) -> None:
    """By SIGKILL, before the server has the write or before its answer comes; another operator process goes on."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    spec = space.population("killed", ENDLESS, storage={"store": STORE}, template=template)
    applied, killer = space.apply(spec), Killer()
    until_left_alone(applied)
    with own_operator(space, tmp_path / "own", killer.judge) as operator:
        killer.operator = operator
        operator.start()
        applied.until_round(1)
        kill_at_each(applied, killer, targets)
        assert killer.deaths == targets
        assert killer.seen <= {*WRITES}, "a write that nobody is killed at"
        applied.until(lambda: len(killer.seconds) == len(killer.deaths), "the next round is decided")
        found = finish(applied, long_local)
        assert tells_each_decision_once(applied, found)
        assert "Complete (Finished" in pbt_status(applied)
    words = ", ".join(dict.fromkeys(kind for kind, _ in killer.deaths))
    recoveries.note(
        fault=f"operator killed {len(killer.deaths)} times, before or after a write of an exploit: {words}",
        steps_lost=steps_lost(applied, found, printed),
        seconds=max(killer.seconds),
        shown="each decision's Event Exploited, once",
    )


@pytest.mark.quick
def test_two_operators_at_once(
    space: Space, tmp_path: Path, printed: Printed, recoveries: Recoveries, local: Archive
) -> None:
    """They drive one Population for its whole life, both try to write its decisions, and decide as one."""
    tried: list[list[str]] = [[], []]

    def noting(number: int) -> Judge:
        def note(request: Request, moment: Moment) -> None:
            if moment is Moment.BEFORE and kind_of(request) in {ROUND, BIRTH, POD_CREATION}:
                tried[number].append(kind_of(request))

        return note

    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    spec = space.population("shared", SMALL, storage={"store": STORE}, template=template)
    applied = space.apply(spec)
    until_left_alone(applied)
    with (
        own_operator(space, tmp_path / "one", noting(0)) as one,
        own_operator(space, tmp_path / "other", noting(1)) as other,
    ):
        for operator in (one, other):
            operator.start()
        found = applied.until_ended()
        assert tells_each_decision_once(applied, found)
    assert records(found) == records(local)
    wrote = [Counter(kinds) for kinds in tried]
    # The first write wins; where both saw the same need, there are more attempts than records.
    assert all(kinds[ROUND] for kinds in wrote), wrote
    assert wrote[0][ROUND] + wrote[1][ROUND] > len(found.rounds)
    recoveries.note(
        fault="two operators at once, for the whole life",
        steps_lost=steps_lost(applied, found, printed),
        seconds=0,
        shown="each decision's Event Exploited, once; Complete",
    )


def test_no_operator_for_two_minutes(
    space: Space, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """Its pod is killed, its Deployment scaled to none; trainers go on, and what was missed is decided later."""
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    applied = space.apply(space.population("alone", ENDLESS, template=template))
    applied.until_round(2)
    release, cluster = space.release, space.cluster
    scale = ("scale", f"deployment/{release.name}", f"--namespace={release.namespace}")
    cluster.kubectl(*scale, "--replicas=0")
    killed = ("delete", "pods", "--force", "--grace-period=0", *release.pods())
    cluster.kubectl(*killed, f"--namespace={release.namespace}", "--ignore-not-found")
    try:
        # A loser may be on its way out: nobody starts the newborn now.
        staying = [m for m, pod in applied.live.items() if "deletionTimestamp" not in pod["metadata"]]
        began, before = len(space.pods.changes), {m: printed.newest(applied, m) for m in staying}
        time.sleep(120)
        assert pbt_status(applied).startswith("alone: Running")
        for member, step in before.items():
            assert printed.newest(applied, member) > step + 100
        assert len(before) >= ENDLESS["members"] - 1
        assert [change for change in space.pods.changes[began:] if change.kind == "ADDED"] == []
    finally:
        cluster.kubectl(*scale, "--replicas=1")
    mark = Mark(applied)
    seconds = mark.until_round()
    applied.until_round(applied.status["rounds"] + 3)
    found = finish(applied, long_local)
    event(applied, "Exploited")
    recoveries.note(
        fault="operator's pod killed, none for two minutes",
        steps_lost=steps_lost(applied, found, printed),
        seconds=seconds,
        shown="the status as it was; then the missed rounds' Events RoundDecided and Exploited",
    )
