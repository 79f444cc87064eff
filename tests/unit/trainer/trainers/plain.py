"""A trainer without any library. Each step waits for a line on stdin and is told on stdout.

Its weight grows by `rate` with each step, and `rate` is read in the loop; `layers` is read before it. A line
`finish` lets it be done.
"""

import random
import signal
import sys

import pbt_trainer


class Weight:
    def __init__(self):
        self.value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def say(*words):
    print(*words, flush=True)


run = pbt_trainer.join({"rate": 0.1, "layers": 1, "extra": 3}, total_steps=99, interval_steps=9)
say(
    "joined",
    run.member,
    run.incarnation,
    run.total_steps,
    run.interval_steps,
    run.seed,
    {"layers": run.hp["layers"]},
)
say("drew", random.random())
weight = Weight()
sys.stdin.readline()
run.track(weight=weight)


@run.on_restore
def restored(run):
    say("restored", run.step, weight.value)


for step in run.steps():
    say("step", step, run.incarnation, random.random())
    told = sys.stdin.readline()
    weight.value += run.hp["rate"]
    if run.due:
        run.report({"score": weight.value, "episodes": [1, float("nan")]})
        say("reported", step)
    if told == "finish\n":
        run.finish()
say("ended", run.stopped.name)
assert "boto3" not in sys.modules  # the courier's alone
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
