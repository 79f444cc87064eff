"""The policies of docs/storage.md are enough for trainers and operator, and end at their prefix."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from fixtures.manifests import DETERMINISTIC, population
from pbt_contract import keys
from pbt_contract.errors import NotFound, StoreRefused, StoreUnavailable
from pbt_contract.stores.probe import probe
from pbt_contract.stores.s3 import S3Store
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from pbt_operator.runners.kubernetes.config import StoreConfig
from pbt_operator.runners.kubernetes.store_clients import location_of, open_location, siblings
from support.minio import session_of
from support.s3server import Server, write_credentials
from support.trainers import DETERMINISTIC as TRAINER
from support.versitygw import Gateway
from unit.trainer.population import population_in

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGE = (Path(__file__).parents[3] / "docs" / "storage.md").read_text()
POLICIES = dict(re.findall(r"```json policies/(\w+)\.json\n(.*?)```", PAGE, re.DOTALL))

HOME, LARGE = "pbt/team-a", 20 * 1024 * 1024


def policy(role: str, server: Server) -> dict[str, Any]:
    """The page's policy for this server's bucket."""
    found: dict[str, Any] = json.loads(POLICIES[role].replace(":::experiments", f":::{server.bucket}"))
    return found


def by_bucket_policy(server: Gateway, role: str) -> dict[str, str]:
    """A user without rights, whom the bucket's policy names."""
    access, secret = server.make_user()
    client = server.client()
    try:
        statements = json.loads(client.get_bucket_policy(Bucket=server.bucket)["Policy"])["Statement"]
    except client.exceptions.ClientError:
        statements = []
    mine = [{**one, "Principal": {"AWS": [access]}} for one in policy(role, server)["Statement"]]
    whole = {"Version": "2012-10-17", "Statement": [*statements, *mine]}
    client.put_bucket_policy(Bucket=server.bucket, Policy=json.dumps(whole))
    client.close()
    return {"access_key": access, "secret_key": secret}


Role = Callable[[str], Path]


@pytest.fixture
def role(server: Server, tmp_path: Path) -> Role:
    """Makes a folder with the credentials of somebody with no more rights than `trainer` or `operator`."""

    def make(name: str) -> Path:
        folder = tmp_path / f"{name}-credentials"
        if isinstance(server, Gateway):
            given = by_bucket_policy(server, name)
        else:
            given = session_of(server, policy=json.dumps(policy(name, server)))
        write_credentials(folder, **given)
        return folder

    return make


@pytest.fixture
def trainer(server: Server, role: Role, monkeypatch: pytest.MonkeyPatch) -> Iterator["S3Client"]:
    """A client with the trainers' rights."""
    monkeypatch.setenv("PBT_S3_CREDENTIALS", str(role("trainer")))
    client = server.client(aws_access_key_id=None, aws_secret_access_key=None)
    yield client
    client.close()


