"""`python -m learning.worker`: runs our own arms, a job a line on stdin and its result a line on stdout.

The peers' process does the same in its own environment, see `learning.peers`.
"""

import sys

import msgspec

from learning.arms import ARMS
from learning.peers.job import Job, done, write

if __name__ == "__main__":
    for line in sys.stdin:
        job = msgspec.json.decode(line, type=Job)
        print(write(done(job, ARMS[job.arm].run)), flush=True)
