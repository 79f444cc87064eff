"""Joins a training script to the population that its process was started for."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from pbt_contract.assignment import OF_THIS_IMAGE, TERMINATION_LOG, Assignment
from pbt_contract.check import Order
from pbt_contract.errors import UsageError
from pbt_contract.records import Value
from pbt_trainer.log import set_up_default
from pbt_trainer.run import Run
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.session.session import Session
from pbt_trainer.state.random_state import reseed
from pbt_trainer.uncaught import note_loop, watch

_joined = False


def join(defaults: Mapping[str, Value], *, total_steps: int, interval_steps: int) -> Run:
    """Joins the population that this process was started for, or starts a run of its own where there is none.

    Call it once, before the model is built and after logging is set up. In another thread than the main one it works as
    well, but Python lets only that one notice SIGTERM: the process then ends unsaved.

    Args:
        defaults: every hyperparameter that the script reads, for a run alone. In a population those that the
            manifest has come from there.
        total_steps: when training ends; in a population the manifest's number wins.
        interval_steps: how often a report is due; likewise.

    Raises:
        UsageError: the manifest has a hyperparameter that `defaults` lacks, or a number is below 1; or this
            process has joined before.
    """
    global _joined  # noqa: PLW0603 - a process has one birth, and that is claimed once
    set_up_default()
    _watch_exceptions()
    ranks = Ranks.from_environment(os.environ)
    assignment = Assignment.from_environment(os.environ)
    if assignment is None:
        hp = Hyperparameters.watched(defaults)
        return Run(hp, total_steps=total_steps, interval_steps=interval_steps, ranks=ranks)
    if _joined:
        raise UsageError("join() was called before: a process is one member")
    _joined = True
    for variable in OF_THIS_IMAGE:
        os.environ.pop(variable, None)
    assignment, kind = _kind(assignment, total_steps=total_steps, interval_steps=interval_steps)
    member = Session.open(assignment, ranks=ranks, defaults=defaults)
    reseed(member.seed_key)
    return kind(
        member.hp,
        total_steps=assignment.total_steps,
        interval_steps=assignment.interval_steps,
        ranks=ranks,
        member=member,
    )


def _kind(
    assignment: Assignment, *, total_steps: int, interval_steps: int
) -> tuple[Assignment, Callable[..., Run]]:
    """What a process is told, and the run that it becomes: one that is checked, where `pbt check` has started it."""
    checked = Order.read(os.environ)
    if checked is None:
        return assignment, Run
    from pbt_trainer.checked_run import CheckedRun, settled  # nobody else needs what it imports

    folder, order = checked
    told, usual = settled(assignment, order, total_steps=total_steps, interval_steps=interval_steps)
    return told, partial(CheckedRun.begin, order=order, folder=folder, usual_interval=usual)


def _watch_exceptions() -> None:
    note_loop()
    log = os.environ.get(TERMINATION_LOG)
    if log or os.environ.get("PBT_LOCATION"):
        watch(Path(log) if log else None)
