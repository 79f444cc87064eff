"""Counts of a small population whose every decision is settled by its seed: the same on each machine, at any load.

A loser waits for its replacement here, and nobody runs ahead of a round, so that no count depends on speed.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import local
from bench.local import Run, Settings
from bench.marks import bystander_restores
from bench.sample import Sample

NAME = "counts"
SETTINGS = Settings(num_bytes=1 << 16, steps=30, interval=10, step_seconds=0.002)
WAITS = {"BENCH_WAITS": "1"}
WAYS = {
    "in-place": ("InPlace", {}),
    "re-exec": ("InPlace", {"BENCH_READS": "once"}),
    "new-process": ("Recreate", {}),
}


def measure(rounds: int) -> Iterator[Sample]:
    """One population by each way in which a loser goes on."""
    for _ in range(rounds):
        for way, (restart, environment) in WAYS.items():
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                run = local.train(
                    Path(folder), SETTINGS, restart=restart, environment={**WAITS, **environment}
                )
                for name, count in counted(run).items():
                    yield Sample(f"counts.{way}.{name}", count, _unit(name), exact=True)


def counted(run: Run) -> dict[str, int]:
    """What a run took."""
    reports = [record for _, record in run.records("reports").values()]
    births = [record for _, record in run.records("births").values()]
    tensors = [
        file["size"] for one in reports for file in one["files"] if file["name"] == "state.safetensors"
    ]
    opened = [mark.process for mark in run.marks if mark.what == "opened"]
    return {
        "processes": len(set(opened)),
        "images": len(opened),
        "births": len(births),
        "claims": len(run.records("claims")),
        "exploits": sum(birth["cause"] == "Exploit" for birth in births),
        "rounds": len(run.records("rounds")),
        "reports": len(reports),
        "bystander-restores": bystander_restores(run.marks),
        "checkpoint-bytes": max(tensors),
    }


def _unit(name: str) -> str:
    return "bytes" if name.endswith("bytes") else "count"
