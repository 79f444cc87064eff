"""The exploit gap on the test cluster: in place, by re-exec and by a new pod, and the operator's part of it.

Measured where `make cluster-up` has started the cluster, or on the one of PBT_E2E_KUBECONFIG. All of it is on one
machine, so that the clock of the trainers' marks is ours as well.
"""

import json
import os
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from bench.gap import IN_PLACE, NEW_PROCESS, RE_EXEC, Way
from bench.local import Settings, spec
from bench.marks import Gap, Mark, gaps, parse
from bench.podtimes import Stamped
from bench.sample import Remark, Sample
from bench.settings import quick
from cluster.applied import Applied
from cluster.release import installed
from cluster.space import Space
from kindcluster import lifetime
from kindcluster.machine import why_not
from support.cluster import Unavailable
from support.cluster import cluster as running

NAME = "cluster"
OWN_LOAD = False
SCRIPTS = Path(__file__).parent / "trainers"
CONFIG = "bench"
MB = 1 << 20
# Rounds take 10 s: a new pod's member has caught up before the next one.
SETTINGS = Settings(num_bytes=1 * MB, steps=100, interval=20, step_seconds=0.5, rates=(0.3, 0.5, 0.7))
SIZES = {"1MB": SETTINGS, "100MB": replace(SETTINGS, num_bytes=100 * MB, steps=60)}
# Two cores need half a minute for both checkpoints.
HUGE = replace(SETTINGS, num_bytes=1024 * MB, rates=(0.3, 0.7), steps=160, interval=80)
WAYS = (IN_PLACE, RE_EXEC, replace(NEW_PROCESS, name="new-pod"))


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """All ways at both sizes in each round, the largest size once."""
    if (reason := _missing()) is not None:
        yield Remark(reason)
        return
    with ExitStack() as stack:
        found = stack.enter_context(running())
        if isinstance(found, Unavailable):
            yield Remark(found.reason)
            return
        server = stack.enter_context(found.s3())
        release = stack.enter_context(installed(found, server))
        for number in range(rounds):
            sizes = {**SIZES, "1GB": HUGE} if number == 0 else SIZES
            for size, settings in list(sizes.items())[: 1 if quick() else None]:
                for way in WAYS:
                    space = Space(found, f"bench-{secrets.token_hex(3)}", server=server, release=release)
                    try:
                        run = _train(space, f"{way.name}-{number}", settings, way)
                        yield from _told(f"cluster.{way.name}.{size}", run, settings, way)
                    finally:
                        space.close()


def _missing() -> str | None:
    """Why there is no cluster to measure on; this scenario starts none, for that takes minutes."""
    if os.environ.get("PBT_E2E_KUBECONFIG"):
        return None
    return why_not() or (
        None if lifetime.own().runs() else "the cluster doesn't run; `make cluster-up` starts it"
    )


@dataclass(frozen=True)
class Finished:
    """A population that ended on the cluster, with all times in seconds of the wall clock.

    Attributes:
        written: by key, when each record became visible.
        births: by member and incarnation.
        pods: what the watch showed, and when.
    """

    marks: list[Mark]
    written: Mapping[str, float]
    births: Mapping[tuple[int, int], Any]
    pods: Stamped

    def wall(self, t: float) -> float:
        """A mark's time on the wall clock."""
        return t + next(mark.more["wall"] - mark.t for mark in self.marks if mark.what == "opened")


def _train(space: Space, name: str, settings: Settings, way: Way) -> Finished:
    pods = Stamped()
    space.pods.changes = pods  # nothing was started yet
    data = {path.name: path.read_text() for path in SCRIPTS.glob("*.py")}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG}, "data": data}
    space.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    environment = {**settings.environment(Path("-")), **way.environment}
    template = space.template("ours.py", **environment)
    template["spec"]["volumes"][0]["configMap"]["name"] = CONFIG
    manifest = space.population(name, {**spec(settings, way.restart, None), "template": template})
    applied = space.apply(manifest)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Logs(space, applied, Path(folder)) as logs:
        found = applied.until_ended(seconds=600)
    written = dict(_written(space, applied))
    return Finished(parse(logs.texts), written, found.births, pods)


