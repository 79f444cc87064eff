"""What becomes of populations whose store is away, slow, without their bucket or refuses them: no step is lost."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cluster.applied import Applied
from cluster.release import ENDPOINT, SECRET, values
from cluster.space import SECRET as TRAINERS_SECRET
from cluster.space import Space
from cluster.test_chart import OWN, own_release
from faults.operators import STORE, until_left_alone
from faults.recovery import Mark, Printed, Recoveries, event, pbt_status
from faults.unnoticed import ENDLESS, finish, steps_lost
from kindcluster.faults import Faults
from pbt_operator.records.archive import Archive
from support.minio import session_of
from support.s3server import Server

PROXY = "proxy"
VOLUMES = "/var/lib/kubelet/pods"


@pytest.fixture
def bucket(s3: Server) -> Iterator[str]:
    """A bucket beside the one of all other tests. To be asked for before `space`, which reads it at its end."""
    name = f"own-{secrets.token_hex(4)}"
    client = s3.client()
    client.create_bucket(Bucket=name)
    try:
        yield name
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", ()):
                client.delete_object(Bucket=name, Key=found["Key"])
        client.delete_bucket(Bucket=name)
        client.close()


@contextmanager
def begun(space: Space, **store: str) -> Iterator[Applied]:
    """An endless population that trains, by an operator of its own where the store is another one than the cluster's.

    Args:
        space: where.
        store: what its store has that the cluster's hasn't: `endpoint` or `bucket`.
    """
    template = space.template("deterministic.py", STEP_SECONDS="0.4")
    storage = {"store": STORE} if store else {}
    applied = space.apply(space.population("stored", ENDLESS, storage=storage, template=template))
    if store:
        until_left_alone(applied)
        [known] = values(space.cluster, space.server, session="")["stores"]
        own_release(space, stores=[{**known, "name": STORE, **store}], networkPolicy={"enabled": False})
    try:
        applied.until_round(2)
        yield applied
    finally:
        if store:
            space.cluster.helm("uninstall", OWN, f"--namespace={space.name}", "--no-hooks", "--wait")


def proxied(space: Space) -> str:
    """Starts a proxy before the cluster's store; returns its endpoint."""
    spec = space.template("store_proxy.py")["spec"]
    container = {**spec["containers"][0], "readinessProbe": {"tcpSocket": {"port": 9000}}}
    metadata = {"name": PROXY, "namespace": space.name, "labels": {"app": PROXY}}
    items = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {**spec, "containers": [container]},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": PROXY}, "ports": [{"port": 9000}]},
        },
    ]
    space.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    space.kubectl("wait", f"pod/{PROXY}", "--for=condition=Ready", "--timeout=120s")
    return ENDPOINT.replace("minio.minio", f"{PROXY}.{space.name}")


def tell(space: Space, name: str, text: str) -> None:
    """Tells the proxy something."""
    space.kubectl("exec", PROXY, "--", "sh", "-c", f"echo {text} > /tmp/{name}")


def minio_node(space: Space) -> str:
    """The node that the cluster's store runs on."""
    where = ("get", "pods", "--namespace=minio", "--output=jsonpath={.items[*].spec.nodeName}")
    return space.cluster.kubectl(*where).stdout


@contextmanager
def stopped(space: Space, faults: Faults) -> Iterator[None]:
    """MinIO stands still: connections hang, and new ones are refused as soon as it is no endpoint any more."""
    engine, node = faults.cluster.engine, minio_node(space)
    pid = engine.execute(node, "pgrep", "-x", "minio").strip()
    engine.execute(node, "kill", "-STOP", pid)
    try:
        yield
    finally:
        engine.execute(node, "kill", "-CONT", pid)


@contextmanager
def deleted(space: Space, faults: Faults, bucket: str) -> Iterator[None]:
    """The bucket isn't there; afterwards it is, with all that it held."""
    engine, node = faults.cluster.engine, minio_node(space)
    find = ("find", VOLUMES, "-mindepth", "5", "-maxdepth", "5", "-name", bucket)
    folder = engine.execute(node, *find).strip()
    away = folder.replace("/data/", "/temporary/")  # of the same file system: it is gone at once
    engine.execute(node, "mv", folder, away)
    try:
        yield
    finally:
        engine.execute(node, "mv", away, folder)


