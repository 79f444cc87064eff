"""The operator at scale: how fast it decides and makes pods, and what it costs, from a hundred members to thousands."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.sample import Remark, Sample
from bench.scale_trainers import Member
from bench.scale_world import POLL_SECONDS, World, running, wait
from bench.settings import quick
from pbt_contract import keys

NAME = "scale"
QUIET_SECONDS = POLL_SECONDS + 1.0


@dataclass(frozen=True)
class Size:
    """One scenario.

    Attributes:
        spread: seconds over which every member reports the first round.
        decisions: further rounds, of which only the decision is timed.
    """

    name: str
    populations: int
    members: int
    spread: float
    decisions: int

    @property
    def total(self) -> int:
        """All members."""
        return self.populations * self.members

    @property
    def names(self) -> list[str]:
        """Of its Populations."""
        return [f"p{self.name}-{number}" for number in range(self.populations)]


SIZES = (
    Size("100", 1, 100, 40.0, 2),
    Size("1000", 1, 1000, 40.0, 3),
    Size("5000", 1, 5000, 40.0, 0),
    Size("100x32", 100, 32, 40.0, 0),
)
QUICK = (Size("100", 1, 100, 5.0, 1), Size("300", 1, 300, 5.0, 0))


def measure(rounds: int) -> Iterator[Sample | Remark]:
    """Each size once a round, many populations once, each on servers of its own."""
    sizes = QUICK if quick() else SIZES
    yield Remark(
        f"scale: reports come evenly over {sizes[0].spread:g} s, the operator polls every {POLL_SECONDS:g} s; etcd, "
        "API server, MinIO, KWOK and the simulated trainers share the machine with it"
    )
    for number in range(rounds):
        costs: dict[str, float] = {}
        for size in sizes if number == 0 else [size for size in sizes if size.populations == 1]:
            with tempfile.TemporaryDirectory(prefix="pbt-scale-") as folder, running(Path(folder)) as world:
                for sample in _Course(world, size).run():
                    costs |= {size.name: sample.value} if sample.figure.endswith(".cpu_per_report") else {}
                    yield sample
        small, *others = costs
        for name in others:
            yield Sample(f"scale.{name}.cost_per_report/{small}", costs[name] / costs[small], "ratio")


class _Course:
    """What happens at one size."""

    def __init__(self, world: World, size: Size) -> None:
        self._world, self._size, self._trainers = world, size, world.trainers
        self._number = 0  # of the newest round

    def run(self) -> Iterator[Sample]:
        """All of it, in the order in which a population lives."""
        yield from self._begin()
        yield from self._steady()
        latencies = [self._decide() for _ in range(self._size.decisions)]
        if latencies:
            yield self._sample("decision.p50", median(latencies), "s")
            yield self._sample("decision.worst", max(latencies), "s")
            yield self._sample("decision.worst_beyond_poll", max(0.0, max(latencies) - POLL_SECONDS), "s")
        yield from self._restart()

    def _sample(self, figure: str, value: float, unit: str) -> Sample:
        return Sample(f"scale.{self._size.name}.{figure}", value, unit)

    @property
    def _members(self) -> list[Member]:
        return [(name, member) for member in range(self._size.members) for name in self._size.names]

    def _begin(self) -> Iterator[Sample]:
        """From the creation of the resources to the last pod."""
        trainers, size = self._trainers, self._size
        for name in size.names:
            self._world.create(name, size.members)
        wait(lambda: len(trainers.lives) == size.total)
        times = sorted(trainers.created.values())
        yield Sample(
            f"scale.{size.name}.pods_per_second",
            (size.total - 1) / (times[-1] - times[0]),
            "1/s",
            better="more",
        )
        for name in size.names:
            wait(lambda name=name: "location" in self._world.status(name))  # type: ignore[misc]
            location = self._world.status(name)["location"]
            trainers.bases[name] = location.removeprefix(f"s3://{self._world.s3.bucket}/") + "/"
        trainers.begin(self._members)

    def _steady(self) -> Iterator[Sample]:
        """One round with all that belongs to it: reports at an even rate, the decision, births and pods."""
        operator, size = self._world.operator, self._size
        time.sleep(QUIET_SECONDS)
        idle = self._idle()
        cpu, before, began = operator.cpu_seconds, operator.requests(), time.monotonic()
        self._number += 1
        self._trainers.report(self._number, self._members, seconds=size.spread)
        self._settle()
        used, seconds = operator.cpu_seconds - cpu, time.monotonic() - began
        made = {name: count - before[name] for name, count in operator.requests().items()}
        rss, pss = operator.memory()
        yield self._sample("cpu", 100 * used / seconds, "% of a core")
        rest = max(0.0, 60.0 - seconds)
        yield self._sample(
            "cpu_at_a_round_a_minute", 100 * (used + rest * idle) / (seconds + rest), "% of a core"
        )
        yield self._sample("cpu_idle", 100 * idle, "% of a core")
        yield self._sample("cpu_per_report", 1000 * used / size.total, "ms")
        yield self._sample("rss", rss, "MB")
        yield self._sample("pss", pss, "MB")
        yield self._sample("reads_per_report", made["GetObject"] / size.total, "count")
        yield self._sample("writes_per_report", made["PutObject"] / size.total, "count")
        yield self._sample("lists", made["ListObjectsV2"] + made["ListMultipartUploads"], "count")
        yield self._sample(
            "status", max(len(json.dumps(self._world.status(n))) for n in size.names) / 1000, "kB"
        )
        yield from self._gaps()

    def _idle(self) -> float:
        """The CPU time that a second takes in which nothing happens."""
        cpu, began = self._world.operator.cpu_seconds, time.monotonic()
        time.sleep(2 * POLL_SECONDS)
        return (self._world.operator.cpu_seconds - cpu) / (time.monotonic() - began)

    def _gaps(self) -> Iterator[Sample]:
        """What the operator adds to the gap of a loser: from the decision to its birth, and to its pod."""
        births = dict(self._written(keys.BIRTHS))
        rounds = dict(self._written(keys.ROUNDS))
        to_birth, to_pod = [], []
        for member in self._members:
            life = self._trainers.lives[member]
            if life.incarnation > 1:
                base = self._trainers.bases[member[0]]
                born = births[base + keys.birth(member[1], life.incarnation)]
                to_birth.append(born - rounds[base + keys.round_(self._number)])
                created = self._trainers.created[f"{member[0]}-{member[1]}-{life.incarnation}"]
                to_pod.append(created - self._trainers.gone[member])
        yield self._sample("birth_after_round.p50", median(to_birth), "s")
        yield self._sample("pod_after_pod.p50", median(to_pod), "s")
        yield self._sample("pod_after_pod.worst", max(to_pod), "s")

    def _decide(self) -> float:
        """Seconds from the last report of a round to its record, with nothing else going on."""
        *others, last = self._members
        self._number += 1
        self._trainers.report(self._number, others, seconds=0.0)
        time.sleep(QUIET_SECONDS + 0.37 * self._number % 1.0)  # not in step with the polls
        reported = self._trainers.report(self._number, [last], seconds=0.0)
        self._settle()
        ((_, decided),) = [
            (key, at) for key, at in self._written(keys.ROUNDS) if key.endswith(keys.round_(self._number))
        ]
        return decided - reported

    def _settle(self) -> None:
        """Until each population has decided the round, and each loser has its pod."""
        names = self._size.names
        for name in names:  # one after the other: the server is measured as well
            wait(lambda name=name: self._decided(name))  # type: ignore[misc]
        losers = {n: self._losers(n) for n in names}
        for name, lost in losers.items():
            wait(lambda name=name, lost=lost: all(self._trainers.lives[name, m].birth is None for m in lost))  # type: ignore[misc]
        self._trainers.begin([(name, member) for name, lost in losers.items() for member in lost])

    def _decided(self, name: str) -> bool:
        place = self._trainers.bases[name] + keys.ROUNDS
        return len(list(self._trainers.bucket.listed(place))) == self._number

    def _losers(self, name: str) -> list[int]:
        key = self._trainers.bases[name] + keys.round_(self._number)
        decided = json.loads(self._trainers.bucket.get(key))
        return [decision["member"] for decision in decided["decisions"]]

    def _written(self, prefix: str) -> Iterator[tuple[str, float]]:
        for base in self._trainers.bases.values():
            yield from self._trainers.bucket.listed(base + prefix)

    def _restart(self) -> Iterator[Sample]:
        """A new process, with the population running: ready, and every population looked at."""
        operator = self._world.operator
        operator.end()
        began = time.monotonic()
        operator.start()
        yield self._sample("restart.ready", time.monotonic() - began, "s")
        wait(lambda: operator.passes >= self._size.populations)
        yield self._sample("restart.first_pass", time.monotonic() - began, "s")