class Logs:
    """What every pod of a population prints, followed from its start: a pod that makes way is gone with its log."""

    def __init__(self, space: Space, applied: Applied, folder: Path) -> None:
        self.texts: list[str] = []
        self._space, self._applied, self._folder = space, applied, folder
        self._followed: dict[str, subprocess.Popen[bytes]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for process in self._followed.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait()
        self.texts = [path.read_text() for path in sorted(self._folder.iterdir())]

    def _follow(self) -> None:
        while not self._over.wait(0.1):
            for pod in self._applied.pods:
                name, statuses = pod["metadata"]["name"], pod["status"].get("containerStatuses", ())
                if name not in self._followed and any("waiting" not in one["state"] for one in statuses):
                    self._followed[name] = self._start(name)

    def _start(self, pod: str) -> "subprocess.Popen[bytes]":
        arguments = ("logs", pod, "--container=trainer", "--follow", f"--namespace={self._space.name}")
        command = self._space.cluster.access.kubectl_command(*arguments)
        with (self._folder / pod).open("wb") as log:
            return subprocess.Popen(
                command, env=self._space.cluster.environment, stdout=log, stderr=subprocess.DEVNULL
            )


def _written(space: Space, applied: Applied) -> Iterator[tuple[str, float]]:
    """Each key of the location and when it became visible: MinIO lists that in milliseconds."""
    bucket, prefix = applied.status["location"].removeprefix("s3://").split("/", 1)
    for page in space.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for one in page.get("Contents", ()):
            yield (
                one["Key"].removeprefix(f"{prefix}/"),
                datetime.fromisoformat(str(one["LastModified"])).timestamp(),
            )


def _told(figure: str, run: Finished, settings: Settings, way: Way) -> Iterator[Sample | Remark]:
    found = gaps(run.marks, interval=settings.interval)
    meant = [gap for gap in found if way.took(gap)]
    yield Sample(f"{figure}.went-another-way", len(found) - len(meant), "count")
    if not meant:
        yield Remark(f"{figure}: no exploit went this way ({len(found)} went another)")
    for gap in meant:
        yield Sample(f"{figure}.ours", gap.seconds, "s")
        yield Sample(f"{figure}.turnaround", gap.turnaround, "s")
        for part, seconds in parts(gap, run):
            yield Sample(f"{figure}.{part}", seconds, "s")


def parts(gap: Gap, run: Finished) -> Iterator[tuple[str, float]]:
    """What the gap and the decision before it consist of; by a new pod also the operator's part."""
    member = int(gap.member)
    incarnation = next(mark.more["incarnation"] for mark in gap.between if mark.what == "restored")
    birth = run.births[member, incarnation]
    born = run.written[birth.key]
    needed = [at for key, at in run.written.items() if key.startswith(f"reports/{birth.round:07}/")]
    # Reports of laggards may come after the decision.
    decided = born - max((at for at in needed if at <= born), default=born)
    yield "part.decide", decided
    if gap.same_process:
        yield from ((f"part.{name}", seconds) for name, seconds in gap.parts())
        return
    gone = run.pods.over(member, incarnation - 1)
    created, scheduled = run.pods.created(member, incarnation), run.pods.scheduled(member, incarnation)
    if gone is None or created is None or scheduled is None:
        return
    yield "part.stop", gone - born
    yield "part.create", created - gone
    yield "operators-part", decided + max(0.0, created - gone)
    yield "part.schedule", scheduled - created
    yield "part.start", run.wall(gap.moment("opened")) - scheduled
    yield from ((f"part.{name}", seconds) for name, seconds in gap.parts() if name != "stop-and-start")
