"""`pbt.fit`: a population in one call."""

import os
from collections.abc import Mapping
from typing import Any

from pbt_operator.api.declared import RUNS, Population
from pbt_operator.api.given import Train, name_of
from pbt_operator.api.result import Result
from pbt_operator.api.spaces import Space


def fit(
    train: Train,
    *,
    hyperparameters: Mapping[str, Space],
    metric: str,
    name: str | None = None,
    store: str | os.PathLike[str] = RUNS,
    progress: bool = True,
    **spec: Any,
) -> Result:
    """Trains a population on this machine to its end, and returns what it found.

        result = pbt.fit(train, hyperparameters={"lr": pbt.LogUniform(1e-4, 1)}, metric="val_accuracy",
                         members=8, total_steps=4000, interval_steps=200)

    Each member is a process of its own. Interrupting lets all members save and end, and the same call continues; so it
    does after a crash of this process. A population that has ended isn't trained again.

    Args:
        train: a function of `run`, the path of a script, or a command as a list of texts. A function goes to the
            members by cloudpickle, with the variables that it uses: at most 10 MB, no open file, no tensor of a GPU.
        hyperparameters: what is searched, by name.
        metric: what members are compared by, a name that `run.report` is given.
        name: of the population; by default that of the function or script.
        store: a folder or s3://BUCKET/PREFIX; the population is kept below it, under its name.
        progress: show what happens: a live table on a terminal, a line for each decision elsewhere.
        spec: `members`, `total_steps`, `interval_steps`, and whatever else `pbt.Population` takes.

    Raises:
        ManifestError: a field is wrong or unknown, or belongs to another experiment than the one in `store`.
        FunctionRefused: the function takes along what no file can hold.
        PopulationFailed: no member came through.
        Interrupted: see there.
        PbtError: the store can't be used, or another process trains this very population.
    """
    named = name or name_of(train)
    population = Population(named, train, hyperparameters=hyperparameters, metric=metric, **spec)
    return population.fit(store=store, progress=progress)
