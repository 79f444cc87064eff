"""The workload as a member of a population: takes births over in place, by re-exec, or as a new process."""

import json
import os
import time
from pathlib import Path

from workload import Marks, State, Training

marks = Marks()
marks.note("script")
import pbt_trainer  # noqa: E402 - its import is a part of what is measured

marks.note("imported")
run = pbt_trainer.join({"lr": 0.5}, total_steps=40, interval_steps=5)
marks.member = str(run.member)
marks.note("joined")
state = State(int(os.environ.get("BENCH_BYTES", str(1 << 20))), marks.member)
training = Training(marks, state)
run.track(state=state)
marks.note("tracked")


taken: set[int] = set()
"""The rounds after which this process went on with a donor's weights."""


@run.on_restore
def _restored(_run: pbt_trainer.Run) -> None:
    marks.note("restored", donor=state.donor, incarnation=run.incarnation)
    taken.add(run.step // run.interval_steps)


def wait_for_others() -> None:
    """Until every member is ready to begin, so that processes that start one after the other don't straggle."""
    folder, members = Path(os.environ["BENCH_MARKS"]), int(os.environ["BENCH_MEMBERS"])
    (folder / f"ready-{run.member}").touch()
    deadline = time.monotonic() + 60
    while len(list(folder.glob("ready-*"))) < members and time.monotonic() < deadline:
        time.sleep(0.01)


def wait_for_decision(step: int) -> None:
    """For counts that mustn't depend on speed: nobody runs ahead of a round, and its loser waits to be replaced."""
    number = (step - 1) // run.interval_steps
    location = Path(os.environ["PBT_LOCATION"].removeprefix("file://"))
    path = location / "rounds" / f"{number:07}.json"
    while number and not path.exists():
        time.sleep(0.01)
    decisions = json.loads(path.read_text())["decisions"] if number else []
    if number not in taken and any(decision["member"] == run.member for decision in decisions):
        time.sleep(0.5)


if run.incarnation == 1 and os.environ.get("BENCH_MEMBERS"):
    wait_for_others()
lost = (lambda: run.superseded) if os.environ.get("BENCH_LEAVES") else None
early = run.hp["lr"] if os.environ.get("BENCH_READS") == "once" else None
for step in run.steps():
    if os.environ.get("BENCH_WAITS"):
        wait_for_decision(step)
    score = training.step(step, run.hp["lr"] if early is None else early, lost)
    if score is None:
        continue
    if run.due and not os.environ.get("BENCH_SILENT"):
        marks.note("report")
        run.report({"score": score})
        marks.note("reported", step=step)
marks.note("over")
