"""A trainer whose loop runs in a thread, and `join` too where its first argument says so.

Its second one is what befalls it: `ends`, `faulty` (a mistake), `crashing` (any other exception), `waits` (in its third
step, for a line).
"""

import signal
import sys
import threading

import pbt_trainer


class Weight:
    value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def joined():
    return pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)


def train(run=None):
    run = run or joined()
    weight = Weight()
    run.track(weight=weight)
    for step in run.steps():
        print("step", step, flush=True)
        if sys.argv[2] == "waits" and step == 3:
            sys.stdin.readline()
        weight.value += run.hp["rate"]
        if run.due and sys.argv[2] != "faulty":
            run.report({"score": weight.value})
            if sys.argv[2] == "crashing":
                raise RuntimeError("a fault of the script")
    print("ended", run.stopped.name, flush=True)


if sys.argv[2] == "waits":
    signal.signal(signal.SIGTERM, lambda *_: print("asked to leave", flush=True))  # `join` calls it too
thread = threading.Thread(target=train, args=(joined(),) if sys.argv[1] == "loop" else ())
thread.start()
thread.join()
print("tail", flush=True)
