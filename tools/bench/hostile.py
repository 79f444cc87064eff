"""An honest population beside hostile ones: `python -m bench.hostile`, from a checkout's root.

Two operators of their own run at the same time, each with a real API server and S3 server. Both have one honest
Population and as many more as asked for; beside the one operator nothing is written for these, beside the other one
their trainers write all of `tests/fixtures/hostile_records.py`, or one of them junk names and reports of four MiB
without end. In turns both honest ones report a round. It prints how long the decisions took, and the operators'
memory and CPU time: on a busy machine only the ratios mean something.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from bench.scale_world import NAMESPACE, PLACE, World, running, wait
from fixtures.hostile_records import FOUR_MIB, INPUTS, report
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Birth
from pbt_operator.runners.kubernetes.pod_template import POPULATION

HONEST, MEMBERS, OTHERS = "honest", 4, 4
POLL_SECONDS = 1.0
WRITERS = 8
MOST_MEMORY, MOST_RATIO = 300.0, 2.0  # MB; beside hostile ones to beside quiet ones


@dataclass
class Side:
    """One operator and its Populations.

    Attributes:
        inputs: by Population, the name of what its trainers write; empty where they write nothing.
        births: by Population, the first ones of its members.
        seconds: of each decision of the honest one.
        memory: the most that the operator had, in MB.
    """

    world: World
    inputs: dict[str, str]
    births: dict[str, dict[int, Birth]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    memory: float = 0.0

    def begin(self, others: Sequence[str], *, names: int, reports: int) -> None:
        """Creates all Populations, and writes what is to be read."""
        self._create(HONEST, members=MEMBERS, suspend=False)
        for name in others:
            self._create(name, members=OTHERS, suspend=True)  # births without pods
        for name in (HONEST, *others):
            wait(lambda name=name: "location" in self.world.status(name))  # type: ignore[misc]
            location = self.world.status(name)["location"]
            self.world.trainers.bases[name] = location.removeprefix(f"s3://{self.world.s3.bucket}/") + "/"
            wait(lambda name=name: len(self._births(name)) == OTHERS)  # type: ignore[misc]
            self.births[name] = self._births(name)
        self._run_pods()
        for name, given in self.inputs.items():
            self._write(name, INPUTS[given](self.births[name]))
        if names or reports:
            self._write(next(iter(others)), _flood(self.births[others[0]], names=names, reports=reports))

    def start(self) -> None:
        """Starts the operator anew: it reads all of that from the beginning."""
        self.world.operator.end()
        self.world.operator.start()
        self.watch()

    @property
    def cpu(self) -> float:
        """Seconds that the operator has computed for since then."""
        return self.world.operator.cpu_seconds

    def _create(self, name: str, *, members: int, suspend: bool) -> None:
        container = {"name": "trainer", "image": "trainer", "command": ["train"]}
        spec: dict[str, Any] = {
            "members": members,
            "suspend": suspend,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": {
                "totalSteps": 9_999_900,
                "intervalSteps": 1 if suspend else 100,
                "quorumPercent": 75,
            },
            "hyperparameters": [{"name": "lr", "logUniform": {"min": 1.0e-4, "max": 1.0}}],
            "strategy": "Explicit",
            "exploit": {"none": {}},  # no pod is replaced: what is timed is the decision
            "storage": {"credentialsSecretRef": {"name": "s3"}},
            "template": {"spec": {"nodeName": "none", "containers": [container]}},
        }
        if not suspend:
            spec["schedule"]["quorumPercent"] = 100
        metadata = {"name": name}
        body = {"apiVersion": "pbt.dev/v1alpha1", "kind": "Population", "metadata": metadata, "spec": spec}
        self.world.custom.create_namespaced_custom_object(**PLACE, namespace=NAMESPACE, body=body)

    def _births(self, name: str) -> dict[int, Birth]:
        base, bucket = self.world.trainers.bases[name], self.world.trainers.bucket
        listed = [key for key, _ in bucket.listed(base + keys.BIRTHS)]
        found = [decode(Birth, bucket.get(key), key=key.removeprefix(base)) for key in listed]
        return {birth.member: birth for birth in found}

    def _run_pods(self) -> None:
        """Says of the honest one's pods what a kubelet says; their processes are simulated."""
        core, trainers = self.world.trainers.core, self.world.trainers
        selector = f"{POPULATION}={HONEST}"
        wait(lambda: len(core.list_namespaced_pod(NAMESPACE, label_selector=selector).items) == MEMBERS)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        container = {
            "name": "trainer",
            "image": "trainer",
            "imageID": "trainer",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }
        placed = {"type": "PodScheduled", "status": "True", "lastTransitionTime": now}
        status = {"phase": "Running", "conditions": [placed], "containerStatuses": [container]}
        for pod in core.list_namespaced_pod(NAMESPACE, label_selector=selector).items:
            core.patch_namespaced_pod_status(pod.metadata.name, NAMESPACE, {"status": status})
        wait(lambda: len(trainers.lives) == MEMBERS)
        trainers.begin([(HONEST, member) for member in range(MEMBERS)])

    def _write(self, name: str, written: Iterator[tuple[str, bytes]]) -> None:
        base, bucket = self.world.trainers.bases[name], self.world.trainers.bucket
        with ThreadPoolExecutor(WRITERS) as pool:
            for part in iter(lambda: list(islice(written, 64)), []):  # they may be large
                list(pool.map(lambda one: bucket.put(base + one[0], one[1]), part))

    def decide(self, number: int) -> None:
        """One round of the honest one: from its last report to its record."""
        trainers = self.world.trainers
        *most, last = [(HONEST, member) for member in range(MEMBERS)]
        trainers.report(number, most, seconds=0.0)
        time.sleep(POLL_SECONDS * (1.0 + 0.37 * number % 1.0))  # not in step with the polls
        reported = trainers.report(number, [last], seconds=0.0)
        place = trainers.bases[HONEST] + keys.round_(number)
        wait(lambda: list(trainers.bucket.listed(place)))
        ((_, decided),) = trainers.bucket.listed(place)
        self.seconds.append(decided - reported)
        self.watch()

    def add(self, number: int) -> None:
        """Each hostile Population writes something new."""
        for name in self.inputs:
            births = self.births[name]
            more = [report(births, 1, 2000 + number, seconds=5e-324)]
            more.append((f"reports/0000001/y{number:07}.json", b"{}"))
            self._write(name, iter(more))

    def watch(self) -> None:
        """Looks at the operator's memory."""
        self.memory = max(self.memory, self.world.operator.memory()[0])


