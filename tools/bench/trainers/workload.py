"""What ours and the peer both train: a state of a given size, steps of a given time, and a note of each moment.

It needs numpy and nothing else, so that both sides run the same code whatever is installed beside it.
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

NUM_ARRAYS = 8
SPINS = 2_000
ASKED_EVERY = 0.05
"""Seconds between two questions whether a step is lost."""


class Marks:
    """A file of moments for this process, in the folder `BENCH_MARKS`; the process's output where that is `-`.

    Times are of CLOCK_MONOTONIC, the same for all processes of a machine.
    """

    def __init__(self) -> None:
        folder = os.environ["BENCH_MARKS"]
        path = Path(folder, f"{os.getpid()}-{time.monotonic_ns()}.jsonl")
        self._file = sys.stdout if folder == "-" else path.open("a", buffering=1)
        self.member = "?"
        self._process = f"{platform.node()}/{os.getpid()}"  # each pod has a name, and a process 1
        self.note("opened", wall=time.time())

    def note(self, what: str, **more: Any) -> None:
        """Writes one moment down."""
        mark = {"t": time.monotonic(), "what": what, "member": self.member, "process": self._process, **more}
        self._file.write(json.dumps(mark) + "\n")
        self._file.flush()


class State:
    """Arrays of `num_bytes` bytes altogether, a score that training adds to, and the member that wrote them."""

    def __init__(self, num_bytes: int, member: str) -> None:
        self.member = member
        # Written once, as weights are: zeros would get their memory only at the first takeover.
        self.arrays = [np.full(num_bytes // 4 // NUM_ARRAYS, 0.5, np.float32) for _ in range(NUM_ARRAYS)]
        self.score = 0.0
        self.donor = member

    def state_dict(self) -> dict[str, Any]:
        return {"arrays": self.arrays, "score": self.score, "member": self.member}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for own, given in zip(self.arrays, state["arrays"], strict=True):
            np.copyto(own, given)
        self.score, self.donor = float(state["score"]), state["member"]

    def save(self, folder: str) -> None:
        """Into files, for who keeps checkpoints as folders."""
        for number, array in enumerate(self.arrays):
            np.save(Path(folder, f"{number}.npy"), array)
        Path(folder, "state.json").write_text(json.dumps({"score": self.score, "member": self.member}))

    def load(self, folder: str) -> None:
        """From what `save` wrote."""
        arrays = [np.load(Path(folder, f"{number}.npy")) for number in range(NUM_ARRAYS)]
        self.load_state_dict({**json.loads(Path(folder, "state.json").read_text()), "arrays": arrays})


class Training:
    """Steps of a fixed time: waited for, or computed where `BENCH_SPINS` says how much."""

    def __init__(self, marks: Marks, state: State) -> None:
        self._marks, self._state = marks, state
        self._seconds = float(os.environ.get("BENCH_STEP_SECONDS", "0.05"))
        self._spins = int(os.environ.get("BENCH_SPINS", "0"))
        self._work = np.ones(SPINS, dtype=np.float32)

    def step(self, number: int, rate: float, lost: Callable[[], bool] | None = None) -> float | None:
        """One step, noted from begin to end; returns the score after it, or None if `lost` said so meanwhile."""
        self._marks.note("begin", step=number)
        self._state.arrays[number % NUM_ARRAYS][:16] += rate
        self._state.score += rate
        if self._spins:
            for _ in range(self._spins):
                np.sqrt(self._work, out=self._work)
        elif not self._wait(lost):
            self._marks.note("left", step=number)
            return None
        self._marks.note("end", step=number)
        return self._state.score

    def _wait(self, lost: Callable[[], bool] | None) -> bool:
        if lost is None:
            time.sleep(self._seconds)
            return True
        end = time.monotonic() + self._seconds
        while (left := end - time.monotonic()) > 0:
            if lost():
                return False
            time.sleep(min(left, ASKED_EVERY))
        return True
