"""The store layout that format 1 was begun with is read by this version, and records of a newer format by none."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from msgspec.structs import replace

from fixtures.decided import decisions
from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report, encode
from pbt_contract.errors import NewerFormat, RecordRefused
from pbt_contract.records import FORMAT, Birth, Cause, Claim, Report
from pbt_contract.stores.folder import FolderStore
from pbt_operator.control.ownership import Ownership
from pbt_operator.control.session import Session
from pbt_operator.core.location_records import OwnerRecord, SpecRecord
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import Perturb, Truncation
from pbt_operator.core.status import Result
from pbt_operator.manifest.load import load
from pbt_operator.manifest.population import PopulationSpec, as_now, recorded, to_wire
from pbt_operator.manifest.settled_spec import settled
from pbt_operator.records import audit, specs
from pbt_operator.records.archive import read_archive
from pbt_trainer.state.tracked import Tracked
from service.upgrade import record
from service.upgrade.conftest import DATA
from service.upgrade.extended import extended
from simulation.memory_store import MemoryStore
from support.trainers import TRAINERS

KINDS: dict[str, type] = {
    keys.BIRTHS: Birth,
    keys.CLAIMS: Claim,
    keys.ROUNDS: Round,
    keys.REPORTS: Report,
    keys.SAVES: Report,
    keys.SPECS: SpecRecord,
    keys.OWNERS: OwnerRecord,
    keys.RESULTS: Result,
}

ENDED, MIDDLE = (FolderStore(DATA / name / record.NAME) for name in ("ended", "middle"))
ONE_OF_EACH = [next(ENDED.names(prefix)) for prefix in KINDS]


def kind_of(key: str) -> type:
    return KINDS[key.split("/", maxsplit=1)[0] + "/"]


def records_of(store: FolderStore) -> list[str]:
    return [key for prefix in KINDS for key in store.names(prefix)]


def in_memory(store: FolderStore) -> MemoryStore:
    """A copy that a test may change."""
    copied = MemoryStore()
    for key in store.names(""):
        copied.put(key, store.read(key))
    return copied


def pbt(*arguments: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pbt_operator.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_data_are_what_they_are_said_to_be():
    """The middle of an exploit: of three losers one is claimed and unfinished, one unclaimed, one not born yet."""
    told = read_archive(MIDDLE)
    newest = told.rounds[-1]
    births = {birth.member: birth for birth in told.births.values() if birth.round == newest.number}
    assert len(newest.decisions) == 3
    assert len(births) == 2
    claimed = {member for member, birth in births.items() if (member, birth.incarnation) in told.claimed}
    assert len(claimed) == 1
    assert not any(told.history.own_record(member) for member in births)
    assert {Cause.INITIAL, Cause.RESUME, Cause.CRASH, Cause.EXPLOIT} <= {
        b.cause for b in told.births.values()
    }
    assert told.saves
    assert told.result is None
    assert read_archive(ENDED).result is not None
    assert sum(file.stat().st_size for file in DATA.rglob("*") if file.is_file()) < 200_000


@pytest.mark.parametrize("store", [MIDDLE, ENDED], ids=["middle", "ended"])
def test_every_record_is_read_and_written_as_it_was(store):
    """A field that a later version adds to what it writes shows here: older readers must be able to do without it."""
    for key in records_of(store):
        data = store.read(key)
        assert json.loads(data)["format"] == 1, key
        assert encode(decode(kind_of(key), data, key=key)) == data, key


@pytest.mark.parametrize("store", [MIDDLE, ENDED], ids=["middle", "ended"])
def test_the_recorded_story_is_whole(store):
    told = read_archive(store)
    assert told.refused == {}
    assert audit.violations(store, told) == []


def test_the_recorder_still_records(tmp_path):
    """What it writes now is read like what it wrote when this format began."""
    record.record(tmp_path)
    for name in ("middle", "ended"):
        store = FolderStore(tmp_path / name / record.NAME)
        told = read_archive(store)
        assert audit.violations(store, told) == []
        assert decisions(told.rounds) == decisions(
            read_archive(FolderStore(DATA / name / record.NAME)).rounds
        )


# what a newer version may do


@pytest.mark.parametrize("key", ONE_OF_EACH)
def test_fields_of_a_later_version_are_ignored(key):
    data = ENDED.read(key)
    found, meant = (decode(kind_of(key), one, key=key) for one in (extended(data), data))
    if isinstance(found, SpecRecord):
        found = replace(found, spec=as_now(found.spec))
        meant = replace(meant, spec=as_now(meant.spec))
    assert found == meant


@pytest.mark.parametrize("key", ONE_OF_EACH)
def test_a_newer_format_is_refused_by_key_both_versions_and_remedy(key):
    """Even where nothing else of the record is as it was."""
    for body in ({**json.loads(ENDED.read(key)), "format": 2}, {"format": 2, "who": {"knows": []}}):
        with pytest.raises(NewerFormat) as refused:
            decode(kind_of(key), json.dumps(body).encode(), key=key)
        told = str(refused.value)
        assert told.startswith(f"{key}: format 2, ")
        assert f"reads format {FORMAT}" in told
        assert "upgrade" in told


@pytest.mark.parametrize("version", [None, 0, -1, "1", 1.5, True, []])
def test_what_is_no_format_is_malformed(version):
    (key,) = (key for key in ONE_OF_EACH if key.startswith(keys.REPORTS))
    body = {**json.loads(ENDED.read(key)), "format": version}
    if version is None:
        del body["format"]
    with pytest.raises(RecordRefused) as refused:
        decode_report(json.dumps(body).encode(), key=key)
    assert not isinstance(refused.value, NewerFormat)
    assert key in str(refused.value)


def test_a_cause_that_this_version_does_not_know_is_no_additive_change():
    key = next(key for key in ONE_OF_EACH if key.startswith(keys.BIRTHS))
    body = {**json.loads(ENDED.read(key)), "cause": "Merge"}
    with pytest.raises(RecordRefused, match="Merge"):
        decode(Birth, json.dumps(body).encode(), key=key)


def test_further_folders_of_a_location_belong_to_later_versions():
    store = in_memory(ENDED)
    store.put("notes/0000001.json", b'{"format": 7}')
    assert read_archive(store).refused == {}
    assert audit.violations(store, read_archive(store)) == []


@pytest.mark.parametrize(
    "prefix", [keys.BIRTHS, keys.ROUNDS, keys.REPORTS, keys.SAVES, keys.RESULTS, keys.SPECS]
)
def test_half_a_story_is_not_told(prefix, tmp_path):
    """One record of a newer format, and `pbt status` says so instead of showing the rest."""
    folder = record.copy(ENDED, tmp_path / "newer")
    key = list(ENDED.names(prefix))[-1]
    (folder / key).write_bytes(b'{"format": 3}')
    with pytest.raises(NewerFormat, match=re.escape(key)):
        read_archive(FolderStore(folder))


@pytest.mark.process
def test_pbt_names_the_record_and_the_remedy(tmp_path):
    folder = record.copy(ENDED, tmp_path / "newer")
    (folder / keys.round_(4)).write_bytes(b'{"format": 3}')
    done = pbt("status", folder, folder=tmp_path)
    assert done.returncode == 1
    assert f"{keys.round_(4)}: format 3, and this version reads format 2" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_a_local_run_names_it_too(recorded):
    newer = recorded / "middle" / record.NAME / keys.report(3, 5, 9)
    newer.parent.mkdir(exist_ok=True)
    newer.write_bytes(b'{"format": 2}')
    done = pbt("run", recorded / "manifest.yaml", "--dir", recorded / "middle", folder=TRAINERS)
    assert done.returncode == 1
    assert f"{keys.report(3, 5, 9)}: format 2, and this version reads format 1" in done.stderr
    assert "Traceback" not in done.stderr


# the spec


def test_the_recorded_spec_is_that_of_the_recorded_manifest():
    """An upgrade alone makes no new spec record, which would open a population anew that has ended."""
    known = specs.history(MIDDLE)
    assert known is not None
    assert as_now(known.newest.spec) == to_wire(settled(load(DATA / "manifest.yaml").spec, known))


def test_what_began_before_there_were_strategies_stays_explicit_with_its_values():
    """Also where it is continued by a manifest that gives neither exploit nor explore, and where it is changed."""
    place = record.simulation(in_memory(MIDDLE))
    bare = {
        name: part for name, part in record.MANIFEST["spec"].items() if name not in {"exploit", "explore"}
    }
    for number, changes in enumerate(
        ({}, {"members": 7}, {"members": 7, "explore": {"reachPercent": 30}}), start=1
    ):
        manifest = PopulationSpec.model_validate({**bare, "strategy": None, **changes})
        ownership = Ownership(name=record.NAME, namespace=record.NAMESPACE)
        session = Session.open(place, manifest, ownership=ownership, emit=place.events.append)
        spec = session.reconciler.spec
        assert (session.reconciler.spec_number, spec.strategy) == (number, "Explicit")
        assert spec.exploit.rule == Truncation(percent=50)
        assert spec.exploit.horizon_percent == 0
        assert spec.explore == (
            Perturb(reachPercent=30) if "explore" in changes else Perturb(factors=(0.8, 1.25))
        )


def test_a_recorded_spec_lacks_the_fields_of_later_versions_and_holds_those_of_newer_ones():
    now = to_wire(settled(load(DATA / "manifest.yaml").spec, specs.history(MIDDLE)))
    older = {name: value for name, value in now.items() if name not in {"finish", "backoffLimit"}}
    older["schedule"] = {name: value for name, value in now["schedule"].items() if name != "burnInSteps"}
    newer = json.loads(extended(json.dumps(now).encode()))
    assert newer != now
    assert as_now(older) == as_now(newer) == now
    assert recorded(SpecRecord(number=1, name="digits", namespace="team-a", spec=newer)).members == 6
    with pytest.raises(RecordRefused, match=keys.spec(1)):
        recorded(SpecRecord(number=1, name="digits", namespace="team-a", spec={}))


# commands


@pytest.mark.process
def test_commands_read_it(location, tmp_path):
    status = json.loads(pbt("status", location, "-o", "json", folder=tmp_path).stdout)
    told = read_archive(FolderStore(location))
    assert status["phase"] == ("Complete" if location.parent.name == "ended" else "Running")
    assert (status["rounds"], status["births"]) == (len(told.rounds), len(told.births))
    lineage = json.loads(pbt("lineage", location, "-o", "json", folder=tmp_path).stdout)
    assert lineage["member"] == status["best"]["member"]
    schedule = yaml.safe_load(pbt("schedule", location, "-o", "yaml", folder=tmp_path).stdout)
    assert schedule
    fetched = pbt("fetch", location, "--to", "best", folder=tmp_path)
    assert "verified" in fetched.stdout
    assert (tmp_path / "best" / "state.json").read_bytes() == (
        location / status["best"]["checkpoint"] / "state.json"
    ).read_bytes()
    assert pbt("report", location, folder=tmp_path).returncode == 0


# going on


def test_a_simulated_run_goes_on_from_the_middle():
    went_on(record.simulation(in_memory(MIDDLE)).run().store)


@pytest.mark.process
def test_a_local_run_goes_on_from_the_middle_with_the_recorded_checkpoints(recorded):
    done = pbt("run", recorded / "manifest.yaml", "--dir", recorded / "middle", folder=TRAINERS)
    assert done.returncode == 0, done.stdout + done.stderr
    went_on(FolderStore(recorded / "middle" / record.NAME))


def went_on(after: Any) -> None:
    """It has ended with the decisions of the recording that was not interrupted, and changed nothing recorded."""
    told = read_archive(after)
    assert audit.violations(after, told) == []
    assert told.refused == {}
    assert told.result is not None
    assert told.result.reason == "AllStepsDone"
    assert decisions(told.rounds) == decisions(read_archive(ENDED).rounds)
    assert [b.round for b in told.births.values()].count(record.INTERRUPTED) == 3
    for key in records_of(MIDDLE):
        assert after.read(key) == MIDDLE.read(key), key
    assert list(after.names(keys.SPECS)) == [keys.spec(1)]


@pytest.mark.process
def test_a_run_that_had_ended_stays_as_it_was(recorded):
    """Also where its spec was recorded by a version that knew fewer fields than this one."""
    home = recorded / "ended" / record.NAME
    accepted = json.loads((home / keys.spec(1)).read_text())
    del accepted["spec"]["finish"], accepted["spec"]["schedule"]["burnInSteps"]
    (home / keys.spec(1)).write_text(json.dumps(accepted))
    done = pbt("run", recorded / "manifest.yaml", "--dir", recorded / "ended", folder=TRAINERS)
    assert done.returncode == 0, done.stdout + done.stderr
    store = FolderStore(home)
    assert records_of(store) == records_of(ENDED)


# a checkpoint of the SDK


def test_a_checkpoint_of_pytorch_objects_is_restored(tmp_path):
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    tracked = Tracked(total_steps=9)
    for name, value in {"model": model, "optimizer": optimizer, "scheduler": scheduler}.items():
        tracked.add(name, value)
    assert tracked.restore(DATA / "checkpoint", exploit=False, random_state="restore") == []
    assert model.weight.tolist() == [[pytest.approx(0.5), pytest.approx(1.5)]]
    assert model.bias.tolist() == [pytest.approx(2.5)]
    state = optimizer.state_dict()["state"][0]
    assert state["exp_avg"].tolist() == [[pytest.approx(0.1), pytest.approx(0.1)]]
    assert float(state["step"]) == 1
    assert optimizer.param_groups[0]["lr"] == scheduler.get_last_lr()[0] == 0.25
    assert scheduler.last_epoch == 1


def test_a_checkpoint_of_a_newer_format_is_refused(tmp_path):
    for name in ("state.json", "state.safetensors"):
        (tmp_path / name).write_bytes((DATA / "checkpoint" / name).read_bytes())
    content = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**content, "format": 3}))
    with pytest.raises(
        NewerFormat, match=r"state\.json: format 3, and this version reads format 2.*pbt_trainer"
    ):
        Tracked(total_steps=9).restore(tmp_path, exploit=False, random_state="restore")
