"""Which value each option of a param group has after a restore: the checkpoint's, or the one the script has built.

Three values decide: `saved` in the checkpoint, `theirs` that the checkpoint's script had built, `mine` that this
script has built. A resume takes what was saved. After an exploit an option in which the two scripts differ is
this script's, since that is what explore has changed; any other is the checkpoint's. What an option means is never
asked.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from typing import Any

from pbt_contract.text import quoted
from pbt_trainer.state.tensors import is_array, is_tensor, number

OPTIONS = {"learning_rate": "lr"}
"""Hyperparameters that have another name than the param-group option they set."""
FLAGS = frozenset({"foreach", "fused", "capturable", "differentiable", "param_names"})
"""Options that choose an implementation, and names: always this script's, for they go with its devices and modules."""
MAX_WORDS = 100
_BASES = ("initial_lr", "lr")

Fields = dict[str, Any]
"""A param group without its parameters, or a scheduler's state."""


def options(group: Fields) -> Fields:
    """A param group without its parameters."""
    return {key: option for key, option in group.items() if key != "params"}


def snapshot(value: Any) -> Any:
    """A copy that later steps don't change; numbers for tensors of one element, None for larger ones."""
    value = number(value)
    if type(value) is dict:
        return {key: snapshot(item) for key, item in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(snapshot(item) for item in value)
    return None if is_tensor(value) or is_array(value) else copy.deepcopy(value)


def same(mine: Any, theirs: Any) -> bool:
    """Whether two snapshots are equal; NaN is NaN here."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(same(mine[key], theirs[key]) for key in mine)
    if isinstance(mine, list | tuple) and isinstance(theirs, list | tuple):
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if isinstance(mine, float) and isinstance(theirs, float) and math.isnan(mine):
        return math.isnan(theirs)
    return bool(mine == theirs)


def changed(mine: Fields, theirs: Fields) -> Iterator[str]:
    """The names of the options that both scripts have built, with different values."""
    for key, value in mine.items():
        if key in theirs and key not in FLAGS and not same(snapshot(value), theirs[key]):
            yield key


def settled(saved: Fields, theirs: Fields, mine: Fields, *, exploit: bool, scaled: bool) -> Fields:
    """The options of one param group after a restore.

    Args:
        saved: in the checkpoint.
        theirs: as the checkpoint's script had built them, a snapshot.
        mine: as this script has built them.
        exploit: whether explore may have changed hyperparameters since; otherwise what was saved stands.
        scaled: whether the learning rate keeps the annealing that the checkpoint's has, as no schedule will do it.
    """
    news = set(changed(mine, theirs)) if exploit else set()
    final = {}
    for key, value in saved.items():
        if key in mine and (key in FLAGS or key in news):
            final[key] = mine[key]
        else:
            # A tensor where this script has a number comes from other implementation flags.
            final[key] = number(value) if key in mine and not is_tensor(mine[key]) else value
    if exploit and scaled and ("initial_lr" in theirs) != ("initial_lr" in mine):
        final["lr"] = mine["lr"]  # only one of the two scripts has a schedule
    elif scaled and not news.isdisjoint(_BASES):
        final |= _scaled(saved, theirs, mine)
    return final | {key: value for key, value in mine.items() if key not in saved}


def _scaled(saved: Fields, theirs: Fields, mine: Fields) -> Fields:
    """The learning rate as far annealed as the checkpoint's."""
    # The first isn't subject to a warm-up, which may begin at 0.
    base = next((key for key in _BASES if all(key in fields for fields in (saved, theirs, mine))), None)
    if base is None:
        return {}
    now, then, new = number(saved["lr"]), theirs[base], number(mine[base])
    usable = all(isinstance(rate, int | float) and math.isfinite(rate) for rate in (now, then, new))
    if not usable or not then or (base == "lr" and now == then):
        return {"lr": mine["lr"]}
    return {"lr": now * (new / then)}


def place(group: Fields, final: Fields, before: Fields) -> None:
    """Sets the options of a group, in the order of `final`; a tensor keeps its identity.

    Args:
        group: to change.
        final: its options.
        before: the options that the script has built or trains with; captured graphs hold on to tensors among them.
    """
    params = group["params"]
    rest = {key: option for key, option in group.items() if key not in final and key != "params"}
    group.clear()
    group.update({key: _placed(before.get(key), option) for key, option in final.items()})
    group.update({**rest, "params": params})


def _placed(live: Any, option: Any) -> Any:
    if not is_tensor(live) or live is option:
        return option
    value = number(option)
    if is_tensor(value):
        if value.shape != live.shape:
            return option
        live.detach().copy_(value)
    elif value is None:
        return option
    else:
        live.detach().fill_(value)
    return live


def edits(name: str, mine: Sequence[Fields], theirs: Sequence[Fields]) -> list[str]:
    """What a person should know of constants that were edited in the script since the checkpoint.

    Args:
        name: of the object.
        mine: its options by group as this script has built them; a scheduler is one group.
        theirs: as the checkpoint's script had built them.
    """
    found: dict[str, str] = {}
    for own, other in zip(mine, theirs, strict=False):
        for key in changed(own, other):
            before, after = (
                quoted(repr(value), size=MAX_WORDS) for value in (other[key], snapshot(own[key]))
            )
            found.setdefault(key, f"{name}: {key} was changed from {before} to {after} in the script; ")
    return [f"{words}the checkpoint's stands" for words in found.values()]
