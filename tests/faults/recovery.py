"""What a fault cost, measured from outside: steps that had to be trained again, seconds until training or deciding went
on, and what the person saw."""

import math
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster import pods
from cluster.applied import PATIENCE, Applied
from cluster.space import Space
from cluster.watch import Body
from pbt_contract import keys
from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Cause
from pbt_operator.records.archive import Archive
from programs.build import binary

PROPERTY = "recovery"
COLUMNS = ("fault", "steps lost", "seconds to recover", "what the person saw")
TRAINED_AGAIN = frozenset({Cause.RESUME, Cause.CRASH, Cause.REPLACE})
RECORDS = (keys.REPORTS, keys.SAVES)


@dataclass(frozen=True)
class Recovery:
    """One row of the table.

    Attributes:
        steps_lost: steps that processes had trained and others had to train again, of all members together.
        seconds: from the end of the fault, or from its beginning where it has no end, until the affected members
            had new records, or the next round was decided.
        shown: conditions, Events and what `kubectl pbt status` said, in a few words.
    """

    fault: str
    steps_lost: int
    seconds: float
    shown: str

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        return self.fault, str(self.steps_lost), f"{self.seconds:.0f}", " ".join(self.shown.split())


class Recoveries:
    """Takes what one test has measured; it travels in the test's report, from other processes too."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def note(self, *, fault: str, steps_lost: int, seconds: float, shown: str) -> None:
        """One row of the table that is printed after all tests."""
        self._properties.append((PROPERTY, asdict(Recovery(fault, steps_lost, seconds, shown))))


def table(properties: Iterable[tuple[str, Any]]) -> str:
    """What all tests noted, in Markdown; empty if none did."""
    rows = [Recovery(**told).cells() for name, told in properties if name == PROPERTY]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows] if rows else []
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


class Mark:
    """A moment in the life of a Population, after which records and rounds are new.

    Attributes:
        known: the keys that were there.
    """

    def __init__(self, applied: Applied) -> None:
        """This moment: the beginning or the end of a fault."""
        self.at = time.monotonic()
        self._applied = applied
        self.known = applied.until(lambda: self._names(""), "its location can be listed")
        self._newest: dict[int, int] = {}
        for key in self.known:
            if key.startswith(keys.CLAIMS):
                member, incarnation = keys.life_in(key)
                self._newest[member] = max(incarnation, self._newest.get(member, 0))

    def until_record(self, *members: int, reborn: bool = False, seconds: float = PATIENCE) -> float:
        """Waits until each of the members has a new record; returns after how many seconds that was.

        Args:
            members: those that the fault affected.
            reborn: only records of incarnations count that no process had begun at this moment: one whose birth was
                only ordered then goes on under that birth.
            seconds: the longest wait.
        """

        def recorded() -> bool:
            lives = [keys.life_in(key) for key in self._new(*RECORDS)]
            found = {member for member, life in lives if not reborn or life > self._newest.get(member, 0)}
            return found >= set(members)

        self._applied.until(recorded, f"members {members} have new records", seconds=seconds)
        return time.monotonic() - self.at

    def until_round(self, *, seconds: float = PATIENCE) -> float:
        """Waits until the next round is decided; returns after how many seconds that was."""
        self._applied.until(
            lambda: bool(self._new(keys.ROUNDS)), "the next round is decided", seconds=seconds
        )
        return time.monotonic() - self.at

    def _new(self, *prefixes: str) -> set[str]:
        return {key for prefix in prefixes for key in self._names(prefix)} - self.known

    def _names(self, prefix: str) -> set[str]:
        """The keys below a prefix; none while the store is away."""
        with suppress(StoreUnavailable):
            return set(self._applied.store.names(prefix))
        return set()


class Printed:
    """The steps that the trainers of a namespace print, which are read while they run: logs go with their nodes."""

    def __init__(self, space: Space) -> None:
        """Follows every pod from its start on, until `close`."""
        self._space = space
        self._steps: dict[str, list[tuple[int, float]]] = defaultdict(list)  # and when they were read
        self._followed: dict[str, subprocess.Popen[str]] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="printed steps")
        self._thread.start()

    def of(
        self, applied: Applied, member: int, incarnation: int, *, before: float = math.inf
    ) -> Sequence[int]:
        """The steps that the pod of a birth has printed before a moment of the monotonic clock, in order."""
        return [step for step, at in self._steps[f"{applied.name}-{member}-{incarnation}"] if at < before]

    def newest(self, applied: Applied, member: int) -> int:
        """The newest step that the member's live pod has printed so far; 0 if it has printed none."""
        steps = self._steps[applied.live[member]["metadata"]["name"]]
        return steps[-1][0] if steps else 0

    def lost(self, applied: Applied, found: Archive, *, before: float = math.inf) -> dict[int, int]:
        """By member, the steps that were trained again: beyond the step at which the next process went on.

        Args:
            applied: the Population.
            found: its story.
            before: by the monotonic clock, the beginning of a fault in which the former process may train on in vain;
                what it did after that isn't counted.
        """
        lost: dict[int, int] = defaultdict(int)
        for (member, incarnation), birth in found.births.items():
            if birth.cause in TRAINED_AGAIN:
                trained = self.of(applied, member, incarnation - 1, before=before)
                lost[member] += max(0, max(trained, default=0) - birth.start_step)
        return dict(lost)

    def close(self) -> None:
        """Follows no more."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        threads = []
        while not self._closed.wait(0.5):
            for body in self._space.pods.now.values():
                uid = body["metadata"]["uid"]
                ended = uid in self._followed and self._followed[uid].poll() is not None
                if _has_begun(body) and (uid not in self._followed or (ended and pods.is_live(body))):
                    threads.append(self._follow(body))
        for process in self._followed.values():
            process.terminate()
        for thread in threads:
            thread.join()

    def _follow(self, body: Body) -> threading.Thread:
        """Reads one pod's log to its end, or until the connection breaks; then it is read anew."""
        name, cluster = body["metadata"]["name"], self._space.cluster
        command = cluster.access.kubectl_command("logs", "--follow", name, f"--namespace={self._space.name}")
        process = subprocess.Popen(
            command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._followed[body["metadata"]["uid"]] = process
        thread = threading.Thread(target=self._take, args=(name, process))
        thread.start()
        return thread

    def _take(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        known, number = len(self._steps[name]), 0
        with process, process.stdout:
            for line in process.stdout:
                if line.startswith("step "):
                    number += 1
                    if number > known:
                        self._steps[name].append((int(line.removeprefix("step ")), time.monotonic()))


def _has_begun(body: Body) -> bool:
    states = [status["state"] for status in body.get("status", {}).get("containerStatuses", ())]
    return any("running" in state or "terminated" in state for state in states)


def pbt_status(applied: Applied) -> str:
    """What `kubectl pbt status` prints."""
    cluster = applied.space.cluster
    path = f"{Path(sys.executable).parent}:{cluster.environment['PATH']}"
    command = [
        *(str(binary("kubectl")), "pbt", "status", applied.name),
        *("--namespace", applied.space.name, "--context", cluster.access.context),
    ]
    done = subprocess.run(
        command, env={**cluster.environment, "PATH": path}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def event(applied: Applied, reason: str, *words: str) -> str:
    """The note of the Event that has this reason and says these words, which must be there."""
    notes = [event["note"] for event in applied.events if event["reason"] == reason]
    found = [note for note in notes if all(word in note for word in words)]
    assert found, f"no Event {reason} with {words}: {notes or _reasons(applied.events)}"
    return str(found[0])


def _reasons(events: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({event["reason"] for event in events})
