"""One tracked object: of what kind it is, its state, and the options that its script built it with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pbt_trainer.state.codec import Way
from pbt_trainer.state.optimizer_options import snapshot

WRAPPERS = frozenset({"_orig_mod", "module"})
"""What torch.compile, DistributedDataParallel and their like put into the names of parameters."""


@dataclass(slots=True)
class Entry:
    """One tracked object.

    Attributes:
        kind: `module`, `optimizer`, `scheduler` or `object`; wrappers count as what they wrap.
        built: the options that the script has built it with: an optimizer's param groups, a scheduler's
            fields, None for others.
        form: the places of named tuples and pytrees in the state when it was tracked: a process that has built it
            can fill these, and no others.
    """

    name: str
    value: Any
    kind: str
    built: Any = None
    form: frozenset[Way] = frozenset()

    @property
    def class_name(self) -> str:
        """The class, as `module.name`."""
        return f"{type(self.value).__module__}.{type(self.value).__qualname__}"

    def state(self) -> Any:
        """What goes into a checkpoint."""
        state = self.value.state_dict()
        if self.kind == "module" and isinstance(state, Mapping):
            return {plain: state[name] for name, plain in plain_names(state).items()}
        return state

    def options(self) -> Any:
        """The options as they are now, in the form of `built`."""
        if self.kind == "optimizer":
            return [snapshot(options(group)) for group in self.value.param_groups]
        return snapshot(self.value.state_dict()) if self.kind == "scheduler" else None


def options(group: Mapping[str, Any]) -> dict[str, Any]:
    """A param group without its parameters."""
    return {key: option for key, option in group.items() if key != "params"}


def plain_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Each name in a module's state without the wrappers' parts; unchanged where two would become one."""
    plain = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in names}
    return plain if len(set(plain.values())) == len(plain) else {name: name for name in names}


def kind_of(value: Any) -> str:
    """What an object is, by what it can do and what its state holds."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.nn.Module):
        return "module"
    state = value.state_dict()
    if not isinstance(state, dict):
        return "object"
    if isinstance(getattr(value, "param_groups", None), list) and {"state", "param_groups"} <= state.keys():
        return "optimizer"
    steps = hasattr(value, "step") and hasattr(getattr(value, "optimizer", None), "param_groups")
    return "scheduler" if steps or not state.keys().isdisjoint({"base_lrs", "_last_lr"}) else "object"
