"""What a checkpoint costs who goes on training: the stall in report(), and the throughput while it is uploaded.

Both against the same script in the same round: a plain copy of its state into memory that is there already, and its
steps without checkpoints. Steps compute, in one thread; the upload has the machine's other cores.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from bench import local
from bench.local import Run, Settings
from bench.sample import Remark, Sample
from bench.settings import quick

NAME = "stall"
MB = 1 << 20
SCRIPT = Path(__file__).parent / "trainers" / "stalling.py"
SPINS = 10_000
"""About 10 to 20 ms a step."""
SIZES = {
    # An upload takes about ten steps: it takes many for a mean of some hundred.
    "100MB": Settings(num_bytes=100 * MB, steps=1200, interval=60, spins=SPINS, rates=(0.5,)),
    "1GB": Settings(num_bytes=1024 * MB, steps=1600, interval=400, spins=SPINS, rates=(0.5,)),
}


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """With checkpoints and without, in turns."""
    for _ in range(rounds):
        for size, settings in SIZES.items():
            if size == "1GB" and quick():
                continue
            shorter = replace(settings, steps=2 * settings.interval)
            plain = _seconds_of_steps(_train(shorter, checkpoints=False))
            with_checkpoints = _train(settings, checkpoints=True)
            yield from _stalls(size, with_checkpoints)
            uploading = _seconds_of_steps(with_checkpoints, uploading=True)
            between = _seconds_of_steps(with_checkpoints, uploading=False)
            yield Sample(f"stall.{size}.steps-while-uploading", len(uploading), "steps", better="more")
            if uploading:
                mean, mean_plain, mean_between = map(fmean, (uploading, plain, between))
                yield Sample(f"stall.{size}.throughput", mean_plain / mean, "ratio", better="more")
                # A machine that runs at another speed some seconds later tells in the one before, not here.
                yield Sample(f"stall.{size}.throughput-same-run", mean_between / mean, "ratio", better="more")
            else:
                yield Remark(f"stall.{size}: no step lay within an upload")


def _train(settings: Settings, *, checkpoints: bool) -> "Finished":
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {"BENCH_CHECKPOINTS": "1" if checkpoints else "0"}
        run = local.train(Path(folder), settings, script=SCRIPT, environment=environment)
        return Finished(run)


class Finished:
    """A run of one member, with the times at which its reports were committed."""

    def __init__(self, run: Run) -> None:
        self.marks = run.marks
        self.committed = {record["step"]: when for when, record in run.records("reports").values()}

    def uploads(self) -> list[tuple[float, float]]:
        """From the end of each report() to the commit of its checkpoint."""
        handed = {mark.more["step"]: mark.t for mark in self.marks if mark.what == "reported"}
        return [(began, self.committed[step]) for step, began in handed.items() if step in self.committed]


def _stalls(size: str, run: Finished) -> Iterator[Sample]:
    # The first report pays for the pages of its staging memory, once in a process's life: it is told apart.
    first, *others = [mark.more for mark in run.marks if mark.what == "reported"]
    yield Sample(f"stall.{size}.first-report", first["stall"], "s")
    for report in others:
        yield Sample(f"stall.{size}.report", report["stall"], "s")
        yield Sample(f"stall.{size}.copy", report["copy"], "s")
        yield Sample(f"stall.{size}.to-copy", report["stall"] / report["copy"], "ratio")
    for began, committed in run.uploads():
        yield Sample(f"stall.{size}.upload", committed - began, "s")


def _seconds_of_steps(run: Finished, *, uploading: bool | None = None) -> list[float]:
    """How long each step took: of all, of those that lie within an upload, or of those that don't touch one."""
    uploads = run.uploads()
    begun: float | None = None
    taken = []
    for mark in run.marks:
        if mark.what == "begin":
            begun = mark.t
        elif mark.what == "end" and begun is not None:
            within = any(began <= begun and mark.t <= committed for began, committed in uploads)
            apart = all(mark.t <= began or committed <= begun for began, committed in uploads)
            if uploading is None or (within if uploading else apart):
                taken.append(mark.t - begun)
    return taken
