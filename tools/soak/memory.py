"""The operator's memory over a soak: samples of its processes' lives, and the judgement whether it is flat."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

WARM_UP_SECONDS = 60.0  # of a process: modules, threads and connections come with the first passes
JUDGED_SECONDS = 240.0  # a shorter life tells nothing
TOLERANCE = 0.1
MIB = 2**20


@dataclass(frozen=True)
class Sample:
    """One look at the operator.

    Attributes:
        at: seconds since the soak began.
        life: tells its processes apart: when this one was started.
        size: of its resident memory, in bytes.
    """

    at: float
    life: float
    size: float

    @classmethod
    def read(cls, exposed: str, *, at: float) -> "Sample":
        """From what the operator exposes at /metrics."""
        return cls(at, _value(exposed, "start_time_seconds"), _value(exposed, "resident_memory_bytes"))


@dataclass(frozen=True)
class Growth:
    """How the memory of one life grew: medians of its first and last quarter, warm-up left out, in bytes."""

    seconds: float
    early: float
    late: float

    @property
    def flat(self) -> bool:
        """Whether the late median is at most a tenth above the early one."""
        return self.late <= self.early * (1 + TOLERANCE)

    def __str__(self) -> str:
        """In a few words."""
        change = 100 * (self.late / self.early - 1)
        return f"{self.early / MIB:.0f} MiB to {self.late / MIB:.0f} MiB ({change:+.0f} %) in {self.seconds:.0f} s"


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Of each life that was long enough to be judged, in their order."""
    lives: dict[float, list[Sample]] = defaultdict(list)
    for sample in samples:
        lives[sample.life].append(sample)
    return [growth for life in lives.values() if (growth := _growth(life)) is not None]


def quarters(samples: Sequence[Sample], *, seconds: float) -> list[float | None]:
    """The median in each quarter of the whole soak, in bytes; None where nobody could look."""
    sizes: list[list[float]] = [[] for _ in range(4)]
    for sample in samples:
        sizes[min(3, int(4 * sample.at / seconds))].append(sample.size)
    return [median(found) if found else None for found in sizes]


def _growth(life: Sequence[Sample]) -> Growth | None:
    warm = [sample for sample in life if sample.at >= life[0].at + WARM_UP_SECONDS]
    seconds = warm[-1].at - warm[0].at if warm else 0.0
    if seconds < JUDGED_SECONDS:
        return None
    early = [sample.size for sample in warm if sample.at <= warm[0].at + seconds / 4]
    late = [sample.size for sample in warm if sample.at >= warm[-1].at - seconds / 4]
    return Growth(seconds, median(early), median(late))


def _value(exposed: str, name: str) -> float:
    found = re.search(rf"^process_{name} (\S+)$", exposed, flags=re.MULTILINE)
    assert found, exposed[:200]
    return float(found[1])
