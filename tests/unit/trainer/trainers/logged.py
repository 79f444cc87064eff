"""A trainer whose script sets up logging in the way that its argument names. Each step waits for a line."""

import logging
import sys

import pbt_trainer

FORMAT = "%(asctime)s %(levelname)s [%(name)s] %(message)s"

if sys.argv[1] == "before":
    logging.basicConfig(format=FORMAT, level=logging.INFO)
elif sys.argv[1] == "warnings":
    logging.basicConfig(format=FORMAT)
elif sys.argv[1] == "silent":
    logging.getLogger("pbt").addHandler(logging.NullHandler())
elif sys.argv[1] == "errors":
    logging.getLogger("pbt").setLevel(logging.ERROR)
run = pbt_trainer.join({"rate": 0.1, "layers": 1}, total_steps=8, interval_steps=4)
if sys.argv[1] == "after":
    logging.basicConfig(format=FORMAT, level=logging.INFO)
    logging.getLogger("pbt").warning("one more")
for step in run.steps():
    print("step", step, flush=True)
    sys.stdin.readline()
    if run.due:
        run.report({"score": 1})
