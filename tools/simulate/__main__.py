"""`python -m simulate`: runs seeds on all cores, and tells of each that breaks a law how to see it again."""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from simulate.experiment import Outcome, run

CHUNK = 20
SHOWN = 10


def main() -> None:
    """Does what the command line says; exits with 1 if a law was broken."""
    parser = argparse.ArgumentParser(prog="simulate", description="Experiments with faults, in virtual time.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--trace", action="store_true", help="show all that happens in the first seed")
    arguments = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # a run is a function of its seed, whatever the order of sets
        os.execve(
            sys.executable,
            [sys.executable, "-m", "simulate", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    logging.disable(logging.CRITICAL)  # thousands of faults are logged; the laws judge
    if arguments.trace:
        outcome = run(arguments.first, trace=print)
        print(outcome)
        sys.exit(bool(outcome.wrong))
    sys.exit(_run_all(range(arguments.first, arguments.first + arguments.seeds), jobs=arguments.jobs))


def _run_all(seeds: range, *, jobs: int) -> int:
    began = time.perf_counter()
    ended, faults, wrong = Counter[str](), Counter[str](), list[Outcome]()
    births = rounds = done = 0
    virtual = 0.0
    with ProcessPoolExecutor(jobs, initializer=logging.disable, initargs=(logging.CRITICAL,)) as pool:
        for outcome in pool.map(run, seeds, chunksize=CHUNK):
            done += 1
            ended[outcome.ended] += 1
            faults.update(outcome.faults)
            births, rounds = births + outcome.births, rounds + outcome.rounds
            virtual += outcome.virtual_seconds
            if outcome.wrong:
                wrong.append(outcome)
                if len(wrong) <= SHOWN:
                    _tell(outcome)
            if done % 1000 == 0:
                print(f"{done} of {len(seeds)} seeds, {len(wrong)} broke a law", flush=True)
    seconds = time.perf_counter() - began
    print(
        f"{len(seeds)} seeds, {len(wrong)} broke a law; "
        f"{births} births, {rounds} rounds, {virtual / 86400:.1f} virtual days"
    )
    print("ended: " + ", ".join(f"{count} {phase}" for phase, count in ended.most_common()))
    print("faults: " + ", ".join(f"{count} x {name}" for name, count in faults.most_common()))
    print(
        f"{seconds:.0f} s on {jobs} cores: {len(seeds) / seconds * 60 / jobs:.0f} experiments per minute and core"
    )
    return 1 if wrong else 0


def _tell(outcome: Outcome) -> None:
    print(f"seed {outcome.seed}: {outcome.wrong[0]}")
    print(f"  again, with all that happens: make simulate SEEDS=1 FIRST={outcome.seed} TRACE=1", flush=True)


if __name__ == "__main__":
    main()
