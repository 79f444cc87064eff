"""What `pbt check` and the process that it starts say to each other: two files in a folder that a variable names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from pbt_contract.records import Count, Metrics, Value

CHECK = "PBT_CHECK"
"""The variable that names the folder; a process that has it is checked instead of training to the end."""
ORDER, FINDINGS = "order.json", "findings.json"


class Order(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What is asked of the process.

    Attributes:
        steps: after so many a report is due, if not earlier.
        has_manifest: whether schedule and objective are a manifest's; else the script's own count.
        changes: another value for each hyperparameter, where the manifest knows one.
    """

    steps: Count
    has_manifest: bool
    changes: dict[str, Value] = {}

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> tuple[Path, Self] | None:
        """The folder and what is asked there; None in a process that isn't checked."""
        if not environ.get(CHECK):
            return None
        folder = Path(environ[CHECK])
        return folder, msgspec.json.decode((folder / ORDER).read_bytes(), type=cls)

    def write(self, folder: Path) -> None:
        """For the process that reads it there."""
        (folder / ORDER).write_bytes(msgspec.json.encode(self))


class Swap(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a change of one hyperparameter does to a running process.

    Attributes:
        value: that it trains with.
        tried: the other one; None where none is known.
        why: what keeps the loop from continuing with it, so that the process starts anew; None where nothing does.
        readers: what reads it: `build` functions and `loop`, if they do.
    """

    name: str
    value: Value
    tried: Value | None
    why: str | None
    readers: list[str] = []


class Findings(msgspec.Struct, rename="camel", kw_only=True):
    """What a process has found out about its script, as far as it has come.

    Attributes:
        hyperparameters: that it trains with, the script's defaults included.
        total_steps: of the training.
        interval_steps: of the training; the check may have it report earlier.
        due: the step of its first report.
        step: the last one that it began.
        tracked: what is tracked by name, with its class; None before `track`.
        random: by moment (`track`, `loop`) and generator, a fingerprint of its state.
        metrics: of its report.
        record: the key of its report.
        step_seconds: of a step, the median.
        report_seconds: what the step with the report takes longer, evaluation included.
        unread: the hyperparameters that nobody has read.
        swaps: what a change of each hyperparameter does.
        build: what is wrong with what the build functions make when they are called again.
        restored: what differs from the checkpoint after it was restored in the running process; None where that wasn't
            possible.
        loaded: the same in a fresh process that began with a checkpoint.
        notes: what the SDK notes of the restores.
        done: whether it has come to the end of what is checked.
    """

    hyperparameters: dict[str, Value] = {}
    total_steps: int = 0
    interval_steps: int = 0
    due: int = 0
    step: int = 0
    tracked: dict[str, str] | None = None
    random: dict[str, dict[str, str]] = {}
    metrics: Metrics = {}
    record: str | None = None
    step_seconds: float | None = None
    report_seconds: float | None = None
    unread: list[str] = []
    swaps: list[Swap] = []
    build: list[str] = []
    restored: list[str] | None = None
    loaded: list[str] | None = None
    notes: list[str] = []
    done: bool = False

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What a process has left; None where it has not even joined."""
        try:
            return msgspec.json.decode((folder / FINDINGS).read_bytes(), type=cls)
        except FileNotFoundError:
            return None

    def write(self, folder: Path) -> None:
        """Replaces what was found before: whenever the process ends, the file is whole."""
        incoming = folder / f".{FINDINGS}.tmp"
        incoming.write_bytes(msgspec.json.encode(self))
        incoming.replace(folder / FINDINGS)
