"""A trainer of several ranks, which run free and say their rank first."""

import os
import random

import pbt_trainer

if "WORLD_SIZE" in os.environ:
    from torch import distributed
else:
    distributed = None


class Weight:
    value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def say(*words):
    os.write(1, (" ".join(map(str, (run.rank, *words))) + "\n").encode())  # one line in one piece


run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
run.hp["layers"]
if str(run.rank) == os.environ.get("READS_RATE"):
    run.hp["rate"]
weight = Weight()
run.track(weight=weight)
if distributed:
    distributed.init_process_group("gloo")


@run.on_restore
def restored(run):
    say("restored", run.step, run.incarnation, weight.value, random.random())


say("pid", os.getpid())
for step in run.steps():
    if distributed:
        distributed.barrier()
    weight.value = run.hp["rate"] * step
    if run.due:
        run.report({"score": weight.value})
