"""Many rounds in a local folder: `python -m bench.rounds`, from a checkout's root.

One population of two members with the runner's own passes and the trainers' own looks, in virtual time over a real
folder. It prints how long a pass and a look took in the first thousand rounds and in the last thousand: nothing that is
asked for in them may grow with the rounds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, cast
from unittest.mock import patch

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.stores.folder import FolderStore
from pbt_operator.control.reconcile import Looks
from pbt_trainer.courier.gate_watch import GateWatch
from pbt_trainer.courier.incarnation import Incarnation
from simulation import Simulation
from simulation.memory_store import MemoryStore

PART = 1000  # rounds
MOST_RATIO = 1.5


class Folder(FolderStore):
    """With the one verb that simulated trainers need besides."""

    def put(self, key: str, data: bytes) -> None:
        """Writes a checkpoint's file."""
        self.create(key, data)


@contextmanager
def timed(owner: type, method: str, spent: list[float]) -> Iterator[None]:
    """Notes how long each call of a method takes, in seconds."""
    plain: Callable[..., Any] = getattr(owner, method)

    def measured(*arguments: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return plain(*arguments, **options)
        finally:
            spent.append(time.perf_counter() - began)

    with patch.object(owner, method, measured):
        yield


def measure(folder: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """The medians of the first and the last thousand rounds, in seconds, by what was measured."""
    schedule = {"totalSteps": rounds + 1, "intervalSteps": 1, "quorumPercent": 100}
    manifest = spec(DETERMINISTIC, members=2, schedule=schedule)
    store = cast("MemoryStore", Folder(folder))  # it has all that the simulation asks of one
    place = Simulation(manifest, Deterministic(), store=store, tick_seconds=1.0, is_alone=True)
    passes: list[float] = []
    looks: list[float] = []
    parts: list[dict[str, float]] = []
    history = place.repository.history
    with timed(GateWatch, "look", looks), timed(Incarnation, "successor", looks):
        while not place.ended and history.decided < rounds:
            began = time.perf_counter()
            place.last = place.reconciler.run_once(Looks.ASKS)
            passes.append(time.perf_counter() - began)
            place.time.advance()
            if history.decided >= (len(parts) + 1) * PART:
                parts.append({"pass": median(passes), "look": median(looks)})
                passes.clear()
                looks.clear()
                told = ", ".join(f"{name} {seconds * 1000:.2f} ms" for name, seconds in parts[-1].items())
                print(f"{history.decided} rounds: {told}", flush=True)
    return {name: (parts[0][name], parts[-1][name]) for name in parts[0]}


def main() -> None:
    """Measures once; ends with 1 where something has grown too much."""
    parser = argparse.ArgumentParser(prog="bench.rounds", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20_000, help="at least two thousand (20000)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pbt-rounds-") as folder:
        found = measure(Path(folder) / "digits", given.rounds)
    for name, (first, last) in found.items():
        print(f"the median {name}: {first * 1000:.2f} ms, {last * 1000:.2f} ms: {last / first:.2f} x")
    sys.exit(0 if all(last <= MOST_RATIO * first for first, last in found.values()) else 1)


if __name__ == "__main__":
    main()
