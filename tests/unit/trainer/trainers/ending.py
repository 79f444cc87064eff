"""A trainer whose loop ends at the step and in the way of its arguments, and that says what it had come to."""

import os
import sys
import time

import pbt_trainer


class Weight:
    value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


last, how = int(sys.argv[1]), sys.argv[2]
run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=99, interval_steps=9)
run.hp["layers"]
weight = Weight()
run.track(weight=weight)
for step in run.steps():
    weight.value += run.hp["rate"]
    if run.due and not (step == last and how == "finish with metrics"):
        run.report({"score": weight.value})
    if step != last:
        continue
    if how.endswith("when superseded"):
        print("waits", flush=True)
    while how.endswith("when superseded") and not run.superseded:
        time.sleep(0.01)
    match how:
        case "finish" | "finish when superseded":
            run.finish()
        case "finish with metrics":
            run.finish({"score": weight.value})
        case "finish, then crash":
            run.finish()
            raise RuntimeError("in the script's tail")
        case "break" | "break when superseded":
            break
        case "exit":
            sys.exit(int(sys.argv[3]))
        case "end at once":
            os._exit(0)
        case "crash":
            raise RuntimeError("a fault of the script")
print("ended", run.stopped and run.stopped.name, flush=True)
