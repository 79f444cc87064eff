"""A value of `env` on a cluster: pods have it, nothing else does, and another one mends what failed."""

import sys
from typing import Any

from pbt_contract import keys
from pbt_operator.records import specs
from support.trainers import TRAINERS

SCHEDULE = {"totalSteps": 40, "intervalSteps": 10, "quorumPercent": 100}
SECRET = "hunter2-of-the-cluster"
TRAINER = (
    f'test "${{TOKEN#hunter2}}" = -of-the-cluster && exec {sys.executable} {TRAINERS / "deterministic.py"}'
)


def template(token: str, *, step_seconds: float = 0) -> dict[str, Any]:
    env = [{"name": "TOKEN", "value": token}, {"name": "STEP_SECONDS", "value": str(step_seconds)}]
    trainer = {"name": "trainer", "image": "trainer", "command": ["sh", "-c", TRAINER], "env": env}
    return {"spec": {"containers": [trainer], "terminationGracePeriodSeconds": 10}}


def test_another_value_mends_what_failed_and_no_record_status_event_or_log_has_either(world, team):
    """Also where the operator was away when it was changed; one that starts later asks for nothing more."""
    wrong = f"{SECRET}-wrong"
    team.create("mended", members=2, backoffLimit=0, schedule=SCHEDULE, template=template(wrong))
    team.wait("mended", "Complete", "False", "AllMembersFailed")
    world.operator.end()
    team.change("mended", template=template(f"{wrong}-too"))
    world.operator.start()
    store = team.store("mended")
    team.until(lambda: list(store.names(keys.RESULTS)) == [keys.result(1), keys.result(2)])
    team.wait("mended", "Complete", "False", "AllMembersFailed")
    world.operator.end()
    world.operator.start()
    team.until(lambda: "mended" in world.operator.log.read_text())
    team.change("mended", template=template(SECRET))
    team.wait("mended", "Complete", "True", "AllStepsDone")
    team.archive("mended")
    records = [specs.read(store, keys.number_in(key)) for key in store.names(keys.SPECS)]
    assert [record.number for record in records] == [1, 2, 3]
    generations = [record.generation for record in records[1:]]
    assert generations == [2, 3]
    told = [str(team.read("mended")["status"]), str(team.events("mended")), world.operator.log.read_text()]
    told += [store.read(key).decode(errors="replace") for key in store.names("")]
    assert len(told) > 10
    assert [text for text in told if SECRET in text] == []


def test_an_operator_that_starts_on_a_wrong_spec_makes_pods_with_the_values_of_the_resource(world, team):
    endless = {**SCHEDULE, "totalSteps": 100_000}
    team.create("kept", members=2, schedule=endless, template=template(SECRET, step_seconds=0.05))
    team.until(lambda: (team.read("kept").get("status") or {}).get("rounds", 0) >= 1)
    world.operator.end()
    wrong = template(SECRET, step_seconds=0.05)
    wrong["spec"]["containers"][0]["env"].append({"name": "PBT_LOCATION", "value": "mine"})
    team.change("kept", template=wrong)
    world.operator.start()
    team.wait("kept", "Accepted", "False", "InvalidTemplate")
    former = team.pods("kept")
    for pod in former:
        team.core.delete_namespaced_pod(pod, team.name)
    team.until(lambda: len(set(team.pods("kept").values()) - set(former.values())) == 2)
    now = team.read("kept")["status"]["rounds"]
    team.until(lambda: team.read("kept")["status"]["rounds"] > now)
