"""A gap by a new pod is taken apart by the records' times, the watch's, and the trainer's marks."""

import pytest

from bench.cluster import Finished, parts
from bench.marks import Mark, gaps
from bench.podtimes import Stamped
from cluster.watch import Change
from pbt_contract.records import Birth, Cause

WALL = 1000.0


def pod(incarnation: int, *, node: str | None = None, phase: str = "Pending"):
    labels = {"pbt.dev/member": "1", "pbt.dev/incarnation": str(incarnation)}
    spec = {"nodeName": node} if node else {}
    return {"metadata": {"labels": labels}, "spec": spec, "status": {"phase": phase}}


@pytest.fixture
def watched(monkeypatch):
    def of(*changes: tuple[float, str, dict]) -> Stamped:
        pods = Stamped()
        for at, kind, body in changes:
            monkeypatch.setattr("bench.podtimes.time.time", lambda at=at: at)
            pods.append(Change(kind, body))
        return pods

    return of


def test_the_parts_of_a_gap_by_a_new_pod_add_up_to_it(watched):
    old, new = "old/1", "new/1"
    marks = [
        Mark(0.0, "opened", "?", old, {"wall": WALL}),
        Mark(1.0, "begin", "1", old, {"step": 1}),
        Mark(2.0, "end", "1", old, {"step": 1}),
        Mark(6.0, "opened", "?", new, {"wall": WALL + 6}),
        Mark(6.5, "imported", "?", new, {}),
        Mark(7.0, "joined", "1", new, {}),
        Mark(7.25, "restored", "1", new, {"donor": "0", "incarnation": 2}),
        Mark(7.5, "begin", "1", new, {"step": 2}),
    ]
    pods = watched(
        (WALL, "ADDED", pod(1, node="a")),
        (WALL + 3.0, "MODIFIED", pod(1, node="a", phase="Failed")),
        (WALL + 3.5, "ADDED", pod(2)),
        (WALL + 4.0, "MODIFIED", pod(2, node="a")),
    )
    birth = Birth(member=1, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={}, round=1, reason="x")
    reports = {
        "reports/0000001/00000-000001.json": WALL + 1.5,
        "reports/0000001/00001-000001.json": WALL + 1.0,
    }
    run = Finished(marks, {birth.key: WALL + 1.75, **reports}, {(1, 2): birth}, pods)
    [gap] = gaps(marks, interval=1)
    told = dict(parts(gap, run))
    assert told == {
        "part.decide": 0.25,
        "part.stop": 1.25,
        "part.create": 0.5,
        "operators-part": 0.75,
        "part.schedule": 0.5,
        "part.start": 2.0,
        "part.import": 0.5,
        "part.claim": 0.5,
        "part.fetch-and-load": 0.25,
        "part.go-on": 0.25,
    }
    before = told["part.decide"] + told["part.stop"] - (WALL + 2.0 - (WALL + 1.5))
    others = sum(told[f"part.{name}"] for name in ("create", "schedule", "start", "import", "claim"))
    assert before + others + told["part.fetch-and-load"] + told["part.go-on"] == pytest.approx(gap.seconds)


def test_in_place_no_pod_is_looked_for(watched):
    marks = [
        Mark(0.0, "opened", "1", "old/1", {"wall": WALL}),
        Mark(1.0, "begin", "1", "old/1", {"step": 1}),
        Mark(2.0, "end", "1", "old/1", {"step": 1}),
        Mark(2.25, "restored", "1", "old/1", {"donor": "0", "incarnation": 2}),
        Mark(2.5, "begin", "1", "old/1", {"step": 2}),
    ]
    birth = Birth(member=1, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={}, round=1, reason="x")
    written = {birth.key: WALL + 1.5, "reports/0000001/00000-000001.json": WALL + 1.0}
    [gap] = gaps(marks, interval=1)
    told = dict(parts(gap, Finished(marks, written, {(1, 2): birth}, watched())))
    assert told == {"part.decide": 0.5, "part.take-and-load": 0.25, "part.go-on": 0.25}
