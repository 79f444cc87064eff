"""How live optimizers and schedules become what newly built ones are, and keep the identity that others hold on to.

The script's variables, captured graphs and schedules point to the live objects, so they stay: attributes move over
from the built object to the live one, and tensors are copied into.
"""

import functools
import operator
import types
from collections.abc import Iterator, Mapping
from typing import Any

from pbt_contract.errors import StateError
from pbt_trainer.state.optimizer_options import Fields, options, place
from pbt_trainer.state.tensors import is_tensor
from pbt_trainer.state.tracked_object import torch_classes

_TORCHS_OWN = frozenset(
    {"state", "param_groups", "step", "_opt_called", "_warned_capturable_if_run_uncaptured"}
)
_DEPTH = 4

Counterparts = Mapping[int, Any]
"""The live object by the id of the newly built one."""


def pairs_of(live: Any, built: Any) -> Iterator[tuple[Any, Any]]:
    """The live and the newly built object, and those of the optimizers or schedules inside them.

    Raises:
        StateError: they aren't made alike.
    """
    if type(live) is not type(built):
        raise StateError(
            f"the build function made a {type(built).__qualname__}, at first a {type(live).__qualname__}"
        )
    yield live, built
    schedules = torch_classes("optim.lr_scheduler", "LRScheduler")
    inner = schedules + torch_classes("optim", "Optimizer")
    for key, value in vars(built).items():
        other = vars(live).get(key)
        if key == "_schedulers":
            if len(value) != len(other or ()):
                raise StateError("the build function made another number of schedules")
            for each in zip(other or (), value, strict=True):
                yield from pairs_of(*each)
        elif isinstance(value, inner) and not (key == "optimizer" and isinstance(built, schedules)):
            yield from pairs_of(other, value)


def tensor_options(live: Any, built: Any) -> dict[int, Any]:
    """The live options that are tensors, by the id of the newly built one: an optimizer's defaults are these too."""
    return {
        id(option): own[key]
        for own, other in zip(live.param_groups, built.param_groups, strict=True)
        for key, option in other.items()
        if is_tensor(option) and is_tensor(own.get(key))
    }


def check(built: Any, counterparts: Counterparts) -> None:
    """Checks that every attribute of a newly built object can move over.

    Raises:
        StateError: one holds on to the new object in a way that can't be followed.
    """
    for key, value in vars(built).items():
        if key not in _TORCHS_OWN and not key.endswith("_hooks") and _clings(value, counterparts, _DEPTH):
            raise StateError(f"{type(built).__qualname__}.{key} holds on to an object that was built with it")


def attributes(live: Any, built: Any, counterparts: Counterparts) -> None:
    """Moves the attributes of a newly built optimizer or schedule over to the live one."""
    keep = {key for key in vars(live) if key in _TORCHS_OWN or key.endswith("_hooks")}
    for key in vars(live).keys() - vars(built).keys() - keep:
        del vars(live)[key]
    for key, value in vars(built).items():
        if key in _TORCHS_OWN or key.endswith("_hooks"):
            continue
        old = vars(live).get(key)
        if is_tensor(old) and is_tensor(value) and (old.shape, old.dtype) == (value.shape, value.dtype):
            old.detach().copy_(value)
        else:
            vars(live)[key] = _followed(value, counterparts)


def schedule(live: Any, built: Any, counterparts: Counterparts) -> None:
    """Moves everything that a newly built schedule is over to the live one, but for its optimizer."""
    children = vars(live).get("_schedulers")
    kept = {key: vars(live)[key] for key in ("optimizer", "_schedulers") if key in vars(live)}
    vars(live).clear()
    for key, value in vars(built).items():
        vars(live)[key] = kept[key] if key in kept else _followed(value, counterparts)
    for each in zip(children or (), vars(built).get("_schedulers", ()), strict=True):
        schedule(*each, counterparts)


def as_built(live: Any, built: Any) -> None:
    """Gives a live optimizer the groups and the state that a newly built one has, before a state is loaded into it."""
    for group, other in zip(live.param_groups, built.param_groups, strict=True):
        before, params = options(group), group["params"]
        group.clear()
        group["params"] = params
        place(group, options(other), before)
    state = getattr(live, "state", None)
    if isinstance(state, dict):
        state.clear()
        state.update(getattr(built, "state", {}))


def tensors_of(optimizer: Any) -> dict[Any, dict[Any, Any]]:
    """The tensors in an optimizer's state, by parameter and name."""
    state = getattr(optimizer, "state", None)
    if not isinstance(state, dict):
        return {}
    return {
        owner: {key: value for key, value in fields.items() if is_tensor(value)}
        for owner, fields in state.items()
        if isinstance(fields, dict)
    }


def keep_tensors(optimizer: Any, before: Mapping[Any, Fields]) -> None:
    """Puts the tensors of an optimizer's state from before back, with the values of now."""
    for owner, fields in tensors_of(optimizer).items():
        for key, value in fields.items():
            old = before.get(owner, {}).get(key)
            form = None if old is None else (old.shape, old.dtype, old.device, old.stride())
            if (
                old is not None
                and old is not value
                and form == (value.shape, value.dtype, value.device, value.stride())
            ):
                old.detach().copy_(value)
                optimizer.state[owner][key] = old


def _followed(value: Any, counterparts: Counterparts) -> Any:
    """The value with live objects in place of newly built ones."""
    if id(value) in counterparts:
        return counterparts[id(value)]
    if type(value) in {list, tuple}:
        items = [_followed(item, counterparts) for item in value]
        # The same object where nothing in it was new, for another attribute may share it.
        return value if all(map(operator.is_, items, value)) else type(value)(items)
    if type(value) is dict:
        found = {key: _followed(item, counterparts) for key, item in value.items()}
        return value if all(map(operator.is_, found.values(), value.values())) else found
    if isinstance(value, types.MethodType) and id(value.__self__) in counterparts:
        return types.MethodType(value.__func__, counterparts[id(value.__self__)])
    return value


def _clings(value: Any, counterparts: Counterparts, depth: int) -> bool:
    """Whether it refers to a newly built object from where `_followed` doesn't go."""
    if (
        depth == 0
        or id(value) in counterparts
        or isinstance(value, str | int | float | type(None))
        or is_tensor(value)
    ):
        return False
    if type(value) in {list, tuple}:
        return any(_clings(item, counterparts, depth) for item in value)
    if type(value) is dict:
        return any(_clings(item, counterparts, depth) for item in value.values())
    if isinstance(value, types.MethodType):
        return False
    return any(id(part) in counterparts or _clings(part, counterparts, depth - 1) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    if isinstance(value, types.FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, type | types.ModuleType):
        return []
    return list(getattr(value, "__dict__", {}).values())
