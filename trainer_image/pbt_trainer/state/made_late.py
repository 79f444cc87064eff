"""Optimizers and schedules that a script makes after `track`, whose state no checkpoint has and no restore settles."""

import gc
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from pbt_contract.errors import UsageError
from pbt_trainer.state.parameters import parameters_of
from pbt_trainer.state.tracked_object import Entry, torch_classes


class MadeBefore:
    """The optimizers and schedules that there were when objects were tracked."""

    def __init__(self, there: Iterable[Any]) -> None:
        """Use `now`."""
        self._there = {id(each): weakref.ref(each) for each in there}

    @classmethod
    def now(cls) -> Self:
        """All that there are."""
        return cls(_all())

    def check(self, entries: Sequence[Entry]) -> None:
        """Makes sure that nothing was made since that writes to what is tracked.

        Raises:
            UsageError: something was; the message says in which order to make and to track.
        """
        parameters = {id(each) for entry in entries for each in parameters_of(entry)}
        groups = {
            id(group) for entry in entries if entry.kind == "optimizer" for group in entry.value.param_groups
        }
        for each in _all():
            known = self._there.get(id(each))
            if known is not None and known() is each:
                continue
            own = _groups(each)
            touches = any(id(parameter) in parameters for group in own for parameter in group["params"])
            if touches or any(id(group) in groups for group in own):
                raise UsageError(
                    f"A {type(each).__name__} was made after track(), on what is tracked. A restore came too early for "
                    "it: make it before track(), and track it too"
                )


def _groups(value: Any) -> Any:
    owner = vars(value)["optimizer"] if isinstance(value, _schedules()) else value
    return owner.param_groups


def _schedules() -> tuple[type, ...]:
    return torch_classes("optim.lr_scheduler", "LRScheduler", "ReduceLROnPlateau")


def _all() -> Iterator[Any]:
    kinds = {*torch_classes("optim", "Optimizer"), *_schedules()}
    for each in gc.get_objects() if kinds else ():
        # Not `isinstance`, which asks a proxy for what it stands for.
        if not kinds.isdisjoint(type(each).__mro__):
            yield each
