"""A trainer without state."""

import pbt_trainer

run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
run.on_restore(lambda run: print("restored", run.step, flush=True))
for step in run.steps():
    print("step", step, flush=True)
    if run.due:
        run.report({"score": step})
