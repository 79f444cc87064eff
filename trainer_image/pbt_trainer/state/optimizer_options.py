"""Which value an option has after a restore: the checkpoint's, the one the script has just built, or a mix.

Loading an optimizer or a scheduler brings back the donor's hyperparameters, and so undoes what explore has
changed. Three values decide about each field: `current` in the checkpoint, `theirs` that the donor's script
had built, `mine` that this script has built. Where both scripts built the same, nothing was changed and the
checkpoint's value stands, annealed or cycled as it may be: a resume is undisturbed to the last bit. Where
they differ, mine counts; for learning rates the checkpoint's value times the ratio, so that annealing goes
on.
"""

import copy
import itertools
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pbt_contract.records import Value
from pbt_trainer.state.tensors import is_array, is_tensor, number

OPTIONS = {"learning_rate": "lr"}
"""Hyperparameters that have another name than the param-group option they set."""

_ANNEALED = frozenset({"lr", "_last_lr"})  # what schedules change
_BASES = frozenset({"initial_lr", "max_lr", "min_lr", "base_lrs", "max_lrs"})  # what they compute it from
# A constant in one script, a fraction of the learning rate in another.
_FLOORS = frozenset({"eta_min", "min_lrs", "default_min_lr", "swa_lr"})
LEARNING_RATES = _ANNEALED | _BASES

Fields = dict[str, Any]
"""A param group without its parameters, or a scheduler's state."""


class Change(NamedTuple):
    """One hyperparameter: mine until now, the donor's at its checkpoint, mine from now on."""

    old: Any
    then: Any
    now: Any


