"""A trainer whose loop somebody else owns, with a child process of its own."""

import atexit
import multiprocessing
import os
import sys
import time

import pbt_trainer
from pbt_trainer import Advance


def say(*words):
    print(*words, flush=True)


run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
run.hp["layers"]
atexit.register(say, "exiting")
child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
child.start()
say("started", os.getpid(), child.pid, run.incarnation, os.environ["PBT_INCARNATION"])
os.chdir("/")  # as hydra does
while (what := run.advance()) is not Advance.STOP:
    say(what.name, run.step, run.hp["rate"])
    if run.due:
        run.report({"score": run.step})
    sys.stdin.readline()
child.kill()
say("stopped", run.stopped.name)
run.end()
say("the tail of the script")
