"""One tracked object: of what kind it is, its state, and the options that its script built it with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pbt_contract.errors import UsageError
from pbt_trainer.state.codec import Way
from pbt_trainer.state.optimizer_options import options, snapshot

WRAPPERS = frozenset({"_orig_mod", "module"})
"""What torch.compile, DistributedDataParallel and their like put into the names of parameters."""
_INNER = "what it wraps, `{name}.optimizer`, before the library wraps it"
_SHARDED = "nothing of it, and store its state yourself, through report(..., files=DIR)"
REFUSED = {
    "LightningOptimizer": _INNER,
    "_FabricOptimizer": _INNER,
    "AcceleratedOptimizer": _INNER,
    "AcceleratedScheduler": "what it wraps, `{name}.scheduler`, before the library wraps it",
    "DeepSpeedEngine": _SHARDED,
    "DeepSpeedOptimizer": _SHARDED,
    "DeepSpeedZeroOptimizer": _SHARDED,
    "DeepSpeedZeroOptimizer_Stage3": _SHARDED,
    "FP16_Optimizer": _SHARDED,
    "BF16_Optimizer": _SHARDED,
    "ZeroRedundancyOptimizer": _SHARDED,
}
"""Classes that wrap an optimizer or a schedule for a library and hide a part of its state; what to track instead."""
_OPTIMIZERS = {"ScheduleFreeWrapper": "schedulefree"}
"""Classes with everything that an optimizer of torch has, by their package, though they aren't subclasses of it."""


@dataclass(slots=True)
class Entry:
    """One tracked object.

    Attributes:
        kind: `module`, `optimizer` or `scheduler` for instances of torch's classes, else `object`.
        built: the options that the script has built it with: an optimizer's param groups, a scheduler's
            fields, None for others.
        form: the places of named tuples and pytrees in the state when it was tracked: a process that has built it
            can fill these, and no others.
        optional: whether a checkpoint may lack it.
        rebuilds: whether a function builds it, which can build it again.
    """

    name: str
    value: Any
    kind: str
    built: Any = None
    form: frozenset[Way] = frozenset()
    optional: bool = False
    rebuilds: bool = False

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


def plain_names(names: Mapping[str, Any]) -> dict[str, str]:
    """Each name in a module's state without the wrappers' parts; unchanged where two would become one."""
    plain = {name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in names}
    return plain if len(set(plain.values())) == len(plain) else {name: name for name in names}


def torch_classes(module: str, *names: str) -> tuple[type, ...]:
    """Those classes of a module of torch that are there; none where the script has loaded no torch."""
    found = sys.modules.get(f"torch.{module}")
    return tuple(getattr(found, name) for name in names if hasattr(found, name))


def kind_of(value: Any) -> str:
    """What an object surely is, by its class; nothing is guessed from what it can do."""
    if isinstance(value, torch_classes("nn", "Module")):
        return "module"
    if isinstance(value, torch_classes("optim", "Optimizer")):
        return "optimizer"
    if isinstance(
        value, torch_classes("optim.lr_scheduler", "LRScheduler", "_LRScheduler", "ReduceLROnPlateau")
    ):
        return "scheduler"
    packages = {kind.__module__.partition(".")[0]: kind.__name__ for kind in type(value).__mro__}
    known = any(packages.get(package) == name for name, package in _OPTIMIZERS.items())
    return "optimizer" if known else "object"


def refuse_wrapper(name: str, value: Any) -> None:
    """Raises a UsageError for the wrappers of libraries, which say less than what they wrap."""
    for kind in type(value).__mro__:
        if kind.__name__ in REFUSED:
            remedy = REFUSED[kind.__name__].format(name=name)
            raise UsageError(f"track({name}=...): {type(value).__name__} can't be restored: track {remedy}")
