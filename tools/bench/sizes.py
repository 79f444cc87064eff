"""Populations as large as a manifest allows, to the end: `python -m bench.sizes MEMBERS HYPERPARAMETERS EVALUATIONS`.

The real passes run in virtual time over a store in memory, with the allowance that a pass has on a cluster; the
trainers are simulated. It prints how large each kind of record was, what the largest pass read and wrote, and how the
population ended. It exits with 1 unless that is as it should be.
"""

import argparse
import resource
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from pbt_contract import keys
from pbt_contract.limits import MAX_RECORD_BYTES
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.status import MAX_MEMBERS, PopulationPhase, Result
from pbt_operator.manifest.population import PopulationSpec
from pbt_operator.records.results import newest_result
from pbt_operator.runners.kubernetes.pass_limits import BYTES, READS
from simulation import Simulation
from simulation.memory_store import MemoryStore

ROUNDS, INTERVAL = 3, 2
STATUS_BYTES = 1_500_000  # that etcd takes of one resource
MOST_A_PASS = 1000  # reads, and writes
UNTIL = 1e6  # nothing but what trainers do makes a pass due


class Counting(MemoryStore):
    """Counts what is written, and how large it was."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.largest: dict[str, int] = defaultdict(int)

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        self.writes += 1
        kind = key[: key.find("/") + 1]
        self.largest[kind] = max(self.largest[kind], len(data))
        return super().create(key, data)


class Task:
    """Its score follows from one hyperparameter; where lists are asked for, it is their mean."""

    def __init__(self, evaluations: int) -> None:
        self._evaluations = evaluations

    def build(self, _hyperparameters: Any, rng: Random) -> dict[str, Any]:
        """See `Trainable.build`."""
        return {"w": rng.random()}

    def train(self, state: dict[str, Any], hyperparameters: Any, _step: int, _rng: Random) -> None:
        """See `Trainable.train`."""
        state["w"] += hyperparameters["h0"]

    def evaluate(self, state: dict[str, Any], _hyperparameters: Any, rng: Random) -> float | list[float]:
        """See `Trainable.evaluate`."""
        score: float = state["w"]
        return [score + rng.random() for _ in range(self._evaluations)] if self._evaluations > 1 else score


@dataclass
class Sizes:
    """What was seen.

    Attributes:
        largest: by the first name of its key, the bytes of the largest record.
        pieces: how many there are.
        reads, writes: of the pass that had the most; a page of names counts as a read.
        status: the bytes of the status of the resource, at most.
    """

    largest: dict[str, int] = field(default_factory=dict)
    pieces: int = 0
    passes: int = 0
    reads: int = 0
    writes: int = 0
    status: int = 0
    result: Result | None = None

    def faults(self, members: int) -> list[str]:
        """What isn't as it should be."""
        ended = self.result
        found = [
            f"a record of {n} bytes in {kind}" for kind, n in self.largest.items() if n > MAX_RECORD_BYTES
        ]
        if ended is None or ended.phase is not PopulationPhase.COMPLETE or ended.rounds != ROUNDS:
            found.append(f"it ended {ended and (ended.phase, ended.reason, ended.rounds)}")
        elif len(ended.members) != members:
            found.append(f"the result has {len(ended.members)} members")
        if self.status > STATUS_BYTES:
            found.append(f"a status of {self.status} bytes")
        if max(self.reads, self.writes) > MOST_A_PASS:
            found.append(f"a pass of {self.reads} reads, or {self.writes} writes")
        return found


def manifest(members: int, hyperparameters: int) -> PopulationSpec:
    """A population of that size, all of which is compared in each round."""
    return PopulationSpec.model_validate(
        {
            "members": members,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": {"totalSteps": ROUNDS * INTERVAL, "intervalSteps": INTERVAL, "quorumPercent": 100},
            "hyperparameters": [
                {"name": f"h{number}", "uniform": {"min": 0.1, "max": 1.0}}
                for number in range(hyperparameters)
            ],
            "strategy": "Explicit",
            "template": {"spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"]}]}},
        }
    )


def measure(members: int, hyperparameters: int, evaluations: int) -> Sizes:
    """Runs such a population to its end."""
    store, sizes = Counting(), Sizes()
    population = Simulation(
        manifest(members, hyperparameters),
        Task(evaluations),
        store=store,
        tick_seconds=UNTIL,
        allowance=lambda: Allowance(reads=READS, size=BYTES),
    )
    run_once, metered = population.reconciler.run_once, population.repository.store

    def counted(*arguments: Any, **more: Any) -> Any:
        reads, writes = metered.num_reads, store.writes
        done = run_once(*arguments, **more)
        sizes.passes += 1
        sizes.reads = max(sizes.reads, metered.num_reads - reads)
        sizes.writes = max(sizes.writes, store.writes - writes)
        return done

    population.reconciler.run_once = counted  # type: ignore[method-assign]
    population.run(max_seconds=3 * UNTIL)
    sizes.largest, sizes.result = dict(store.largest), newest_result(store)
    sizes.pieces = len(list(store.names(keys.PIECES)))
    if sizes.result is not None:
        told = {**msgspec.to_builtins(sizes.result), "lineage": [], "schedule": []}
        told["members"] = sorted(told["members"], key=lambda one: -len(str(one)))[:MAX_MEMBERS]
        sizes.status = len(msgspec.json.encode(told))
    return sizes


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(
        prog="bench.sizes", description="A population to its end, and how large its records are."
    )
    parser.add_argument("members", type=int)
    parser.add_argument("hyperparameters", type=int)
    parser.add_argument("evaluations", type=int)
    asked = parser.parse_args()
    began = time.monotonic()
    sizes = measure(asked.members, asked.hyperparameters, asked.evaluations)
    for kind, size in sorted(sizes.largest.items()):
        print(f"{kind:<14} {size:>9} bytes at most")
    print(
        f"{sizes.pieces} pieces; {sizes.passes} passes, with {sizes.reads} reads and {sizes.writes} writes at most"
    )
    print(f"status of {sizes.status} bytes at most")
    ended, used = sizes.result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    if ended is not None:
        print(f"{ended.phase}, {ended.reason}: {ended.rounds} rounds, {ended.exploits} exploits")
    print(f"{time.monotonic() - began:.0f} s, {used:.0f} MB with the store and the trainers")
    faults = sizes.faults(asked.members)
    for fault in faults:
        print(f"wrong: {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
