"""Populations whose trainers write what they like, beside an honest one, which is decided all the same."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.limits import MAX_EVALUATIONS, MAX_METRICS
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
METRICS = {f"m{n}": [1.0] * MAX_EVALUATIONS for n in range(MAX_METRICS // 2)}


def report(store: S3Store, member: int, number: int, **more: Any) -> tuple[str, bytes]:
    """One that its birth agrees with."""
    birth = decode(Birth, store.read(keys.birth(member, 1)), key=keys.birth(member, 1))
    body = {
        "format": 1, "member": member, "incarnation": 1, "step": number, "round": number, "metrics": {"score": 0.1},
        "hyperparameters": birth.hyperparameters, "checkpoint": keys.checkpoint(member, 1, number, "n"), "files": [],
    }  # fmt: skip
    return keys.report(number, member, 1), json.dumps({**body, **more}).encode()


def far(store: S3Store) -> list[tuple[str, bytes]]:
    """One report of a round that nobody comes to for years."""
    return [report(store, 2, 5_000_000)]


def large(store: S3Store) -> list[tuple[str, bytes]]:
    """Reports with as much as they may hold."""
    metrics = {"score": [0.1] * MAX_EVALUATIONS, **METRICS}
    return [report(store, member, number, metrics=metrics) for member in range(4) for number in range(2, 18)]


def junk(store: S3Store) -> list[tuple[str, bytes]]:
    """Names that no record has, and records of nobody."""
    names = [f"reports/0000001/x{number:07}.json" for number in range(1000)]
    return [
        *((name, b"{}") for name in names),
        *((keys.report(1, 9, n + 1), b"x" * 900_000) for n in range(40)),
    ]


def test_what_some_write_neither_slows_another_one_nor_fills_the_operators_memory(world, team):
    hostile = {"far": far, "large": large, "junk": junk}
    for name in hostile:
        team.create(name, **LONG)
    for name, made in hostile.items():
        team.wait(name, "StorageReady", "True")
        store = team.store(name)
        team.until(lambda: len(list(store.names(keys.BIRTHS))) == 4)  # noqa: B023 - at once
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda one: store.create(*one), made(store)))  # noqa: B023 - at once
    world.operator.end()
    world.operator.start()  # it reads all of that from the beginning
    team.create("honest", **SMALL)
    team.wait("honest", "Complete", "True", "AllStepsDone")
    team.archive("honest")
    for name in hostile:
        team.until(lambda: team.condition(name, "StorageReady").get("reason") == "Ready")  # noqa: B023 - at once
    refused = [message for reason, message in team.events("junk") if reason == "RecordRefused"]
    assert 1 <= len(refused) <= 25
    assert any("at once" in message for message in refused)
    assert world.operator.metric("process_resident_memory_bytes") < MOST_MEMORY
