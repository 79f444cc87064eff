"""What the seconds of the demo's trainer processes went to: `python -m bench.spent [CHECKOUT]`, from a checkout's root.

It runs `examples/digits/demo.py` and watches from the outside how long each trainer lives, from the start of its
process to its end. Of those seconds, the records that count explain some: the training that is part of a member's
story. All others were in vain: training that was discarded or never recorded, waiting, starting, leaving. The share of
the latter is the same measure for any two versions of this repository. Starting is told by its causes: what a new
process takes until it claims its life (Python, imports) and from then on (restoring, building), swaps in place, and
commands that were run again.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Claim, Report, Started
from pbt_contract.stores import open_store
from pbt_operator.records.archive import read_archive

TICKS = os.sysconf("SC_CLK_TCK")
APART_SECONDS = 0.1
WARDEN = b"pbt_operator.runners.local.warden"
DEMO, RUNS = Path("examples/digits/demo.py"), Path("pbt-runs/demo")


@dataclass
class Lives:
    """How long trainers lived: the direct children of wardens that lead a session.

    Attributes:
        seconds: by process and population, from the start of the process until it was last seen.
        began: by pod, when its process started; POSIX time.
    """

    seconds: dict[tuple[int, str], float] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)

    def look(self, root: int) -> None:
        """Sees the trainers that are there now, below the process `root`."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        for warden in _below(root):
            if WARDEN not in _read(warden, "cmdline"):
                continue
            for pid in _children(warden):
                stat = _read(pid, "stat").rpartition(b")")[2].split()
                if len(stat) > 19 and int(stat[3]) == pid and stat[0] != b"Z":
                    self._note(pid, uptime - int(stat[19]) / TICKS)

    def _note(self, pid: int, seconds: float) -> None:
        name = self._names.get(pid) or _told(pid, "PBT_LOCATION").rstrip("/").rpartition("/")[2]
        if name:  # else it is still a copy of the warden
            if pid not in self._names:
                self.began[_told(pid, "PBT_POD")] = time.time() - seconds
            self._names[pid] = name
            self.seconds[pid, name] = seconds

    def of(self, name: str) -> tuple[int, float]:
        """How many trainers of a population there were, and their seconds together."""
        found = [seconds for (_, population), seconds in self.seconds.items() if population == name]
        return len(found), sum(found)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _children(pid: int) -> list[int]:
    return [int(child) for child in _read(pid, f"task/{pid}/children").split()]


def _below(pid: int) -> list[int]:
    found = _children(pid)
    return [*found, *(inner for child in found for inner in _below(child))]


def _told(pid: int, variable: str) -> str:
    """What a trainer was told by a variable; empty where it wasn't."""
    told = (item.partition(b"=") for item in _read(pid, "environ").split(b"\0"))
    return next((value.decode() for name, _, value in told if name == variable.encode()), "")


def watch(command: list[str], *, folder: Path = Path()) -> tuple[Lives, float]:
    """Runs a command in a folder to its end; the lives of the trainers below it, and how long it took in seconds."""
    began, lives = time.monotonic(), Lives()
    variables = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }  # its packages are its own
    with subprocess.Popen(command, cwd=folder, env=variables) as process:
        while process.poll() is None:
            lives.look(process.pid)
            time.sleep(APART_SECONDS)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return lives, time.monotonic() - began


def starting(records: Iterable[Report], folder: Path, began: Mapping[str, float]) -> dict[str, float]:
    """The seconds of starting that records tell of, by cause.

    Args:
        records: of one population.
        folder: where it is stored: a claim is as old as its file.
        began: by pod, when its process started; POSIX time.
    """
    found = dict.fromkeys(("until the claim", "from the claim on", "in place", "run again"), 0.0)
    for record in records:
        if record.starting is UNSET:
            continue
        key = keys.claim(*record.life)
        path = folder / key
        claim = decode(Claim, path.read_bytes(), key=key)
        if claim.started is Started.IN_PLACE:
            found["in place"] += record.starting
        elif claim.started is Started.ANEW:
            found["run again"] += record.starting
        else:
            claimed = path.stat().st_mtime
            until = min(record.starting, max(0.0, claimed - began.get(claim.pod, claimed)))
            found["until the claim"] += until
            found["from the claim on"] += record.starting - until
    return found


def told(name: str, lives: Lives, runs: Path) -> str:
    """One population in a line; records that don't tell of waiting and starting have it all in the rest."""
    archive = read_archive(open_store(str(runs / name)))
    records = [*archive.reports.values(), *archive.saves.values()]
    shares = {
        "productive": sum(record.seconds for record in records if archive.counts(record)),
        "discarded": sum(record.seconds for record in records if not archive.counts(record)),
        "waiting": sum(record.waited or 0.0 for record in records),
        "starting": sum(record.starting or 0.0 for record in records),
    }
    processes, seconds = lives.of(name)
    shares["in no record"] = seconds - sum(shares.values())
    causes = starting(records, runs / name, lives.began)
    spent = ", ".join(f"{used:.0f} s {kind}" for kind, used in shares.items())
    spent += " (starting: " + ", ".join(f"{used:.1f} s {cause}" for cause, used in causes.items()) + ")"
    steps, vain = archive.status().steps, 1 - shares["productive"] / seconds
    return (
        f"{name}: in vain {vain:.1%} of {seconds:.0f} s of {processes} processes: {spent}; "
        f"{len(archive.rounds)} of {archive.spec.schedule.last_round} rounds; "
        f"steps {steps.productive:,} productive, {steps.discarded:,} discarded"
    )


def main() -> None:
    """Measures once, and prints how busy the machine was."""
    parser = argparse.ArgumentParser(
        prog="bench.spent", description="What the seconds of the demo's processes went to."
    )
    parser.add_argument(
        "checkout", nargs="?", type=Path, help="another one, with a .venv of its own (this one)"
    )
    checkout = parser.parse_args().checkout
    python = sys.executable if checkout is None else str((checkout / ".venv/bin/python").absolute())
    load, folder = os.getloadavg()[0], checkout or Path()
    lives, seconds = watch([python, str(DEMO)], folder=folder)
    print(f"{seconds:.0f} s; load {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for name in ("digits", "digits-random"):
        print(told(name, lives, folder / RUNS))


if __name__ == "__main__":
    main()
