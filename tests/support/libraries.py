"""Libraries that the SDK is tested with, each set in a folder of its own, and runs with them.

`libraries` is for checkpoints (tests/libraries.in), `frameworks` for those that the SDK has a module for
(tests/frameworks.in). The folder lies outside the checkout, on top of the environment of the tests, which has torch and
numpy. Tests that need the libraries run in a process of their own, so that no other test finds JAX or transformers
loaded.
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
SETS = ("libraries", "frameworks")


@once
def folder(name: str) -> Path:
    """Where a set lies; it is installed there first where it is missing.

    Raises:
        subprocess.CalledProcessError: it can't be installed.
    """
    lock = TESTS / f"{name}.lock"
    pins = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    found = cache() / f"{name}-{pins}"
    with locked(cache() / f"{name}.lock"):
        if not (found / "ready").exists():
            shutil.rmtree(found, ignore_errors=True)
            _install(found, lock)
            (found / "ready").touch()
    return found


def run_tests(file: Path, *, of: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Runs the tests of a file with a set of libraries; what it printed is in the result.

    Args:
        file: of tests.
        of: the set's name.
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
    surroundings |= {"PYTHONPATH": str(folder(of)), "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1"}
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


def _install(target: Path, lock: Path) -> None:
    own = Path(sys.executable).with_name("uv")
    command = [
        str(own) if own.exists() else "uv",
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--no-deps",
    ]
    command += ["--require-hashes", "--python", sys.executable, "--target", str(target), "-r", str(lock)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    print(folder(sys.argv[1]))