def trains_on(applied: Applied, printed: Printed) -> bool:
    """Whether every member comes to its next report, but for one that the newest decision may have replaced."""
    interval = ENDLESS["schedule"]["intervalSteps"]
    due = {member: (printed.newest(applied, member) // interval + 1) * interval for member in applied.live}

    def reached() -> list[int]:
        return [m for m, step in due.items() if m in applied.live and printed.newest(applied, m) >= step]

    applied.until(lambda: len(reached()) >= len(due) - 1, "its members train on")
    return True


def shown(applied: Applied, reason: str, *words: str) -> str:
    """What the person sees of a store that isn't ready: a condition, an Event, and both in `kubectl pbt status`."""
    condition = applied.until_condition("StorageReady", status="False", reason=reason, seconds=400)
    note = event(applied, f"Storage{reason}")
    for word in words:
        assert word in condition["message"], condition
    assert reason in pbt_status(applied)
    return f"StorageReady False {reason}; Event Storage{reason}: {note.split(': ', 1)[-1][:160]}"


def over(applied: Applied, local: Archive) -> Archive:
    """The end, once three more rounds are decided: all as the local runner decides, and the store is ready."""
    applied.until_condition("StorageReady")
    applied.until_round(applied.status["rounds"] + 3)
    found = finish(applied, local)
    told = {reported["reason"] for reported in applied.events}
    assert not told & {"Crashed", "MemberFailed", "Disrupted"}, told
    return found


def test_a_store_that_stands_still_for_minutes(
    space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    with begun(space) as applied:
        with stopped(space, faults):
            assert trains_on(applied, printed)
            told = shown(applied, "Unreachable")
            time.sleep(60)
        mark = Mark(applied)
        seconds = mark.until_round()
        found = over(applied, long_local)
    recoveries.note(
        fault="MinIO stopped for minutes",
        steps_lost=steps_lost(applied, found, printed),
        seconds=seconds,
        shown=told,
    )


def test_a_store_that_is_slow(
    space: Space, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """By 0.4 s for each piece of a request and of an answer: everything takes longer, nothing else changes."""
    with begun(space, endpoint=proxied(space)) as applied:
        tell(space, "slow", "0.4")
        applied.until_round(applied.status["rounds"] + 2)
        assert applied.condition("StorageReady")["status"] == "True"
        assert applied.condition("Progressing")["reason"] == "Training"
        tell(space, "slow", "0")
        mark = Mark(applied)
        seconds = mark.until_round()
        found = over(applied, long_local)
    recoveries.note(
        fault="MinIO slow, by a second or two for each request",
        steps_lost=steps_lost(applied, found, printed),
        seconds=seconds,
        shown="rounds take longer; conditions stay as they are",
    )


def test_a_bucket_that_is_deleted(
    bucket: str, space: Space, faults: Faults, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """Nobody takes an empty place for the beginning; when the bucket is restored, all go on as if nothing had been."""
    with begun(space, bucket=bucket) as applied:
        with deleted(space, faults, bucket):
            assert trains_on(applied, printed)
            told = shown(applied, "Refused", "NoSuchBucket", "create the bucket")
            time.sleep(20)
        mark = Mark(applied)
        seconds = mark.until_round()
        found = over(applied, long_local)
    recoveries.note(
        fault="bucket deleted, later restored",
        steps_lost=sum(printed.lost(applied, found).values()),
        seconds=seconds,
        shown=told,
    )


def test_credentials_that_are_revoked_and_renewed(
    space: Space, printed: Printed, recoveries: Recoveries, long_local: Archive
) -> None:
    """The operator's and the trainers' at once; the new ones, which have a token, reach running processes as files."""
    with begun(space, endpoint=proxied(space)) as applied:
        tell(space, "revoked", space.server.access_key)
        assert trains_on(applied, printed)
        told = shown(applied, "Refused", "InvalidAccessKeyId", "correct the access key")
        time.sleep(20)
        renewed = session_of(space.server)
        data: dict[str, Any] = {
            "AWS_ACCESS_KEY_ID": renewed["access_key"],
            "AWS_SECRET_ACCESS_KEY": renewed["secret_key"],
            "AWS_SESSION_TOKEN": renewed["token"],
        }
        for name in (SECRET, TRAINERS_SECRET):
            space.kubectl("patch", "secret", name, "--type=merge", "-p", json.dumps({"stringData": data}))
        mark = Mark(applied)
        seconds = mark.until_round(seconds=400)
        found = over(applied, long_local)
    lost = sum(printed.lost(applied, found).values())
    assert lost == 0
    recoveries.note(
        fault="credentials revoked and renewed",
        steps_lost=lost,
        seconds=seconds,
        shown=told,
    )
