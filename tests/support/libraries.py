"""Libraries that checkpoints are tested with (tests/libraries.in), in a folder of their own, and runs with them.

The folder lies outside the checkout, on top of the environment of the tests, which has torch and numpy. Tests that need
the libraries run in a process of their own, so that no other test finds JAX or transformers loaded.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache as once
from pathlib import Path

from programs.build import cache, locked

TESTS = Path(__file__).parents[1]
LOCK = TESTS / "libraries.lock"


@once
def folder() -> Path:
    """Where they lie; they are installed there first where they are missing.

    Raises:
        subprocess.CalledProcessError: they can't be installed.
    """
    pins = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    found = cache() / f"libraries-{pins}"
    with locked(cache() / "libraries.lock"):
        if not (found / "ready").exists():
            shutil.rmtree(found, ignore_errors=True)
            _install(found)
            (found / "ready").touch()
    return found


def run_tests(file: Path, *, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs the tests of a file with the libraries; what it printed is in the result.

    Args:
        file: of tests.
        seconds: after so long it is killed.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        "--durations=5",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
    ]
    # What their imports warn of is theirs.
    command += ["-o", "filterwarnings=", "-o", f"timeout={seconds:g}", str(file)]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    surroundings |= {"PYTHONPATH": str(folder()), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        command,
        cwd=TESTS.parent,
        env=surroundings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )


def _install(target: Path) -> None:
    own = Path(sys.executable).with_name("uv")
    command = [
        str(own) if own.exists() else "uv",
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--no-deps",
    ]
    command += ["--require-hashes", "--python", sys.executable, "--target", str(target), "-r", str(LOCK)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    print(folder())
