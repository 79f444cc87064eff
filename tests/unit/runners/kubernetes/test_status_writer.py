"""What a pass tells the cluster: the status is written once, and only if something in it has changed."""

from dataclasses import replace

import pytest

from pbt_operator.control.events import Event
from pbt_operator.manifest.status_schema import UNSEEN
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable
from pbt_operator.runners.kubernetes.conditions import Condition
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.pod_template import Owner
from pbt_operator.runners.kubernetes.status_writer import APART_SECONDS, StatusWriter

OWNER = Owner(name="digits", namespace="team", uid="u1")
NOW, TIME, LATER = 1_772_366_400.0, "2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z"
READY = Condition("StorageReady", "True", "Ready", "s3://b/x")


class Server:
    """Keeps one Population's status, as merge patches make it."""

    def __init__(self):
        self.status, self.patches, self.events = {}, [], []
        self.gone = self.away = False

    def patch_status(self, namespace, name, status):
        assert (namespace, name) == ("team", "digits")
        if self.away:
            raise ApiUnavailable("away")
        if self.gone:
            return None
        self.patches.append(status)
        merged = {**self.status, **status}
        self.status = {field: value for field, value in merged.items() if value is not None}
        return {"status": self.status, "metadata": {"resourceVersion": str(len(self.patches))}}


@pytest.fixture
def server():
    return Server()


def publisher_of(server):
    recorder = EventRecorder(
        lambda _namespace, body: server.events.append(body["message"]), instance="operator-0"
    )
    return StatusWriter(OWNER, api=server, recorder=recorder)


@pytest.fixture
def publisher(server):
    return publisher_of(server)


def publish(publisher, status, *, now=NOW, generation=1, version=0):
    publisher.publish(status, generation=generation, now=now, version=version)


def test_the_first_pass_writes_everything_once(server, publisher):
    publisher.note(READY)
    publisher.show({"phase": "Running", "rounds": 3, "completionTime": None})
    publish(publisher, {})
    assert len(server.patches) == 1
    noted, *summed_up = server.status.pop("conditions")
    assert server.status == {
        "phase": "Running",
        "rounds": 3,
        "observedGeneration": 1,
        "selector": "pbt.dev/population-uid=u1,!pbt.dev/settled",
    }
    assert noted == {
        "type": "StorageReady",
        "status": "True",
        "reason": "Ready",
        "message": "s3://b/x",
        "observedGeneration": 1,
        "lastTransitionTime": TIME,
    }
    assert [(found["type"], found["status"]) for found in summed_up] == [
        ("Ready", "False"),
        ("Reconciling", "True"),
        ("Stalled", "False"),
    ]


def test_ready_follows_from_the_members_that_train_and_from_what_else_is_wrong(server, publisher):
    def shown(progress, training):
        publisher.note(progress)
        publisher.show({"phase": "Running", "readyReplicas": training})
        publish(publisher, server.status)
        return next(c["status"] for c in server.status["conditions"] if c["type"] == "Ready")

    fine = Condition("Progressing", "True", "Training", "8 of 8 pods run")
    assert [shown(fine, 0), shown(fine, 8), shown(replace(fine, wrong=True), 8)] == ["False", "True", "False"]
    publisher.note(READY)  # what is wrong stays so until it is looked at again
    publish(publisher, server.status)
    assert next(c["status"] for c in server.status["conditions"] if c["type"] == "Ready") == "False"
    assert "wrong" not in server.status["conditions"][0]


@pytest.mark.parametrize("is_wrong", [True, False])
def test_another_operator_leaves_ready_as_it_was_until_it_has_looked(server, is_wrong):
    def ready():
        return next(c["status"] for c in server.status["conditions"] if c["type"] == "Ready")

    before, after = publisher_of(server), publisher_of(server)
    before.note(Condition("Progressing", "True", "PodsWaiting", "7 of 8 pods run", wrong=is_wrong))
    before.show({"readyReplicas": 7})
    publish(before, {})
    expected = "False" if is_wrong else "True"
    assert ready() == expected
    after.note(Condition("Accepted", "True", "Accepted", "the spec is in force"))
    publish(after, server.status)
    assert ready() == expected
    after.note(Condition("Progressing", "True", "PodsWaiting", "7 of 8 pods run", wrong=not is_wrong))
    publish(after, server.status)
    assert ready() != expected


def test_a_spec_that_could_not_be_looked_at_is_not_said_to_be_observed(server, publisher):
    publisher.show({"phase": "Pending"})
    publish(publisher, {}, generation=None)
    assert server.status["observedGeneration"] == UNSEEN
    publisher.note(Condition("StorageReady", "False", "Unreachable", "no route"))
    publish(publisher, server.status, generation=None)
    assert {c["observedGeneration"] for c in server.status["conditions"]} == {0}
    publish(publisher, server.status, generation=4)
    publish(publisher, server.status, generation=None)
    assert server.status["observedGeneration"] == 4


def test_a_population_of_which_nothing_is_known_is_pending(server, publisher):
    publisher.note(Condition("Accepted", "False", "UnknownStore", "no such store"))
    publish(publisher, {})
    assert server.status["phase"] == "Pending"


def test_nothing_is_written_while_nothing_changes(server, publisher):
    for minute in range(3):
        publisher.note(READY)
        publisher.show({"phase": "Running"})
        # The watch is late: it still shows what was there before the first write.
        publish(publisher, {}, now=NOW + 60 * minute)
    assert len(server.patches) == 1


