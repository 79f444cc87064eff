"""A trainer that reads its dropout in the way that its argument names. Each step waits for a line."""

import os
import pickle
import sys

import pbt_trainer

run = pbt_trainer.join({"rate": 0.1, "dropout": 0.1}, total_steps=40, interval_steps=10)
how = sys.argv[1]
taken = {}


class Weight:
    def __init__(self):
        self.value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def read():
    return run.hp["dropout"]


def fork():
    child = os.fork()
    if child == 0:
        os._exit(int(read() == 0.0))
    os.waitpid(child, 0)


@run.on_restore
def restored(run):
    if how == "hook":
        taken["dropout"] = run.hp["dropout"]
    print("restored", run.step, flush=True)


if how in {"before", "logged"}:
    taken["dropout"] = read()
elif how == "dict":
    taken = dict(run.hp)
elif how == "pickled":
    taken = pickle.loads(pickle.dumps(run.hp))
elif how == "fork":
    fork()
elif how == "hook":
    restored(run)
elif how == "peek":
    print(run.hp, len(run.hp), "dropout" in run.hp, run.hp.peek(), flush=True)

weight = Weight()
run.track(weight=weight)
print("joined", run.incarnation, flush=True)
for step in run.steps():
    dropout = taken.get("dropout") or run.hp["dropout"]
    print("step", step, run.incarnation, dropout, flush=True)
    sys.stdin.readline()
    weight.value += run.hp["rate"] * (1 - dropout)
    if how == "logged":
        print("logged", dict(run.hp), {**run.hp}, flush=True)
    if run.due:
        run.report({"score": weight.value})