def _flood(births: dict[int, Birth], *, names: int, reports: int) -> Iterator[tuple[str, bytes]]:
    """Junk names, and reports of four MiB that are somebody's."""
    yield from ((f"reports/0000001/x{number:07}.json", b"{}") for number in range(names))
    metrics = {"score": 0.1, "x": [1] * (FOUR_MIB // 3)}
    for number in range(2, 2 + reports):
        yield report(births, number % OTHERS, number, metrics=metrics)


def _told(quiet: Side, hostile: Side) -> Iterator[tuple[str, bool]]:
    """Each figure with whether it is within its limit."""
    medians = [median(side.seconds) for side in (quiet, hostile)]
    spent = [quiet.cpu, hostile.cpu]
    rounds = len(quiet.seconds)
    ratio = medians[1] / medians[0]
    told = f"{medians[1]:.3f} s, {medians[0]:.3f} s beside quiet ones: {ratio:.2f} x"
    yield f"the honest one's median decision over {rounds} rounds: {told}", ratio <= MOST_RATIO
    ratio = spent[1] / spent[0]
    yield f"the operator's CPU: {spent[1]:.1f} s, {spent[0]:.1f} s: {ratio:.2f} x", ratio <= MOST_RATIO
    told = f"the most memory that it had: {hostile.memory:.0f} MB, {quiet.memory:.0f} MB beside quiet ones"
    yield told, hostile.memory < MOST_MEMORY


def main() -> None:
    """Measures once; ends with 1 where something is above its limit."""
    parser = argparse.ArgumentParser(prog="bench.hostile", description=__doc__)
    parser.add_argument("--populations", type=int, default=20, help="beside the honest one (20)")
    parser.add_argument("--rounds", type=int, default=30, help="(30)")
    parser.add_argument("--names", type=int, default=0, help="one tenant writes so many junk names instead")
    parser.add_argument("--reports", type=int, default=0, help="and so many reports of four MiB")
    given = parser.parse_args()
    others = [f"other-{number:02}" for number in range(given.populations)]
    floods = bool(given.names or given.reports)
    inputs = {} if floods else dict(zip(others, cycle(INPUTS), strict=False))
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="pbt-hostile-")) for _ in range(2)]
        worlds = [
            stack.enter_context(running(Path(folder), poll_seconds=POLL_SECONDS, nodes=False))
            for folder in folders
        ]
        quiet, hostile = Side(worlds[0], {}), Side(worlds[1], inputs)
        quiet.begin(others, names=0, reports=0)
        hostile.begin(others, names=given.names, reports=given.reports)
        for side in (quiet, hostile):
            side.start()
        print(json.dumps({"populations": len(others), "written": sorted(set(inputs.values()))}), flush=True)
        for number in range(1, given.rounds + 1):
            hostile.add(number)
            for side in (quiet, hostile) if number % 2 else (hostile, quiet):
                side.decide(number)
        found = list(_told(quiet, hostile))
    for told, is_within in found:
        print(told if is_within else f"{told}: ABOVE THE LIMIT")
    sys.exit(0 if all(is_within for _, is_within in found) else 1)


if __name__ == "__main__":
    main()
