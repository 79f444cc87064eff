"""Ray Tune on this machine: an environment for all peers, those of learning too, and the workload under its PBT."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache as once
from pathlib import Path

from bench.local import RunFailed, Settings, bounded
from bench.marks import Mark, read
from programs.build import cache, locked

HERE = Path(__file__).parent
LOCK = HERE / "peers.lock"
SCRIPT = HERE / "trainers" / "rays.py"
ONLY = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
"""What Ray would do besides is left out, in its favour."""


class PeerMissing(Exception):
    """Ray can't be had here; the message says why. Ours is measured without it."""


def version() -> str:
    """The version that the lock pins."""
    found = re.search(r"^ray==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert found
    return found[1]


@once
def python() -> Path:
    """The interpreter of the peers' environment, which is made where it is missing.

    Raises:
        PeerMissing: it can't be installed.
    """
    pins = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache() / f"ray-{pins}"
    with locked(cache() / "ray.lock"):
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            try:
                _install(folder)
            except (OSError, subprocess.CalledProcessError) as error:
                told = getattr(error, "stderr", "") or str(error)
                raise PeerMissing(f"ray {version()} can't be installed: {told.strip()[-300:]}") from error
            (folder / "ready").touch()
    return folder / "bin" / "python"


def train(
    folder: Path,
    settings: Settings,
    *,
    reuse: bool,
    environment: Mapping[str, str] | None = None,
    seconds: float = 300.0,
) -> list[Mark]:
    """Trains one population to its end and returns its marks.

    Args:
        folder: empty; for its checkpoints, log and marks.
        settings: of the workload.
        reuse: Ray's `reuse_actors`: a trial goes on in the process of another one.
        environment: of the driver and its actors.
        seconds: after so long it is ended.

    Raises:
        PeerMissing: there is no Ray here.
        RunFailed: it didn't come to its end.
    """
    interpreter = python()
    marks, log = folder / "marks", folder / "log.txt"
    marks.mkdir(parents=True)
    # Its sockets lie there, and a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as sessions:
        told = {
            "members": len(settings.rates),
            "rates": settings.rates,
            "steps": settings.steps,
            "interval": settings.interval,
            "reuse": reuse,
            "storage": str(folder / "storage"),
            "sessions": sessions,
        }
        surroundings = {
            **{
                name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "RAY_ADDRESS"}
            },
            **ONLY,
            **settings.environment(marks),
            **(environment or {}),
            "PYTHONPATH": str(SCRIPT.parent),
            "HOME": str(folder),  # it leaves a token there
        }
        command = [str(interpreter), str(SCRIPT), json.dumps(told)]
        code = bounded(command, folder=folder, environment=surroundings, log=log, seconds=seconds)
    if code is None:
        raise RunFailed(f"ray didn't come to its end within {seconds:g} s")
    if code != 0:
        raise RunFailed(f"ray ended with {code}: {log.read_text()[-2000:]}")
    return read(marks)


def _install(folder: Path) -> None:
    uv = [str(Path(sys.executable).with_name("uv"))]
    if not Path(uv[0]).exists():
        uv = ["uv"]
    interpreter = folder / "bin" / "python"
    for command in (
        [*uv, "venv", "--python", sys.executable, str(folder)],
        [
            *uv,
            "pip",
            "install",
            "--compile-bytecode",
            "--python",
            str(interpreter),
            "--require-hashes",
            "-r",
            str(LOCK),
        ],
    ):
        subprocess.run([*command, "--quiet"], check=True, capture_output=True, text=True)
