"""An optimizer's state copied straight into the tensors that are there, where that is what its own loading comes to."""

from typing import Any

from pbt_trainer.state.families import readable
from pbt_trainer.state.tensors import is_tensor
from pbt_trainer.state.tracked_object import torch_classes

_LAYOUT = {"state", "param_groups"}
_HOOKS = ("_optimizer_load_state_dict_pre_hooks", "_optimizer_load_state_dict_post_hooks")
_STEP = "step"  # torch leaves its type alone


def fits_in_place(optimizer: Any, saved: Any) -> bool:
    """Whether copying values comes to the same as `load_state_dict`: torch's own, for a state of the same form.

    Args:
        optimizer: the live one.
        saved: the state, numbered in the order of its parameters.
    """
    if not readable(saved) or saved.keys() != _LAYOUT or not _loads_as_torch_does(optimizer):
        return False
    live = optimizer.state_dict()["state"]
    parameters = dict(enumerate(each for group in optimizer.param_groups for each in group["params"]))
    if live.keys() != saved["state"].keys() or not live.keys() <= parameters.keys():
        return False
    return all(_same_form(live[key], saved["state"][key], parameters[key]) for key in live)


def copy_state(optimizer: Any, saved: dict[Any, Any]) -> None:
    """Copies the state of each parameter into the tensors that are there."""
    _copy(optimizer.state_dict()["state"], saved)


def _loads_as_torch_does(optimizer: Any) -> bool:
    for base in torch_classes("optim", "Optimizer"):
        kind = type(optimizer)
        if not isinstance(optimizer, base):
            return False
        names = ("state_dict", "load_state_dict", "_process_value_according_to_param_policy")
        own = any(getattr(kind, name, None) is not getattr(base, name, None) for name in names)
        owner = next(each for each in kind.__mro__ if "__setstate__" in vars(each))
        foreign = not owner.__module__.startswith("torch.optim.")
        hooked = any(getattr(optimizer, name, None) for name in _HOOKS) or not vars(
            optimizer
        ).keys().isdisjoint(names)
        return not (own or foreign or hooked)
    return False


def _same_form(live: Any, saved: Any, parameter: Any, key: Any = None) -> bool:
    if isinstance(live, dict) and isinstance(saved, dict):
        return live.keys() == saved.keys() and all(
            _same_form(live[each], saved[each], parameter, each) for each in live
        )
    if is_tensor(live) and is_tensor(saved):
        # What torch loads takes the parameter's type.
        loads = key == _STEP or not parameter.is_floating_point() or live.dtype == parameter.dtype
        return bool(live.shape == saved.shape and live.dtype == saved.dtype and loads)
    plain = (int, float, str, type(None))
    return isinstance(live, plain) and isinstance(saved, plain)


def _copy(live: dict[Any, Any], saved: dict[Any, Any]) -> None:
    for key, value in saved.items():
        if isinstance(value, dict):
            _copy(live[key], value)
        elif is_tensor(value):
            live[key].detach().copy_(value)
        else:
            live[key] = value
