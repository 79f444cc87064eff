"""What a soak has seen: counted by all of its threads, told as markdown at the end."""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from pbt_operator.records.archive import Archive
from soak.memory import MIB, Sample, growths, quarters


@dataclass
class Tally:
    """Counts and violations.

    Attributes:
        phases: of populations, by how they ended.
        steerings: what was done to them.
        faults: those that were carried out, by kind.
        causes: of births.
        wrong: the violations, a sentence for each.
    """

    phases: Counter[str] = field(default_factory=Counter)
    steerings: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    samples: list[Sample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def say(self, words: str) -> None:
        """One line with the time."""
        minutes, seconds = divmod(int(self.seconds), 60)
        print(f"{minutes:3}:{seconds:02} {words}", flush=True)

    def violated(self, what: str) -> None:
        """An invariant doesn't hold, or something never came."""
        with self._lock:
            self.wrong.append(what)
        self.say(f"VIOLATION {what}")

    def ended(self, how: str, *, steering: str, found: Archive | None) -> None:
        """A population ended; its story is None if nothing is left of it."""
        with self._lock:
            self.phases[how] += 1
            self.steerings[steering] += 1
            if found is not None:
                self.causes.update(str(birth.cause) for birth in found.births.values())
                self.rounds += len(found.rounds)

    def struck(self, kind: str) -> None:
        """A fault was carried out."""
        with self._lock:
            self.faults[kind] += 1

    def conclude(self, *, calm: float) -> None:
        """Judges the memory.

        Args:
            calm: when the last phase began, in which nobody kills the operator, in seconds.
        """
        told = growths(self.samples)
        for growth in told:
            if not growth.flat:
                self.violated(f"the operator's memory grew from {growth}")
        if not growths([sample for sample in self.samples if sample.at >= calm]):
            self.violated("no operator lived long enough in the last phase to judge its memory")

    def to_markdown(self, *, seed: int, seconds: float) -> str:
        """The result."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        sizes = quarters(self.samples, seconds=self.seconds)
        rows = {
            "machine": f"{os.cpu_count()} CPU cores, {pages / 2**30:.0f} GiB of memory, all nodes on it",
            "faults for": f"{seconds / 60:g} minutes, seed {seed}",
            "populations ended": _told(self.phases),
            "done to them": _told(self.steerings),
            "rounds decided": str(self.rounds),
            "births": _told(self.causes),
            "faults": _told(self.faults),
            "operator processes": str(len({sample.life for sample in self.samples})),
            "operator memory, median of each quarter": ", ".join(
                "?" if size is None else f"{size / MIB:.0f} MiB" for size in sizes
            ),
            "operator memory within lives of minutes": "; ".join(map(str, growths(self.samples))) or "none",
            "violations": str(len(self.wrong)),
        }
        lines = [
            "| what | result |",
            "| --- | --- |",
            *(f"| {name} | {told} |" for name, told in rows.items()),
        ]
        return "\n".join([*lines, *(f"- {told}" for told in self.wrong)]) + "\n"


def _told(counts: Counter[str]) -> str:
    parts = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{counts.total()} ({parts})" if parts else "0"
