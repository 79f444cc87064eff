"""Which parameters an optimizer's state belongs to: their names and shapes, compared with a checkpoint's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pbt_trainer.state.checkpoint_files import Described
from pbt_trainer.state.tensors import is_tensor
from pbt_trainer.state.tracked_object import Entry, plain_names
from pbt_trainer.state.trainable import Trainable

DIFFER = "its param groups differ from the checkpoint's"
_LIKE_PARAMETERS = frozenset(
    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "sum"}
)
"""Parts of torch's optimizers' state that have the parameter's shape."""


def module_of(entry: Entry) -> Any:
    """The module that an object is, or whose part it keeps; else None."""
    if isinstance(entry.value, Trainable):
        return entry.value.model
    return entry.value if entry.kind == "module" else None


def parameters_of(entry: Entry) -> list[Any]:
    """The parameters of a tracked module or optimizer; none of other objects."""
    module = module_of(entry)
    if module is not None:
        return list(module.parameters())
    groups = entry.value.param_groups if entry.kind == "optimizer" else []
    return [each for group in groups for each in group["params"]]


def names_of(entries: Iterable[Entry]) -> dict[int, str]:
    """The name of each parameter of a tracked module, by the tensor's id, without the wrappers' parts."""
    found: dict[int, str] = {}
    for entry in entries:
        module = module_of(entry)
        if module is not None:
            parameters = dict(module.named_parameters())
            for name, plain in plain_names(parameters).items():
                found.setdefault(id(parameters[name]), f"{entry.name}.{plain}")
    return found


def described(groups: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> Described:
    """The parameters of param groups; their own names count where no tracked module has them."""
    found: Described = []
    for group in groups:
        own = group.get("param_names") or []
        found.append(
            [
                (
                    names.get(id(each), str(own[index]) if index < len(own) else None),
                    list(each.shape) if is_tensor(each) else None,
                )
                for index, each in enumerate(group["params"])
            ]
        )
    return found


def order(mine: Described, theirs: Described) -> list[list[int]] | str:
    """For each of my parameters, by group: the place that it has in the checkpoint's group; or why it doesn't fit."""
    if [len(group) for group in mine] != [len(group) for group in theirs]:
        return DIFFER
    places = []
    for own, other in zip(mine, theirs, strict=True):
        known = {name: place for place, (name, _) in enumerate(other) if name is not None}
        if len(known) == len(other) and all(name is not None for name, _ in own):
            lost = next((name for name, _ in own if name not in known), None)
            if lost is not None:
                return f"{lost} is not among the checkpoint's parameters of its group"
            found = [known[str(name)] for name, _ in own]
        else:
            found = list(range(len(own)))
        for (name, shape), place in zip(own, found, strict=True):
            if None not in (shape, other[place][1]) and shape != list(other[place][1] or []):
                what = name or f"parameter {place}"
                return f"{what} has the shape {shape}, the checkpoint's {list(other[place][1] or [])}"
        places.append(found)
    return places


def of_state(state: Mapping[str, Any]) -> Described:
    """What the state of an optimizer tells of its parameters, where a checkpoint says no more."""
    return [
        [(None, _shape(state["state"].get(each))) for each in group["params"]]
        for group in state["param_groups"]
    ]


def _shape(fields: Any) -> list[int] | None:
    if not isinstance(fields, Mapping):
        return None
    return next(
        (list(value.shape) for key, value in fields.items() if key in _LIKE_PARAMETERS and is_tensor(value)),
        None,
    )


def in_order(state: dict[str, Any], places: list[list[int]]) -> dict[str, Any]:
    """An optimizer's state with its parameters numbered in this script's order."""
    ids = [
        [group["params"][place] for place in own]
        for group, own in zip(state["param_groups"], places, strict=True)
    ]
    flat = [each for group in ids for each in group]
    if all(own == sorted(own) for own in places) and flat == list(range(len(flat))):
        return state
    new = {each: index for index, each in enumerate(flat)}
    kept = {new.get(key, key): value for key, value in state["state"].items()}
    groups, start = [], 0
    for group, own in zip(state["param_groups"], ids, strict=True):
        numbered: dict[str, Any] = {**group, "params": list(range(start, start + len(own)))}
        if isinstance(group.get("param_names"), list):
            numbered["param_names"] = [group["param_names"][group["params"].index(each)] for each in own]
        groups.append(numbered)
        start += len(own)
    return {**state, "state": kept, "param_groups": groups}