def test_a_restart_writes_nothing_if_the_cluster_shows_it_already(server, publisher):
    for one in (publisher, publisher_of(server)):
        one.note(READY)
        one.show({"phase": "Running"})
        publish(one, server.status, now=NOW + 60)
    assert len(server.patches) == 1


def test_what_another_operator_has_written_since_is_set_right(server, publisher):
    publisher.show({"phase": "Running"})
    publish(publisher, {}, version=1)
    publisher.show({"phase": "Running"})
    publish(publisher, {**server.status, "phase": "Pending"}, version=2)
    assert server.status["phase"] == "Running"
    assert len(server.patches) == 2


def test_what_vanishes_is_taken_away(server, publisher):
    publisher.show({"phase": "Running", "startTime": TIME, "rounds": 1})
    publish(publisher, {})
    publisher.show({"phase": "Suspended", "startTime": None, "rounds": 1})
    publish(publisher, {})
    assert server.patches[-1]["startTime"] is None
    assert "startTime" not in server.status
    publish(publisher, {})
    assert len(server.patches) == 2


def test_conditions_that_are_not_noted_stay_and_keep_their_time(server, publisher):
    publisher.note(Condition("Accepted", "True", "Accepted"))
    publisher.note(READY)
    publish(publisher, {})
    publisher.note(Condition("StorageReady", "False", "Unreachable", "no route"))
    publish(publisher, {}, now=NOW + 60, generation=2)
    found = {
        c["type"]: (c["status"], c["lastTransitionTime"], c["observedGeneration"])
        for c in server.status["conditions"]
        if c["type"] in {"Accepted", "StorageReady", "Stalled"}
    }
    assert found == {
        "Accepted": ("True", TIME, 1),
        "StorageReady": ("False", LATER, 2),
        "Stalled": ("False", TIME, 2),
    }
    publisher.note(Condition("StorageReady", "False", "Refused", "no rights"))
    publish(publisher, {}, now=NOW + 120, generation=2)
    (storage,) = [c for c in server.status["conditions"] if c["type"] == "StorageReady"]
    assert (storage["reason"], storage["lastTransitionTime"]) == ("Refused", LATER)


def test_what_could_not_be_written_is_written_by_the_next_pass(server, publisher):
    publisher.note(READY)
    publisher.show({"phase": "Running"})
    publisher.tell(Event("Exploited", "member 1 copies member 0"))
    server.away = True
    with pytest.raises(ApiUnavailable):
        publish(publisher, {})
    server.away = False
    publish(publisher, {})
    assert server.status["phase"] == "Running"
    assert server.status["conditions"][0]["type"] == "StorageReady"
    assert server.events == ["member 1 copies member 0"]


def test_the_status_of_a_population_that_is_gone_is_nobodys(server, publisher):
    server.gone = True
    publisher.show({"phase": "Running"})
    publish(publisher, {})
    assert server.patches == []


def test_each_event_is_posted_once(server, publisher):
    for _ in range(3):
        publisher.tell(Event("Refused", "no rights", warning=True))
        publish(publisher, {})
    publish(publisher, {})
    assert server.events == ["no rights"]


def test_what_only_moves_on_is_written_once_in_a_while(server, publisher):
    for step in range(40):
        publisher.note(READY)
        publisher.show({"phase": "Running", "rounds": step})
        publish(publisher, server.status, now=NOW + step / 10)
        if publisher.seconds_until_due(NOW + step / 10) == float("inf"):
            assert server.status["rounds"] == step
        else:
            assert 0 < publisher.seconds_until_due(NOW + step / 10) <= APART_SECONDS
    assert [patch["rounds"] for patch in server.patches] == [0, 20]
    publisher.note(READY)
    publisher.show({"phase": "Running", "rounds": 39})
    publish(publisher, server.status, now=NOW + 3.9 + publisher.seconds_until_due(NOW + 3.9))
    assert server.status["rounds"] == 39
    assert publisher.seconds_until_due(NOW + 10) == float("inf")


@pytest.mark.parametrize("change", ["phase", "condition", "reason", "generation"])
def test_what_somebody_waits_for_is_written_at_once(server, publisher, change):
    publisher.note(READY)
    publisher.show({"phase": "Running"})
    publish(publisher, {})
    publisher.note(
        {
            "condition": Condition("StorageReady", "False", "Ready", "s3://b/x"),
            "reason": Condition("StorageReady", "True", "Back", "s3://b/x"),
        }.get(change, READY)
    )
    publisher.show({"phase": "Complete" if change == "phase" else "Running"})
    publish(publisher, server.status, now=NOW + 0.1, generation=2 if change == "generation" else 1)
    assert len(server.patches) == 2


def test_a_clock_that_is_set_back_holds_nothing_up(server, publisher):
    publisher.show({"phase": "Running", "rounds": 1})
    publish(publisher, {})
    publisher.show({"phase": "Running", "rounds": 2})
    publish(publisher, server.status, now=NOW - 3600)
    assert server.status["rounds"] == 2


def test_what_the_watch_does_not_show_yet_is_taken_away_all_the_same(server, publisher):
    server.status = {"phase": "Running", "final": {"member": 1}}
    publisher.show({"phase": "Failed", "final": None})
    publish(publisher, {"phase": "Running"})
    assert server.status["phase"] == "Failed"
    assert "final" not in server.status


def test_a_number_that_json_cannot_hold_is_left_out_and_named(server, publisher, caplog):
    publisher.show({"rounds": 3, "forecast": {"seconds": 1, "gpuHours": float("inf")}})
    publish(publisher, {})
    assert server.status["rounds"] == 3
    assert "forecast" not in server.status
    assert "status.forecast.gpuHours is not finite" in caplog.text
