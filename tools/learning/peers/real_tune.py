"""Whether the classes that `driven` drives decide as they do inside of Tune: the same populations under both.

`python -m learning.peers.launch real_tune digits cartpole --seeds 3`. Eight trials run at the same time under a
`tune.Tuner` on 2 CPUs, each a function trainable whose checkpoints are files. A pause and a start take Tune half a
second, so there are `--rounds` of them, fewer than in the benchmark. In the synchronous mode both must agree: the same
exploits, and scores that are equal bit for bit; the exit code is 1 where a pair differs. With `--asynchronous`, where
Tune's order follows the clock, they are printed side by side.

Ray runs on this machine alone: without a dashboard, and on 127.0.0.1.
"""

import argparse
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray import tune

from learning.peers import ray_pbt
from learning.peers.driven import METRIC, TIME
from learning.peers.trainee import Budget, Trainee
from learning.population import first_values
from learning.task import Task
from learning.tasks import make

MEMBERS = 8
CPUS = 2
STATE = "state.pickle"


class Pair(NamedTuple):
    """A run: the observed score of the best trial at the end, and how many exploits there were."""

    observed: float
    exploits: int


def main() -> None:
    """Runs what the command line asks for and prints a line for each pair."""
    parser = argparse.ArgumentParser(prog="learning.peers.real_tune", description=__doc__)
    parser.add_argument("tasks", nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--asynchronous", action="store_true")
    given = parser.parse_args()
    synchronous = not given.asynchronous
    differing = 0
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        _start(Path(folder))
        try:
            for name in given.tasks:
                task = shortened(name, given.rounds)
                for seed in range(given.first, given.first + given.seeds):
                    differing += not _compare(task, seed, synchronous, Path(folder))
        finally:
            ray.shutdown()
    sys.exit(1 if differing and synchronous else 0)


def shortened(name: str, rounds: int) -> Task:
    """A task with so many rounds."""
    task = make(name)
    task.interval_steps = -(-task.total_steps // rounds)
    return task


def _compare(task: Task, seed: int, synchronous: bool, folder: Path) -> bool:
    """Prints both runs of a seed; whether they are the same."""
    began = time.perf_counter()
    tuned = _tuned(task, seed, synchronous, folder / f"{task.name}-{seed}")
    seconds = time.perf_counter() - began
    outcome = ray_pbt.run(task, MEMBERS, seed, synchronous=synchronous, bounded=False)
    driven = Pair(outcome.observed, outcome.replaced)
    told = ("equal" if tuned == driven else "different") if synchronous else "not paired"
    print(
        f"{task.name} seed {seed} {'synchronous' if synchronous else 'asynchronous'}: "
        f"Tune {tuned.observed:.6g} with {tuned.exploits} exploits ({seconds:.0f} s), "
        f"driven {driven.observed:.6g} with {driven.exploits}: {told}",
        flush=True,
    )
    return tuned == driven


def _tuned(task: Task, seed: int, synchronous: bool, storage: Path) -> Pair:
    ours = ray_pbt.OurExplore(task, MEMBERS, seed)
    scheduler = ray_pbt.scheduler_of(task, ours, seed, synchronous=synchronous)
    values = [dict(one) for one in first_values(task, MEMBERS, seed)]
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": CPUS / MEMBERS}),
        param_space={ray_pbt.VALUES: tune.grid_search(values), **_told(task), "seed": seed},
        tune_config=tune.TuneConfig(scheduler=scheduler, reuse_actors=True),
        run_config=tune.RunConfig(
            name="pbt", storage_path=str(storage), stop={TIME: task.total_steps}, verbose=0
        ),
    )
    results = tuner.fit()
    if results.errors:
        raise RuntimeError(f"a trial failed: {results.errors[0]}")
    if any(result.metrics[TIME] < task.total_steps for result in results):
        raise RuntimeError("Tune stopped before its trials were at their last step")
    return Pair(results.get_best_result(METRIC, "max").metrics[METRIC], scheduler._num_perturbations)


def _told(task: Task) -> dict[str, Any]:
    return {"task": task.name, "rounds": -(-task.total_steps // task.interval_steps)}


def trainable(config: dict[str, Any]) -> None:
    """Trains a member as `driven` does: its number is that of the trial, whatever configuration it has copied."""
    task, seed = shortened(config["task"], config["rounds"]), config["seed"]
    number = int(tune.get_context().get_trial_id().rsplit("_", 1)[1])
    trainee = Trainee(task, number, config[ray_pbt.VALUES], seed=seed, budget=Budget.of(task, MEMBERS))
    given = tune.get_checkpoint()
    if given is not None:
        with given.as_directory() as folder:
            trainee.restore(pickle.loads((Path(folder) / STATE).read_bytes()))
    while not trainee.done:
        score = trainee.train()
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / STATE).write_bytes(pickle.dumps(trainee.checkpoint()))
            tune.report(
                {METRIC: score, TIME: trainee.step}, checkpoint=tune.Checkpoint.from_directory(folder)
            )


def _start(sessions: Path) -> None:
    os.environ["HOME"] = str(sessions)  # it leaves a token there
    ray.init(
        num_cpus=CPUS,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        _temp_dir=str(sessions / "s"),
    )


if __name__ == "__main__":
    main()
