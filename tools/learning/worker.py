"""`python -m learning.worker`: runs our own arms, a job a line on stdin and its result a line on stdout.

The peers' process does the same in its own environment, see `learning.peers`.
"""

import sys
import time
from dataclasses import asdict
from typing import Any

import msgspec

from learning.arms import ARMS
from learning.forms import form
from learning.peers.job import Job
from learning.tasks import make


def done(job: Job) -> dict[str, Any]:
    """Runs a job in this process: its fields, those of the outcome, and `seconds` of CPU."""
    began = time.process_time()
    task = form(make(job.task, job.instance, published=job.published), job.form)
    outcome = ARMS[job.arm].run(task, job.members, job.seed)
    return {**asdict(job), **asdict(outcome), "seconds": round(time.process_time() - began, 4)}


if __name__ == "__main__":
    for line in sys.stdin:
        answer = done(msgspec.json.decode(line, type=Job))
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
        sys.stdout.flush()
