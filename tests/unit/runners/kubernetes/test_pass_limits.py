"""What a pass of one Population may read, so that the others have their turn."""

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.allowance import Cursor
from pbt_operator.runners.kubernetes import store_clients
from pbt_operator.runners.kubernetes.config import OperatorConfig
from pbt_operator.runners.kubernetes.controller import Controller
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.metrics import Metrics
from pbt_operator.runners.kubernetes.pass_limits import BYTES, READS, PassLimits
from pbt_operator.runners.kubernetes.pod_template import Owner
from simulation.memory_store import MemoryStore

OWNER = Owner(name="digits", namespace="team", uid="0a1b2c3d-0000-4000-8000-000000000000")
SPEC = {
    **DETERMINISTIC,
    "members": 4,
    "schedule": {"totalSteps": 9_000, "intervalSteps": 1, "maxLead": 9_000},
}
BODY: dict[str, Any] = {
    "apiVersion": "pbt.dev/v1alpha1",
    "kind": "Population",
    "metadata": {
        "name": OWNER.name,
        "namespace": OWNER.namespace,
        "uid": OWNER.uid,
        "generation": 1,
        "resourceVersion": "1",
    },
    "spec": {**SPEC, "template": {"spec": {"containers": [{"name": "trainer", "image": "x"}]}}},
    "status": {},
}
BESIDE = 50  # what each station does in any case


class Api:
    """Takes everything and shows nothing."""

    def patch_status(self, namespace: str, name: str, status: Any) -> Any:
        return {"status": status, "metadata": {"resourceVersion": "2"}}

    def pods_of(self, namespace: str, *, selector: str) -> list[Any]:
        return []

    def __getattr__(self, verb: str) -> Any:
        return lambda *_, **__: None


class Counting(MemoryStore):
    reads = 0

    def read(self, key: str) -> bytes:
        self.reads += 1
        return super().read(key)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Counting:
    found = Counting()
    monkeypatch.setattr(store_clients, "open_location", lambda *_: found)
    monkeypatch.setattr(store_clients, "siblings", lambda *_, **__: [])
    return found


def controller() -> Controller:
    config = OperatorConfig.model_validate({"stores": [{"name": "default", "bucket": "experiments"}]})
    recorder = EventRecorder(lambda *_: None, instance="operator-0")
    return Controller(OWNER, api=Api(), config=config, recorder=recorder, metrics=Metrics())  # type: ignore[arg-type]


def passes(drive: Controller, store: Counting, until: Callable[[], bool]) -> list[int]:
    """Makes passes, and says how many reads each took; the next one is due at once until it is so."""
    found = []
    while not until():
        before = store.reads
        due = drive.reconcile(BODY, {})
        found.append(store.reads - before)
        assert due == 0.0 or until()
    return found


def report_of(birth: Birth, number: int) -> Report:
    return Report(
        member=birth.member,
        incarnation=birth.incarnation,
        step=number,
        round=number,
        metrics={"score": float(birth.member)},
        hyperparameters=birth.hyperparameters,
        checkpoint=keys.checkpoint(birth.member, birth.incarnation, number, "n"),
        files=[],
        seconds=1.0,
    )


def test_a_backlog_is_read_in_passes_that_others_come_between(store: Counting) -> None:
    drive = controller()
    while drive.session is None or not drive.session.repository.history.members:
        drive.reconcile(BODY, {})
    history = drive.session.repository.history
    for member in history.members:
        birth = history.newest_birth(member)
        assert birth is not None
        for number in range(1, 1001):
            store.put(keys.report(number, *birth.life), encode(report_of(birth, number)))
    drive._pace._listing_at = 0.0
    reads = passes(drive, store, lambda: history.decided > 0)
    assert len(reads) >= 4
    assert max(reads) <= READS + BESIDE


def test_births_and_reports_are_read_in_pieces_when_a_location_is_opened(store: Counting) -> None:
    drive = controller()
    while drive.session is None or not drive.session.repository.history.members:
        drive.reconcile(BODY, {})
    births = [drive.session.repository.birth(member, 1) for member in range(4)]
    for birth in births:
        for number in range(2, 800):
            following = Birth(
                member=birth.member,
                incarnation=number,
                cause=Cause.RESUME,
                hyperparameters=birth.hyperparameters,
                start_step=number - 1,
                previous_step=number - 1,
                reason="a test",
            )
            store.put(following.key, encode(following))
            store.put(keys.report(number, *following.life), encode(report_of(following, number)))
    again = controller()
    reads = passes(again, store, lambda: again.session is not None)
    assert len(reads) >= 4
    assert max(reads) <= READS + BESIDE


def test_who_reads_for_longer_than_a_minute_is_told_what_is_left() -> None:
    now = 0.0
    limits = PassLimits(lambda: now)
    [ready] = limits.storage("s3://b/x", None)
    assert (ready.status, ready.reason, ready.message) == ("True", "Ready", "s3://b/x")
    assert list(limits.storage("s3://b/x", Cursor(reports=5000))) == []
    now = 61.0
    [told] = limits.storage("s3://b/x", Cursor(reports=3000))
    assert (told.status, told.reason) == ("True", "Reading")
    assert told.message == (
        f"s3://b/x: 3000 or more records are left, and a pass takes {READS} or {BYTES >> 20} MiB; "
        "nothing is decided before"
    )
    [ready] = limits.storage("s3://b/x", None)
    assert ready.reason == "Ready"
    assert list(limits.storage("s3://b/x", Cursor(reports=1))) == []


def test_who_has_more_names_than_it_can_have_made_is_told_how_many() -> None:
    [told] = PassLimits(lambda: 0.0).storage("s3://b/x", None, overrun=10_065)
    assert (told.status, told.reason) == ("True", "TooManyNames")
    assert "10065 names of reports or more" in told.message
