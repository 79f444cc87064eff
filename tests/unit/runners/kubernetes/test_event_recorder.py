"""Events of Kubernetes: named by what they say, bounded in number and size, and never at the cost of a pass."""

import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pbt_operator.control.events import Event
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable
from pbt_operator.runners.kubernetes.event_budget import WARNING_BURST
from pbt_operator.runners.kubernetes.event_recorder import EVENTS_A_PASS, NOTE_BYTES, EventRecorder
from pbt_operator.runners.kubernetes.pod_template import Owner

OWNER = Owner(name="digits", namespace="research", uid="7d3f0c52-1111-4222-8333-444455556666")


class Cluster:
    """The API server's side, and the clock."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.failure: Exception | None = None
        self.asked = 0
        self.now = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)

    def create(self, namespace: str, body: dict[str, Any]) -> None:
        self.asked += 1
        if self.failure:
            raise self.failure
        assert namespace == body["metadata"]["namespace"]
        if body["metadata"]["name"] not in {known["metadata"]["name"] for known in self.events}:
            self.events.append(body)

    def recorder(self) -> EventRecorder:
        return EventRecorder(self.create, instance="pbt-operator-0", now=lambda: self.now)

    @property
    def notes(self) -> list[str]:
        return [body["message"] for body in self.events]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def exploited(member: int) -> Event:
    return Event("Exploited", f"member {member} copies member 0", member)


def test_the_event_has_what_the_api_asks_for_and_what_kubectl_describe_selects_by(cluster):
    cluster.recorder().post(OWNER, [exploited(3)])
    [body] = cluster.events
    assert (body["apiVersion"], body["kind"]) == ("v1", "Event")
    assert body["involvedObject"] == {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "namespace": "research",
        "name": "digits",
        "uid": OWNER.uid,
    }
    assert body["firstTimestamp"] == body["lastTimestamp"] == "2026-11-22T18:00:00Z"
    assert (body["type"], body["reason"], body["action"]) == ("Normal", "Exploited", "Reconcile")
    assert body["reportingComponent"] == "pbt-operator"
    assert body["reportingInstance"] == "pbt-operator-0"
    assert re.fullmatch(r"digits\.[0-9a-f]{16}", body["metadata"]["name"])


def test_a_decision_that_is_told_again_after_a_crash_has_the_same_name(cluster):
    for _ in range(2):
        cluster.recorder().post(OWNER, [exploited(3), exploited(4)])
    assert cluster.asked == 4
    assert len(cluster.events) == 2


def test_another_population_of_the_same_name_has_events_of_its_own(cluster):
    cluster.recorder().post(OWNER, [exploited(3)])
    cluster.recorder().post(replace(OWNER, uid="another"), [exploited(3)])
    assert len(cluster.events) == 2


def test_what_every_pass_tells_is_posted_again_only_after_a_while(cluster):
    recorder, unreachable = cluster.recorder(), Event("StorageUnreachable", "no route", warning=True)
    recorder.post(OWNER, [unreachable, unreachable])
    recorder.post(OWNER, [unreachable])
    assert cluster.asked == 1
    cluster.now += timedelta(minutes=11)
    recorder.post(OWNER, [unreachable])
    assert cluster.asked == 2


def test_five_of_a_reason_stay_themselves(cluster):
    cluster.recorder().post(OWNER, [exploited(n) for n in range(5)])
    assert len(cluster.events) == 5


def test_more_than_five_of_a_reason_become_one_that_counts_and_lists_them(cluster):
    events = [exploited(n) for n in range(12)] + [Event("RoundDecided", "round 3")]
    cluster.recorder().post(OWNER, events)
    many, decided = cluster.notes
    assert many.startswith("12 at once: member 0 copies member 0; member 1 copies")
    assert many.endswith("and 4 more")
    assert decided == "round 3"


def test_a_group_warns_if_one_of_it_does(cluster):
    events = [Event("Told", str(n), warning=n == 4) for n in range(8)]
    cluster.recorder().post(OWNER, events)
    assert [body["type"] for body in cluster.events] == ["Warning"]


def test_no_note_is_longer_than_the_api_takes_counted_in_bytes(cluster):
    long = [Event(f"Reason{n // 8}", f"{n} " + "ü€" * 2000) for n in range(12)]
    cluster.recorder().post(OWNER, long)
    sizes = [len(note.encode()) for note in cluster.notes]
    assert len(sizes) == 5
    assert max(sizes) <= NOTE_BYTES
    assert all("…" in note for note in cluster.notes)


def test_what_a_trainer_printed_can_not_draw_on_a_terminal(cluster):
    cluster.recorder().post(OWNER, [Event("Crashed", "ended:\x1b[2J\nline\ud800")])
    assert cluster.notes == ["ended: [2J line "]


def test_a_pass_posts_a_bounded_number_the_warnings_first_and_the_rest_is_counted(cluster):
    events = [Event(f"Reason{n}", f"told {n}", warning=n == 40) for n in range(41)]
    events += [Event("Reason39", f"again {n}") for n in range(8)]
    cluster.recorder().post(OWNER, events)
    assert len(cluster.events) == EVENTS_A_PASS
    assert cluster.notes[0] == "told 40"
    assert cluster.events[-1]["reason"] == "MoreEvents"
    assert cluster.notes[-1].startswith("30 more at once: 1 Reason18, 1 Reason19")
    assert "9 Reason39" in cluster.notes[-1]


def test_a_failure_breaks_no_pass_and_is_asked_for_only_once(cluster, caplog):
    cluster.failure = TimeoutError("no answer")
    with caplog.at_level(logging.INFO):
        cluster.recorder().post(OWNER, [exploited(1), exploited(2)])
    assert cluster.asked == 1
    assert "Exploited: member 2 copies member 0" in caplog.text
    assert "2 of 2 Events can't be posted: no answer" in caplog.text


def test_what_the_api_server_was_away_for_is_posted_with_the_next_pass(cluster):
    recorder = cluster.recorder()
    cluster.failure = ApiUnavailable("away")
    recorder.post(OWNER, [exploited(1), exploited(2)])
    cluster.failure = None
    recorder.post(OWNER, [])
    recorder.post(OWNER, [])
    assert cluster.notes == ["member 1 copies member 0", "member 2 copies member 0"]


def test_with_a_worker_no_pass_waits_for_the_api_server_and_what_comes_meanwhile_is_bounded_too():
    gate, posted = threading.Event(), []

    def create(_namespace, body):
        assert gate.wait(20)
        posted.append(body["message"])

    with ThreadPoolExecutor(1) as worker:
        recorder = EventRecorder(create, instance="operator-0", worker=worker)
        for number in range(100):
            recorder.post(OWNER, [exploited(number)])
        assert posted == []
        gate.set()
    assert posted[0].startswith("member 0")
    assert len(posted) <= 2 * EVENTS_A_PASS
    assert sum(message.count("member") for message in posted) > 1


def test_what_trainers_can_say_without_end_becomes_few_events_and_log_lines_that_count_it(cluster, caplog):
    caplog.set_level(logging.INFO)
    recorder = cluster.recorder()
    for number in range(600):  # ten minutes of passes, a second apart
        cluster.now += timedelta(seconds=1)
        notes = [
            Event("TrainerNote", f"note {number} of {member}", member, warning=True) for member in range(3)
        ]
        recorder.post(OWNER, [*notes, Event("RoundDecided", f"round {number}")])
    noted = [body for body in cluster.events if body["reason"] == "TrainerNote"]
    assert WARNING_BURST <= len(noted) <= WARNING_BURST + 11
    assert sum("note" in record.message for record in caplog.records) <= WARNING_BURST + 11
    assert any(" at once: " in body["message"] for body in noted)
    assert sum(body["reason"] == "RoundDecided" for body in cluster.events) == 600  # what is decided is told


def test_many_events_of_a_pass_take_as_many_log_lines_as_events(cluster, caplog):
    refused = [
        Event("RecordRefused", f"reports/{number} is refused", warning=True) for number in range(10_000)
    ]
    cluster.recorder().post(OWNER, refused)
    assert len(caplog.records) == 1
    assert "10000 at once" in caplog.text


def test_no_population_spends_the_budget_of_another_one(cluster):
    recorder, other = cluster.recorder(), replace(OWNER, name="letters", uid="another")
    for number in range(100):
        recorder.post(OWNER, [Event("TrainerNote", f"note {number}", warning=True)])
    recorder.post(other, [Event("TrainerNote", "note", warning=True)])
    assert cluster.events[-1]["involvedObject"]["name"] == "letters"
