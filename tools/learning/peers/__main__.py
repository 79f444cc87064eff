"""`python -m learning.peers` in the peers' environment: a job a line on stdin, its result a line on stdout, at once.

A job that fails has the line `{..., "error": "..."}`, with its traceback on stderr, and the next one runs. What isn't a
job at all has the line `{"line": ..., "error": ...}`. The exit code is 1 if there was any of them.
"""

import sys
import traceback
from dataclasses import asdict
from typing import Any, TextIO

from learning.peers.job import done, read, write
from learning.peers.registry import PEERS


def main(jobs: TextIO, results: TextIO) -> int:
    """Runs the jobs as they come in: the exit code."""
    failures = 0
    for line in jobs:
        if not line.strip():
            continue
        result = answer(line)
        failures += "error" in result
        print(write(result), file=results, flush=True)
    return 1 if failures else 0


def answer(line: str) -> dict[str, Any]:
    """What a line's job has come to."""
    asked: dict[str, Any] = {"line": line.strip()}
    try:
        job = read(line)
        asked = asdict(job)
        return done(job, PEERS[job.arm].run)
    except Exception as error:  # noqa: BLE001 - one job's error is its result, and no other's
        traceback.print_exc()
        return {**asked, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    # What a library prints must not come between the results.
    results, sys.stdout = sys.stdout, sys.stderr
    sys.exit(main(sys.stdin, results))
