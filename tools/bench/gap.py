"""The exploit gap: from a loser's last step to its first one with the donor's weights, ours and Ray Tune's.

Ours by every way in which a loser goes on: in place, by re-exec, as a new process. The parts of a gap come from the
workload's own marks and from the times at which the records were written.
"""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from bench import local, peer
from bench.local import Run, Settings
from bench.marks import Gap, Mark, bystander_restores, gaps, pauses
from bench.sample import Remark, Sample
from bench.settings import quick
from programs.build import BuildError
from support import minio
from support.s3server import Server

NAME = "gap"
MB = 1 << 20
ONCE = {"BENCH_READS": "once"}
"""A hyperparameter that is read only before the loop can't be swapped: the process starts itself anew."""


@dataclass(frozen=True)
class Way:
    """One way in which a loser goes on."""

    name: str
    restart: str
    environment: Mapping[str, str]
    keeps_process: bool
    keeps_image: bool

    def took(self, gap: Gap) -> bool:
        """Whether it is this way that the loser went: the same process, the same image, another process."""
        # One that is over has nothing left to be interrupted at: it ended before the decision came.
        over = any(mark.what == "over" for mark in gap.between)
        return (gap.same_process, gap.same_image) == (self.keeps_process, self.keeps_image) and not over


IN_PLACE = Way("in-place", "InPlace", {}, True, True)
RE_EXEC = Way("re-exec", "InPlace", ONCE, True, False)
NEW_PROCESS = Way("new-process", "Recreate", {}, False, False)
WAYS = (IN_PLACE, RE_EXEC, NEW_PROCESS)
SMALL = Settings(num_bytes=1 * MB, steps=100, interval=20)
"""A round takes 1 s, so that most losers still train when the decision comes."""
LARGE = Settings(num_bytes=100 * MB, step_seconds=0.2, steps=50)
"""A round takes 2 s, so that two cores have checkpointed all members before the next one."""
HUGE = Settings(num_bytes=1024 * MB, rates=(0.2, 0.8), steps=40, step_seconds=0.25)


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """Ours and Ray in turns, then what is measured once."""
    with ExitStack() as stack:
        server = _server(stack)
        if isinstance(server, Remark):
            yield server
        for number in range(rounds):
            for size, settings in (("1MB", SMALL), ("100MB", LARGE)):
                yield from _round(number, size, settings)
            if isinstance(server, Server) and not quick():
                yield from _over_s3(number, server)
    if not quick():
        yield from _round(0, "1GB", HUGE)


def _round(number: int, size: str, settings: Settings) -> Iterator[Sample | Remark]:
    """One round at one size: ours, then the peer."""
    ways = WAYS if not quick() else WAYS[:1]
    medians: dict[str, float] = {}
    for way in ways:
        middle, samples = _ours(size, settings, way)
        yield from samples
        if middle is not None:
            medians[way.name] = middle
    reuses = (True, False) if size == "1MB" and not quick() else (True,)
    for reuse in reuses:
        kind = "reuse" if reuse else "fresh"
        try:
            middle, samples = _rays(size, settings, kind)
        except (peer.PeerMissing, local.RunFailed) as error:
            yield Remark(f"Ray ({kind}, {size}, round {number + 1}) is missing: {error}")
            continue
        yield from samples
        against = "in-place" if reuse else "new-process"
        if middle and against in medians:
            yield Sample(f"gap.{against}.{size}.to-ray-{kind}", medians[against] / middle, "ratio")


def _ours(size: str, settings: Settings, way: Way) -> tuple[float | None, list[Sample | Remark]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run = local.train(Path(folder), settings, restart=way.restart, environment=way.environment)
        return _told(f"gap.{way.name}.{size}", run, settings, way, records=True)


def _over_s3(number: int, server: Server) -> Iterator[Sample | Remark]:
    for size, settings in (("1MB", SMALL), ("100MB", LARGE)):
        # Trainers look for their successors once a second there: rounds have to be longer.
        slower = replace(settings, interval=3 * settings.interval, steps=12 * settings.interval)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            base = f"s3://{server.bucket}/{size}-{number}"
            run = local.train(Path(folder), slower, environment=server.environment, base=base)
            yield from _told(f"gap.in-place.{size}.s3", run, slower, IN_PLACE, records=False)[1]


def _told(
    figure: str, run: Run, settings: Settings, way: Way, *, records: bool
) -> tuple[float | None, list[Sample | Remark]]:
    """The samples of a run: the gaps that went the way that was meant, their parts, and how many went another."""
    found = gaps(run.marks, interval=settings.interval)
    meant = [gap for gap in found if way.took(gap)]
    told: list[Sample | Remark] = [Sample(f"{figure}.ours", gap.seconds, "s") for gap in meant]
    told += [Sample(f"{figure}.turnaround", gap.turnaround, "s") for gap in meant]
    told += [Sample(f"{figure}.discarded-steps", gap.discarded, "steps") for gap in meant]
    told.append(Sample(f"{figure}.went-another-way", len(found) - len(meant), "count"))
    told += _bystanders(figure, run.marks, settings)
    for gap in meant:
        told += [Sample(f"{figure}.part.{name}", seconds, "s") for name, seconds in gap.parts()]
    if records:
        told += [Sample(f"{figure}.{name}", seconds, "s") for name, seconds in decision_parts(run, settings)]
    if not meant:
        told.append(Remark(f"{figure}: no exploit went this way ({len(found)} went another)"))
    return median(gap.seconds for gap in meant) if meant else None, told


def _rays(size: str, settings: Settings, kind: str) -> tuple[float | None, list[Sample | Remark]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        marks = peer.train(Path(folder), settings, reuse=kind == "reuse")
    found = gaps(marks, interval=settings.interval)
    figure = f"gap.ray-{kind}.{size}"
    told: list[Sample | Remark] = [Sample(figure, gap.seconds, "s") for gap in found]
    told.append(Sample(f"{figure}.exploits", len(found), "count", better="more"))
    told += _bystanders(figure, marks, settings)
    if not found:
        told.append(Remark(f"{figure}: Ray made no exploit in this run"))
    return median(gap.seconds for gap in found) if found else None, told


def _bystanders(figure: str, marks: Sequence[Mark], settings: Settings) -> Iterator[Sample]:
    """What members that nobody had chosen went through: restores, and pauses of more than a step between two steps."""
    yield Sample(f"{figure}.bystander-restores", bystander_restores(marks), "count")
    yield Sample(f"{figure}.bystander-pauses", len(pauses(marks, allowed=settings.step_seconds)), "count")


def decision_parts(run: Run, settings: Settings) -> Iterator[tuple[str, float]]:
    """What lies between the last needed report and the newborn's claim, by the times of the records."""
    written = {
        kind: {name: when for name, (when, _) in run.records(kind).items()}
        for kind in ("reports", "births", "claims")
    }
    for name, (decided, record) in run.records("rounds").items():
        number = Path(name).stem
        reports = [when for key, when in written["reports"].items() if key.startswith(f"{number}/")]
        if reports and record["number"] * settings.interval < settings.steps:
            yield "decision", decided - max(reports)
    for name, (born, record) in run.records("births").items():
        if record.get("cause") == "Exploit" and name in written["claims"]:
            yield "birth-to-claim", written["claims"][name] - born


def _server(stack: ExitStack) -> Server | Remark:
    if os.environ.get("PBT_SKIP_S3") == "1":
        return Remark("PBT_SKIP_S3=1: no gap over S3")
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))
    try:
        return stack.enter_context(minio.running(Path(folder)))
    except BuildError as error:
        return Remark(f"MinIO can't be had, no gap over S3: {error}")