def snapshot(value: Any) -> Any:
    """A copy that later steps don't change; numbers for tensors of one element, None for larger ones."""
    value = number(value)
    if type(value) is dict:
        return {key: snapshot(item) for key, item in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(snapshot(item) for item in value)
    return None if is_tensor(value) or is_array(value) else copy.deepcopy(value)


def learning_rate(hyperparameters: Mapping[str, Value]) -> float | None:
    """The hyperparameter that sets the option `lr`; None if there is none, or it is 0."""
    for name, value in hyperparameters.items():
        if OPTIONS.get(name, name) == "lr" and isinstance(value, int | float) and value:
            return float(value)
    return None


def merge(current: Fields, mine: Fields, theirs: Fields, *, fallback: float) -> Fields:
    """The fields of a param group or a scheduler after a restore.

    Args:
        current: in the checkpoint.
        mine: as this script has built them.
        theirs: as the donor's script had built them.
        fallback: the ratio of the learning rates where a schedule starts at 0, so that the fields don't tell.
    """
    ratio = _ratios(mine, theirs, fallback)
    merged = {}
    for key, value in current.items():
        if key not in mine or key not in theirs:
            merged[key] = value
        elif key == "_schedulers":
            nested = zip(value, mine[key], theirs[key], strict=True)
            merged[key] = [merge(*fields, fallback=fallback) for fields in nested]
        elif key in LEARNING_RATES:
            rule = _annealed if key in _ANNEALED else _base
            merged[key] = _each(rule, value, mine[key], theirs[key], ratio)
        else:
            merged[key] = _other(value, mine[key], theirs[key])
    return merged


def rebuilt(mine: Fields, theirs: Fields, *, changes: Mapping[str, Change], rate: Change | None) -> Fields:
    """The fields as the script would build them now, for a process that continues with other hyperparameters.

    Two scripts that were given different values tell a constant from what follows the hyperparameter: it is
    the same in both.

    Args:
        mine: as this script has built them, with the hyperparameters until now.
        theirs: as the donor's script had built them.
        changes: the hyperparameters by the option that they set.
        rate: the learning rate among the hyperparameters, if there is one.
    """
    fields = dict(mine)
    for key, value in mine.items():
        other, change = theirs.get(key), changes.get(key)
        if key == "_schedulers":
            pairs = zip(value, other or [], strict=True)
            fields[key] = [rebuilt(*pair, changes={}, rate=rate) for pair in pairs]
        elif rate and key in LEARNING_RATES | _FLOORS:
            fields[key] = _rebuilt_rate(value, other, rate, default=key in LEARNING_RATES)
        elif change and _same(value, change.old) and not _constant(value, other, change):
            fields[key] = change.now
    return fields


def _rebuilt_rate(mine: Any, theirs: Any, rate: Change, *, default: bool) -> Any:
    if isinstance(mine, list):
        others = theirs if isinstance(theirs, list) else []
        pairs = itertools.zip_longest(mine, others[: len(mine)])
        return [_rebuilt_rate(*pair, rate, default=default) for pair in pairs]
    if not isinstance(mine, int | float) or _constant(mine, theirs, rate):
        return mine
    follows = default or (
        isinstance(theirs, int | float)
        and not _same(rate.old, rate.then)
        and math.isclose(mine * rate.then, theirs * rate.old, rel_tol=1e-9)
    )
    if not follows:
        return mine
    return rate.now if _same(mine, rate.old) else mine * (rate.now / rate.old)


def _constant(mine: Any, theirs: Any, change: Change) -> bool:
    return _same(mine, theirs) and not _same(change.old, change.then)


def _ratios(mine: Fields, theirs: Fields, fallback: float) -> Callable[[int], float]:
    """The ratio of the learning rates by param group."""
    for key in ("initial_lr", "base_lrs", "lr", "_last_lr"):  # the first are not subject to a warm-up
        if key in mine and key in theirs:
            pairs = zip(_listed(mine[key]), _listed(theirs[key]), strict=False)
            found = [_ratio(*pair, fallback) for pair in pairs]
            return lambda index: found[index] if index < len(found) else fallback
    return lambda _index: fallback


def _ratio(mine: Any, theirs: Any, fallback: float) -> float:
    usable = all(isinstance(rate, int | float) and rate and math.isfinite(rate) for rate in (mine, theirs))
    return mine / theirs if usable else fallback


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_Rule = Callable[[Any, Any, Any, float], Any]


def _each(rule: _Rule, current: Any, mine: Any, theirs: Any, ratio: Callable[[int], float]) -> Any:
    """Applies a rule to a number, or to a list with one for each param group."""
    if not isinstance(current, list):
        return rule(current, mine, theirs, ratio(0))
    if any(not isinstance(other, list) or len(other) != len(current) for other in (mine, theirs)):
        return mine
    return [rule(*each, ratio(index)) for index, each in enumerate(zip(current, mine, theirs, strict=True))]


def _annealed(current: Any, mine: Any, theirs: Any, ratio: float) -> Any:
    value = number(current)
    if _same(value, theirs) or not isinstance(value, int | float):
        return _like(current, mine)  # not annealed yet: exactly the new value
    return current if ratio == 1 else _like(current, value * ratio)


def _base(current: Any, mine: Any, theirs: Any, ratio: float) -> Any:
    return current if _same(mine, theirs) else _annealed(current, mine, theirs, ratio)


def _other(current: Any, mine: Any, theirs: Any) -> Any:
    """One side's value; element by element, where only a part of a tuple has changed (of betas, for example)."""
    if _same(mine, theirs):
        return current
    kinds = {type(current), type(mine), type(theirs)}
    if kinds in ({list}, {tuple}) and len(current) == len(mine) == len(theirs):
        return type(current)(_other(*each) for each in zip(current, mine, theirs, strict=True))
    if kinds == {dict} and current.keys() == mine.keys() == theirs.keys():
        return {key: _other(value, mine[key], theirs[key]) for key, value in current.items()}
    return _like(current, mine)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        # What `rebuilt` computes may differ from what a script builds in the last bits; NaN is NaN here.
        return math.isclose(a, b, rel_tol=1e-12) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def _like(current: Any, value: Any) -> Any:
    """The value as a tensor where the checkpoint had one."""
    return sys.modules["torch"].full_like(current, value) if is_tensor(current) else value
