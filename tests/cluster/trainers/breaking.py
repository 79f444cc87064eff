"""The deterministic trainer, which breaks as BREAK says at the step AT of the first life of the member MEMBER.

One that loops breaks whenever it goes on behind that step, in each of its lives. Those of a region do where a
hyperparameter is large. A mistake and scores that are no numbers are everybody's.
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


def mistake():
    """What no retry can mend."""
    raise pbt_trainer.UsageError("the manifest asks for what this script can't do")


def region():
    """Needs more than there is."""
    raise MemoryError("depth is more than this machine has room for")


def storage():
    """Writes more than its pod may have."""
    with Path("/tmp/more").open("wb", buffering=0) as file:
        file.writelines(bytes(MIB) for _ in range(256))
    time.sleep(10**6)


def breaking(join):
    """`join`, for a run that breaks."""

    def joined(*arguments, **options):
        run = join(*arguments, **options)
        steps, report, at = run.steps, run.report, int(os.environ["AT"])
        fault, mine = os.environ["BREAK"], os.environ["MEMBER"] == str(run.member)

        def breaks(step):
            if fault == "region":
                return run.hp["depth"] >= at
            if fault == "mistake":
                return step == at
            return mine and (step >= at if fault == "loop" else step == at and run.incarnation == 1)

        def until_broken():
            for step in steps():
                if breaks(step):
                    FAULTS[fault]()
                yield step

        if fault == "nan":
            run.report = lambda metrics: report(dict.fromkeys(metrics, float("nan")))
            return run

        run.steps = until_broken
        if fault == "disk":
            notes = Path("/tmp/notes")
            notes.mkdir(exist_ok=True)
            (notes / "words").write_text("something that track can't hold")
            run.report = lambda metrics: report(metrics, files=notes)
        return run

    return joined


FAULTS = {found.__name__: found for found in (memory, hang, disk, loop, mistake, region, storage)}
pbt_trainer.join = breaking(pbt_trainer.join)
runpy.run_path(str(Path(__file__).with_name("deterministic.py")))