def test_a_population_trains_and_is_purged_with_these_rights_alone(
    server: Server, client: "S3Client", role: Role, tmp_path: Path
) -> None:
    operator, trainer = role("operator"), role("trainer")
    name, place = f"policy-{uuid4().hex[:6]}", f"{HOME}/other-{uuid4().hex[:8]}"
    S3Store(server.bucket, place, client=client).create("births/1.json", b"{}")
    command = [sys.executable, str(TRAINER)]
    # The runner has the operator's rights, its trainers theirs.
    env = [{"name": "PBT_S3_CREDENTIALS", "value": str(trainer)}]
    template = {"spec": {"containers": [{"name": "trainer", "command": command, "env": env}]}}
    schedule = {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}
    changes: dict[str, Any] = {"members": 3, "schedule": schedule, "template": template}
    manifest = tmp_path / "population.json"
    manifest.write_text(json.dumps(population(name, {**DETERMINISTIC, **changes})))
    environment = {**os.environ, **server.environment, "PBT_S3_CREDENTIALS": str(operator)}
    run = [sys.executable, "-m", "pbt_operator.cli.main", "run", str(manifest)]
    done = subprocess.run(
        [*run, "--dir", f"s3://{server.bucket}/{HOME}"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    store = StoreConfig(
        name="default", bucket=server.bucket, prefix="pbt", endpoint=server.endpoint, credentials=operator
    )
    opened = open_location(store, f"s3://{server.bucket}/{HOME}/{name}")
    found = read_archive(opened)
    assert audit.violations(opened, found) == []
    assert any(birth.source for birth in found.births.values()), "nobody copied anybody"
    opened.purge()
    assert list(opened.names("")) == []
    assert list(S3Store(server.bucket, place, client=client).names("")) == ["births/1.json"]


def test_the_operator_probes_tidies_up_and_finds_other_locations_of_a_name(
    server: Server, client: "S3Client", role: Role
) -> None:
    store = StoreConfig(
        name="default",
        bucket=server.bucket,
        prefix="pbt",
        endpoint=server.endpoint,
        credentials=role("operator"),
    )
    name = f"n{uuid4().hex[:8]}"
    known = {"namespace": "team-a", "name": name, "storage": Storage()}
    opened = [open_location(store, location_of(store, uid=uid, **known)) for uid in ("11111111", "22222222")]
    for location in opened:
        probe(location)
        location.create("births/1.json", b"{}")
        key = f"{location.url.removeprefix(f's3://{server.bucket}/')}/checkpoints/1/model"
        client.create_multipart_upload(Bucket=server.bucket, Key=key)
        location.abandon_uploads("checkpoints/")
    uploads = client.list_multipart_uploads(Bucket=server.bucket).get("Uploads", [])
    assert [upload["Key"] for upload in uploads if name in upload["Key"]] == []
    assert siblings(store, uid="11111111", **known) == [f"{name}-22222222"]


def test_a_trainer_saves_restores_and_takes_over_with_these_rights_alone(
    server: Server, client: "S3Client", role: Role, tmp_path: Path
) -> None:
    store = S3Store(server.bucket, f"{HOME}/{uuid4().hex}", client=client)
    variables = {
        **{name: text for name, text in server.environment.items() if "KEY" not in name},
        "PBT_S3_CREDENTIALS": str(role("trainer")),
    }
    with population_in(tmp_path, store=store, variables=variables) as started:
        started.birth(member=3)
        started.run(member=3, total_steps=4)
        started.birth()
        trainer = started.start(in_place=True, total_steps=10**6, interval_steps=10**6)
        trainer.step_until("step 1")
        started.exploit(started.reported(1, member=3), hyperparameters={"rate": 0.5, "layers": 2})
        trainer.step_until("restored 4")
        trainer.step_until("step 5")
        trainer.terminate()
        assert trainer.end() == 0, trainer.errors()
        assert list(store.names(keys.saves_of(0, 2)))


def test_a_trainer_finds_out_that_nothing_is_there_yet(server: Server, trainer: "S3Client") -> None:
    with pytest.raises(NotFound):
        S3Store(server.bucket, f"{HOME}/digits", client=trainer).read("births/00001-000009.json")


def test_a_trainer_takes_back_an_upload_that_failed(
    server: Server, client: "S3Client", trainer: "S3Client", tmp_path: Path
) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if "partNumber=2" in params["url"] or params["query_string"].get("partNumber") == 2:
            raise OSError("the disk is gone")

    trainer.meta.events.register("before-call.s3.UploadPart", fail)
    source = tmp_path / "model"
    source.write_bytes(bytes(LARGE))
    place = f"{HOME}/{uuid4().hex}"
    with pytest.raises(OSError, match="the disk is gone"):
        S3Store(server.bucket, place, client=trainer).upload("checkpoints/1/model", source, size=LARGE)
    uploads = client.list_multipart_uploads(Bucket=server.bucket).get("Uploads", [])
    assert [upload["Key"] for upload in uploads if upload["Key"].startswith(place)] == []


@pytest.mark.parametrize(
    "place", ["pbt/team-b/digits", "pbt/team-ab/digits", "pbt", "team-a/digits", "pbt/team-a-b/x"]
)
def test_a_trainer_can_neither_read_write_nor_list_elsewhere(
    server: Server, client: "S3Client", trainer: "S3Client", place: str, tmp_path: Path
) -> None:
    name = f"births/{uuid4().hex}.json"
    S3Store(server.bucket, place, client=client).create(name, b"{}")
    store = S3Store(server.bucket, place, client=trainer)
    source = tmp_path / "model"
    source.write_bytes(bytes(LARGE))
    calls: list[Callable[[], object]] = [
        lambda: store.read(name),
        lambda: store.read("births/not-there.json"),
        lambda: store.create("births/other.json", b"{}"),
        lambda: store.upload("checkpoints/1/model", source, size=LARGE),
        lambda: list(store.names("")),
        lambda: store.delete([name]),
        lambda: store.abandon_uploads(""),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=r"AccessDenied|Access Denied") as refused:
            call()
        assert type(refused.value) is StoreRefused
    assert list(S3Store(server.bucket, place, client=client).names("births/")).count(name) == 1


def test_a_trainer_deletes_nothing_of_its_own_either(
    server: Server, client: "S3Client", trainer: "S3Client"
) -> None:
    place = f"{HOME}/{uuid4().hex}"
    S3Store(server.bucket, place, client=trainer).create("births/1.json", b"{}")
    with pytest.raises(StoreRefused):
        S3Store(server.bucket, place, client=trainer).delete(["births/1.json"])
    assert list(S3Store(server.bucket, place, client=client).names("")) == ["births/1.json"]


def test_the_operator_reaches_nothing_beside_its_prefix(
    server: Server, client: "S3Client", role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PBT_S3_CREDENTIALS", str(role("operator")))
    operator = server.client(aws_access_key_id=None, aws_secret_access_key=None)
    for place in ("other/digits", "pbt2/digits"):
        S3Store(server.bucket, place, client=client).create(f"births/{uuid4().hex}.json", b"{}")
        store = S3Store(server.bucket, place, client=operator)
        for call in (
            lambda store=store: probe(store),
            lambda store=store: list(store.names("")),
            store.purge,
        ):
            with pytest.raises(StoreRefused):
                call()
    operator.close()
