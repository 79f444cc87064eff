"""Schedules of the learning rate: how far one is, and the newly built one after as many of its own steps.

A schedule's state alone can't take a change: a rate that was multiplied step by step has forgotten its base, and a
function is in no checkpoint. So where something has changed, the schedule that the script has just built is stepped
to where the checkpoint's was.
"""

import heapq
import inspect
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pbt_contract.errors import StateError
from pbt_trainer.state.optimizer_options import Fields, options, same, snapshot
from pbt_trainer.state.tracked_object import Entry, torch_classes

MANY_STEPS = 10_000
"""A schedule that is alone on its optimizer jumps further than that, where a formula can."""
_WATCHED_STEPS = 64
_DERIVED = frozenset({"optimizer", "_scale_fn_ref"})
_STATELESS = ("LambdaLR", "OneCycleLR", "CyclicLR")
"""Classes of torch whose options follow from the number of steps alone."""


class Replay(NamedTuple):
    """A newly built schedule and the number of steps to take with it."""

    schedule: Any
    steps: int


def count(state: Mapping[str, Any]) -> int | None:
    """How many steps a schedule has taken, by its state; None where that isn't a whole number."""
    if "last_epoch" in state:
        found = state["last_epoch"]
        # Warm restarts that are fed with fractions round their `last_epoch` down, but not this.
        whole = all(
            isinstance(each, int | float) and each == each // 1 for each in (found, state.get("T_cur", 0))
        )
        return int(found) if whole else None
    counts = [count(child) for child in state.get("_schedulers", ())]
    known = [each for each in counts if each is not None]
    return max(known) if known and len(known) == len(counts) else None


def steps_to(entry: Entry, state: Mapping[str, Any]) -> int | None:
    """How many steps take a newly built schedule to where the checkpoint's is; None where steps can't."""
    plateau = torch_classes("optim.lr_scheduler", "ReduceLROnPlateau")
    there, here = count(state), count(entry.built)
    if isinstance(entry.value, plateau) or there is None or here is None or not _steps_alone(entry.value):
        return None
    return there - here if there >= here else None


def has_functions(schedule: Any) -> bool:
    """Whether a function decides about it, whose constants no checkpoint shows."""
    return any(_calls(value) for key, value in vars(schedule).items() if key not in _DERIVED)


def replay(replays: Sequence[Replay], groups: Sequence[Fields], *, seconds: float | None) -> list[Fields]:
    """Steps newly built schedules of one optimizer to where they belong, in turns.

    Args:
        replays: the schedules, in the order in which they are tracked.
        groups: the optimizer's param groups, as built.
        seconds: that this may take; None for no limit.

    Returns:
        The options that the schedules set, by group.

    Raises:
        StateError: it takes longer.
    """
    built = [snapshot(options(group)) for group in groups]
    values = [options(group) for group in groups]
    touched = [{"lr"} & group.keys() for group in groups]
    for each in replays:
        _always_set(each.schedule, groups, touched)
    end = None if seconds is None else time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)(Detected call of|Seems like)")
        if not (len(replays) == 1 and replays[0].steps > MANY_STEPS and _jump(replays[0])):
            for number, schedule in enumerate(_turns(replays)):
                schedule.step()
                _watch_places(groups, values, touched)
                if number < _WATCHED_STEPS:
                    _watch(groups, built, touched)
                elif number % 256 == 0 and end is not None and time.monotonic() > end:
                    raise StateError("its schedule takes too long to be stepped to where the checkpoint's is")
    _watch(groups, built, touched)
    return [
        {key: group[key] for key in group if key in keys} for group, keys in zip(groups, touched, strict=True)
    ]


def _turns(replays: Sequence[Replay]) -> Iterator[Any]:
    def of(index: int, each: Replay) -> Iterator[tuple[float, int]]:
        return (((step + 1) / each.steps, index) for step in range(each.steps))

    for _, index in heapq.merge(*(of(*item) for item in enumerate(replays))):
        yield replays[index].schedule


def _watch(groups: Sequence[Fields], built: Sequence[Fields], touched: Sequence[set[str]]) -> None:
    for group, before, keys in zip(groups, built, touched, strict=True):
        keys.update(key for key in before if key not in keys and not same(snapshot(group[key]), before[key]))


def _watch_places(groups: Sequence[Fields], values: Sequence[Fields], touched: Sequence[set[str]]) -> None:
    """What was set, though it may be to an equal value: cheap enough for every step."""
    for group, before, keys in zip(groups, values, touched, strict=True):
        for key, value in before.items():
            if group[key] is not value:
                keys.add(key)


def _always_set(schedule: Any, groups: Sequence[Fields], touched: Sequence[set[str]]) -> None:
    """What it sets at every step, though the value may be the built one just then."""
    for child in getattr(schedule, "_schedulers", ()):
        _always_set(child, groups, touched)
    if getattr(schedule, "cycle_momentum", False):
        for group, keys in zip(groups, touched, strict=True):
            keys.update({"momentum", "betas"} & group.keys())


def _jump(replayed: Replay) -> bool:
    """Goes to the position at once where torch has a formula for it; says whether it did."""
    schedule, steps = replayed
    base = torch_classes("optim.lr_scheduler", "LRScheduler")
    if not base:
        return False
    kind: Any = type(schedule)
    root: Any = base[0]
    if kind in torch_classes("optim.lr_scheduler", *_STATELESS):
        schedule.last_epoch += steps - 1
        schedule._step_count += steps - 1  # noqa: SLF001  (torch's own counter)
        schedule.step()
        return True
    formula = getattr(kind, "_get_closed_form_lr", None)
    own = [owner for owner in kind.__mro__ if "get_lr" in vars(owner)][:1]
    plain = kind.step is root.step and getattr(kind, "_update_lr", None) is getattr(root, "_update_lr", 0)
    if formula is None or not plain or "_get_closed_form_lr" not in vars(own[0]):
        return False
    schedule.last_epoch += steps
    schedule._step_count += steps  # noqa: SLF001  (torch's own counter)
    for group, rate in zip(schedule.optimizer.param_groups, schedule._get_closed_form_lr(), strict=True):  # noqa: SLF001
        if hasattr(group["lr"], "fill_"):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    schedule._last_lr = [snapshot_rate(group["lr"]) for group in schedule.optimizer.param_groups]  # noqa: SLF001
    return True


def snapshot_rate(rate: Any) -> Any:
    """A rate as torch's schedules keep it: a copy that has the same type."""
    return rate.clone() if hasattr(rate, "clone") else rate


def _steps_alone(schedule: Any) -> bool:
    """Whether `step()` needs nothing: a loss, for example."""
    try:
        parameters = inspect.signature(schedule.step).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    return not any(
        each.default is each.empty and each.kind in needed | {inspect.Parameter.KEYWORD_ONLY}
        for each in parameters
    )


def _calls(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_calls, value))
    if isinstance(value, dict):
        return any(map(_calls, value.values()))
    return has_functions(value) if hasattr(value, "optimizer") else callable(value)
