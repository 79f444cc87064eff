"""Resources as format 1's first version left them on a cluster: this version's API server and operator take them."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml
from kubernetes import client

from pbt_contract.assignment import Assignment
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.population_resource import PopulationResource
from pbt_operator.control.pods import Phase
from pbt_operator.manifest.load import load
from pbt_operator.manifest.population import to_wire
from pbt_operator.manifest.settled_spec import settled
from pbt_operator.records import specs
from pbt_operator.runners.kubernetes.admission import examine
from pbt_operator.runners.kubernetes.conditions import Condition, merged
from pbt_operator.runners.kubernetes.pod_state import read
from pbt_operator.runners.kubernetes.run_times import Times
from service.upgrade.conftest import DATA
from service.upgrade.record import NAME
from service.upgrade.resources import MEMBER, NOW, PLACE, POD_UID, namespaced
from support.apiserver import ApiServer

POPULATION: dict[str, Any] = yaml.safe_load((DATA / "population.yaml").read_text())
POD: dict[str, Any] = yaml.safe_load((DATA / "pod.yaml").read_text())


@pytest.fixture
def custom(apiserver: ApiServer) -> Iterator[client.CustomObjectsApi]:
    """Populations of the recorded namespace."""
    with namespaced(apiserver) as connection:
        yield client.CustomObjectsApi(connection)


def stored(custom: client.CustomObjectsApi, **status: Any) -> dict[str, Any]:
    """The recorded resource as the API server has it, once it was created and its status written."""
    body = {**POPULATION, "metadata": {"name": NAME}}
    custom.create_namespaced_custom_object(**PLACE, body=body, field_validation="Strict")
    told = {"status": {**POPULATION["status"], **status}}
    custom.patch_namespaced_custom_object_status(**PLACE, name=NAME, body=told)
    found: dict[str, Any] = custom.get_namespaced_custom_object(**PLACE, name=NAME)
    return found


def test_the_api_server_keeps_a_recorded_resource_as_it_is(custom):
    """But for what has a default now: it is the same whether it is filled in or not."""
    found = stored(custom)
    schedule = {**POPULATION["spec"]["schedule"], "maxLead": 2}
    assert found["spec"] == {**POPULATION["spec"], "schedule": schedule}
    assert found["status"] == POPULATION["status"]


def test_a_recorded_resource_with_the_defaults_of_then_can_be_patched(custom):
    """Were Auto filled in, each patch would be refused: its exploit and explore were filled in, too."""
    stored(custom)
    for change in ({"members": 7}, {"strategy": "Explicit"}, {"exploit": {"minGap": 0.5}}):
        changed = custom.patch_namespaced_custom_object(**PLACE, name=NAME, body={"spec": change})
    assert changed["spec"]["explore"] == POPULATION["spec"]["explore"]
    with pytest.raises(client.ApiException) as refused:
        custom.patch_namespaced_custom_object(**PLACE, name=NAME, body={"spec": {"strategy": "Auto"}})
    assert "spec.strategy: Invalid value" in str(refused.value.body)


def test_the_operator_reads_a_recorded_resource_as_its_manifest():
    known = specs.history(FolderStore(DATA / "middle" / NAME))
    found, meant = (settled(m, known) for m in (examine(POPULATION), load(DATA / "manifest.yaml").spec))
    assert found == meant
    assert to_wire(found) == to_wire(meant)
    assert Times.of(POPULATION["status"]).start == NOW


def test_pbt_reads_a_recorded_status():
    found = PopulationResource(POPULATION)
    status = found.status()
    assert (status.phase, status.rounds, len(status.members)) == ("Running", 2, 6)
    assert status.best is not None
    assert status.best.score == POPULATION["status"]["best"]["score"]
    assert found.location.startswith("s3://")
    assert found.troubles() == []


def test_the_operator_knows_a_recorded_pod():
    """It runs on through an upgrade of the operator: the next one finds it by its labels."""
    seen = read(POD)
    assert seen is not None
    assert (seen.pod.uid, seen.pod.member, seen.pod.phase) == (POD_UID, MEMBER, Phase.RUNNING)
    assert not seen.settled


def test_a_trainer_reads_what_a_recorded_pod_tells_it():
    """So does one of another version than its operator: what it doesn't know, it leaves."""
    environment = {v["name"]: v.get("value", POD_UID) for v in POD["spec"]["containers"][0]["env"]}
    assigned = Assignment.from_environment({**environment, "PBT_OF_A_LATER_VERSION": "?"})
    assert assigned is not None
    assert (assigned.member, assigned.pod, assigned.total_steps) == (MEMBER, POD_UID, 40)
    assert assigned.location == POPULATION["status"]["location"]
    assert assigned.hyperparameters == {"depth": 5, "rate": pytest.approx(0.0151387)}


# what a newer version may have written


def test_fields_of_a_later_version_in_a_status_are_no_error_and_dropped(custom):
    """After a rollback, or where another release installed the custom resource."""
    assert stored(custom, laterVersion={"since": 2})["status"] == POPULATION["status"]


def test_conditions_of_a_later_version_are_kept(custom):
    later = {**POPULATION["status"]["conditions"][0], "type": "LaterVersion", "reason": "Later"}
    conditions = stored(custom, conditions=[*POPULATION["status"]["conditions"], later])["status"][
        "conditions"
    ]
    assert later in conditions
    ours = [Condition("Progressing", "False", "Starting")]
    assert later in merged(conditions, ours, generation=1, time="2030-01-01T00:00:00Z")


def test_pbt_reads_a_status_with_fields_of_a_later_version():
    body = deepcopy(POPULATION)
    body["status"]["laterVersion"] = body["status"]["best"]["laterVersion"] = {"since": 2}
    assert PopulationResource(body).status() == PopulationResource(POPULATION).status()


def test_a_spec_field_of_a_later_version_is_refused_when_it_is_applied(custom):
    body = deepcopy({**POPULATION, "metadata": {"name": NAME}})
    body["spec"]["laterVersion"] = True
    with pytest.raises(client.ApiException) as refused:
        custom.create_namespaced_custom_object(**PLACE, body=body, field_validation="Strict")
    assert 'unknown field \\"spec.laterVersion\\"' in str(refused.value.body)
