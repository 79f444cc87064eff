"""Populations whose trainers write what they like, beside an honest one, which is decided all the same."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fixtures.hostile_records import INPUTS
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Birth
from pbt_contract.stores.s3 import S3Store

MOST_MEMORY = 300 * 10**6  # bytes; the chart asks for half of a GiB
LONG: dict[str, Any] = {
    "members": 4,
    "schedule": {"totalSteps": 9_999_999, "intervalSteps": 1, "quorumPercent": 75},
    "suspend": True,  # its births are written, and its pods are the test
}
SMALL: dict[str, Any] = {
    "members": 2,
    "schedule": {"totalSteps": 30, "intervalSteps": 10, "quorumPercent": 100},
}


def births(store: S3Store) -> dict[int, Birth]:
    """The first ones of all members."""
    found = [decode(Birth, store.read(key), key=key) for key in (keys.birth(m, 1) for m in range(4))]
    return {birth.member: birth for birth in found}


def put(store: S3Store, key: str, data: bytes) -> None:
    """Writes what the SDK would refuse."""
    store._client.put_object(Bucket=store._bucket, Key=store._base + key, Body=data)


def test_what_some_write_neither_slows_another_one_nor_fills_the_operators_memory(world, team):
    for name in INPUTS:
        team.create(name, **LONG)
    for name, made in INPUTS.items():
        team.wait(name, "StorageReady", "True")
        store = team.store(name)
        team.until(lambda: len(list(store.names(keys.BIRTHS))) == 4)  # noqa: B023 - at once
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: put(store, *one), made(births(store))))  # noqa: B023 - at once
    world.operator.end()
    world.operator.start()  # it reads all of that from the beginning
    team.create("honest", **SMALL)
    team.wait("honest", "Complete", "True", "AllStepsDone")
    team.archive("honest")
    for name in INPUTS:
        team.until(lambda: team.condition(name, "StorageReady").get("reason") == "Ready")  # noqa: B023 - at once
    refused = [message for reason, message in team.events("junk") if reason == "RecordRefused"]
    assert 1 <= len(refused) <= 25
    assert any("at once" in message for message in refused)
    assert world.operator.metric("process_resident_memory_bytes") < MOST_MEMORY
