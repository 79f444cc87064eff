"""The deterministic trainer, which breaks as BREAK says at the step AT of the first life of the member MEMBER.

One that loops breaks whenever it goes on behind that step, in each of its lives.
"""

import atexit
import os
import runpy
import time
from pathlib import Path

import pbt_trainer

MIB = 1024 * 1024


def memory():
    """Takes more and more of it."""
    taken = []
    while True:
        taken.append(b"x" * (16 * MIB))


def hang():
    """Does nothing any more."""
    time.sleep(10**6)


def disk():
    """Fills the disk on which copies and downloads lie."""
    with Path(os.environ["TMPDIR"], "full").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(MIB))
            except OSError:
                return


def loop():
    """Raises; afterwards the log ends with what other exit functions have to say."""
    atexit.register(print, *(f"worker {number} ended" for number in range(100)), sep="\n")
    raise ValueError("the data set is made of cheese")


def breaking(join):
    """`join`, for a run that breaks."""

    def joined(*arguments, **options):
        run = join(*arguments, **options)
        steps, report, at = run.steps, run.report, int(os.environ["AT"])
        fault, mine = os.environ["BREAK"], os.environ["MEMBER"] == str(run.member)

        def until_broken():
            for step in steps():
                if mine and (step >= at if fault == "loop" else step == at and run.incarnation == 1):
                    FAULTS[fault]()
                yield step

        run.steps = until_broken
        if fault == "disk":
            notes = Path("/tmp/notes")
            notes.mkdir(exist_ok=True)
            (notes / "words").write_text("something that track can't hold")
            run.report = lambda metrics: report(metrics, files=notes)
        return run

    return joined


FAULTS = {found.__name__: found for found in (memory, hang, disk, loop)}
pbt_trainer.join = breaking(pbt_trainer.join)
runpy.run_path(str(Path(__file__).with_name("deterministic.py")))
