"""How tracked objects take over a checkpoint in a process whose script has just built them: what fits, in which order.

Modules and other objects get their state as it was. Optimizers and their schedules get it with the options that
`families.py` settles.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pbt_contract.errors import StateError
from pbt_contract.text import quoted
from pbt_trainer.state.checkpoint_files import Checkpoint
from pbt_trainer.state.families import Family, Terms, families, readable, settle
from pbt_trainer.state.optimizer_options import options, place
from pbt_trainer.state.parameters import DIFFER, described, in_order, names_of, of_state, order
from pbt_trainer.state.tracked_object import Entry, plain_names, torch_classes

MAX_REASON = 1000
_STATE_OF = (
    ("Adam", "amsgrad", "max_exp_avg_sq"),
    ("AdamW", "amsgrad", "max_exp_avg_sq"),
    ("RMSprop", "centered", "grad_avg"),
    ("RMSprop", "momentum", "momentum_buffer"),
)
"""Classes of torch with an option that needs a part of the state which only a first step makes."""
_NEVER = ". A hyperparameter that changes the form of a state needs `explore: Never`"
_DEPTH = 3  # to which an object's state is searched for an optimizer's


def restore_objects(
    entries: Sequence[Entry], checkpoint: Checkpoint, *, exploit: bool, total_steps: int
) -> list[str]:
    """Restores every object that the checkpoint has.

    Returns:
        What a person should know: objects that start fresh, or that aren't tracked, constants that were edited.

    Raises:
        StateError: weights don't fit, or an object is missing.
    """
    terms = Terms(checkpoint, exploit, total_changed(checkpoint, total_steps))
    terms.unfit.update(unfit(entries, checkpoint))
    if exploit:
        fit = [entry for entry in entries if entry.name not in terms.unfit]
        terms.unfit.update(lacking(fit, checkpoint))
    notes = [f"{name} starts fresh: {reason}" for name, reason in terms.unfit.items()]
    notes += notes_on(entries, checkpoint, exploit=exploit)
    found, names = families(entries), names_of(entries)
    # Schedules are stepped on options as built, and some tracked object may bring an untracked optimizer's along.
    for family in (each for each in found if each.optimizer is None):
        notes += _restore(family, terms, names)
    for entry in entries:
        if entry.name not in terms.unfit and entry.kind in {"module", "object"}:
            with taking_over(entry.name, remedy=_NEVER if exploit else ""):
                load(entry, checkpoint)
    for family in (each for each in found if each.optimizer is not None):
        notes += _restore(family, terms, names)
    return notes


@contextmanager
def taking_over(name: str, *, remedy: str = "") -> Iterator[None]:
    """What an object makes of a state that isn't its own may be any error; this one says whose it was."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        reason = quoted(f"{type(error).__name__}: {error}", size=MAX_REASON)
        raise StateError(f"{name} can't take the checkpoint's state over: {reason}{remedy}") from error


def total_changed(checkpoint: Checkpoint, total_steps: int) -> bool:
    """Whether the checkpoint surely was written for another number of steps."""
    return checkpoint.total_steps not in {None, total_steps}


def unfit(entries: Sequence[Entry], checkpoint: Checkpoint) -> dict[str, str]:
    """The objects that start fresh, with the reason.

    Raises:
        StateError: one isn't in the checkpoint and isn't optional.
    """
    names, found = names_of(entries), {}
    for entry in entries:
        if entry.name not in checkpoint.names and not entry.optional:
            there = ", ".join(quoted(name) for name in checkpoint.names) or "nothing"
            raise StateError(
                f"{entry.name} is not in the checkpoint, which has {there}. Track it under the name that it had, or, "
                f"if it is new, let it start fresh: track({entry.name}=pbt_trainer.optional(...))"
            )
        with taking_over(entry.name):
            reason = _mismatch(entry, checkpoint, names)
        if reason:
            found[entry.name] = reason
    return found


def notes_on(entries: Sequence[Entry], checkpoint: Checkpoint, *, exploit: bool) -> list[str]:
    """What a person should know of objects that are left as they are."""
    tracked = {entry.name for entry in entries}
    notes = [
        f"{name} is in the checkpoint, but not tracked" for name in checkpoint.names if name not in tracked
    ]
    if exploit:
        notes += [
            f"{entry.name} is no optimizer of torch: its options came back as the donor had them"
            for entry in entries
            if entry.kind == "object" and hasattr(entry.value, "param_groups")
        ]
        notes += [
            f"{entry.name} keeps an optimizer within: its options came back as the donor had them. Track the optimizer "
            "beside it, or set its options in an on_restore hook"
            for entry in entries
            if entry.kind == "object" and not hasattr(entry.value, "param_groups")
            if entry.name in checkpoint.names and _holds_optimizer(checkpoint.outline(entry.name), _DEPTH)
        ]
    return notes


def _holds_optimizer(state: Any, depth: int) -> bool:
    """Whether somewhere in a state there is what an optimizer's `state_dict` returned."""
    if readable(state):
        return True
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return depth > 0 and any(_holds_optimizer(part, depth - 1) for part in parts)


def _mismatch(entry: Entry, checkpoint: Checkpoint, names: Mapping[int, str]) -> str | None:
    """Why the object can't take its state from the checkpoint; None if it can."""
    if entry.name not in checkpoint.names:
        return "it is not in the checkpoint"
    kind, class_name = checkpoint.kind(entry.name), checkpoint.class_name(entry.name)
    if entry.kind == "object" and kind != "module":
        return None  # earlier versions took some for optimizers or schedulers, and kept the same state
    if kind != entry.kind or (kind in {"optimizer", "scheduler"} and class_name != entry.class_name):
        return f"the checkpoint has a {class_name} there, this script a {entry.class_name}"
    if kind == "optimizer":
        found = places(entry, checkpoint, names)
        return found if isinstance(found, str) else None
    if kind == "scheduler":
        same = _num_rates(entry.built) == _num_rates(checkpoint.built(entry.name))
        return None if same else "the number of param groups differs from the checkpoint's"
    return None


def lacking(entries: Sequence[Entry], checkpoint: Checkpoint) -> dict[str, str]:
    """The optimizers for which this script has switched on what the checkpoint's state has no part for, and what."""
    reasons = {entry.name: _lacks(entry, checkpoint) for entry in entries if entry.kind == "optimizer"}
    return {name: reason for name, reason in reasons.items() if reason}


def _lacks(entry: Entry, checkpoint: Checkpoint) -> str | None:
    state = checkpoint.outline(entry.name)
    parts = (
        [fields for fields in state["state"].values() if isinstance(fields, dict)] if readable(state) else []
    )
    for kind, option, part in _STATE_OF:
        if not isinstance(entry.value, torch_classes("optim", kind)) or any(
            part in fields for fields in parts
        ):
            continue
        pairs = zip(entry.built, checkpoint.built(entry.name), strict=True)
        if parts and any(own.get(option) and not other.get(option) for own, other in pairs):
            return f"{option} was off in the script that wrote the checkpoint, and its state lacks what that takes"
    return None


def places(entry: Entry, checkpoint: Checkpoint, names: Mapping[int, str]) -> list[list[int]] | str:
    """Where the checkpoint has the state of each of an optimizer's parameters; or why it doesn't fit."""
    mine = described(entry.value.param_groups, names)
    if len(checkpoint.built(entry.name)) != len(mine):
        return DIFFER
    state = checkpoint.state(entry.name, copy=False)
    theirs = checkpoint.parameters(entry.name) or (of_state(state) if readable(state) else mine)
    if readable(state) and [len(group["params"]) for group in state["param_groups"]] != [
        len(group) for group in theirs
    ]:
        return DIFFER
    found = order(mine, theirs)
    straight = [list(range(len(group))) for group in mine]
    if not isinstance(found, str) and found != straight and not readable(state):
        return "its parameters are in another order than the checkpoint's"
    return found


def _num_rates(scheduler: Mapping[str, Any]) -> list[int]:
    return [len(scheduler[key]) for key in ("base_lrs", "_last_lr", "_schedulers") if key in scheduler]


def _restore(family: Family, terms: Terms, names: Mapping[int, str]) -> list[str]:
    optimizer = family.optimizer
    with taking_over((optimizer or family.schedules[0]).name):
        return _settle(optimizer, family, terms, names)


def _settle(optimizer: Entry | None, family: Family, terms: Terms, names: Mapping[int, str]) -> list[str]:
    before = [options(group) for group in family.groups]
    settled = settle(family, terms)
    if optimizer is not None and settled.groups is not None:
        state = terms.checkpoint.state(optimizer.name)
        if readable(state):
            state = ordered(optimizer, state, terms.checkpoint, names)
            pairs = zip(settled.groups, state["param_groups"], strict=True)
            state["param_groups"] = [{**final, "params": saved["params"]} for final, saved in pairs]
        optimizer.value.load_state_dict(state)
        for each in zip(optimizer.value.param_groups, settled.groups, before, strict=True):
            place(*each)
    return settled.notes


def ordered(entry: Entry, state: Any, checkpoint: Checkpoint, names: Mapping[int, str]) -> dict[str, Any]:
    """An optimizer's state in the order of this script's parameters; a copy of the outermost mapping."""
    found = places(entry, checkpoint, names)
    assert not isinstance(found, str), "it fits"
    return dict(in_order(state, found))


def load(entry: Entry, checkpoint: Checkpoint) -> None:
    """Gives a module or another object what it gave.

    Raises:
        StateError: a module's weights don't fit.
    """
    if entry.kind == "object":
        entry.value.load_state_dict(checkpoint.state(entry.name, like=entry.state()))
        return
    module, state = entry.value, checkpoint.state(entry.name, copy=False)
    if isinstance(state, dict):
        state = _named(module, state)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise StateError(
            f"{entry.name}: the checkpoint's weights don't fit. {error}\n"
            "A hyperparameter that changes the architecture needs `explore: Never`."
        ) from error


def _named(module: Any, state: Mapping[str, Any]) -> Any:
    """A module's state under the names that it has in this process."""
    live = module.state_dict()
    names = {plain: key for key, plain in plain_names(live).items()}
    metadata = getattr(live, "_metadata", None)
    named = type(live)((names.get(key, key), value) for key, value in state.items())
    if metadata is not None:
        named._metadata = metadata  # noqa: SLF001  (where torch looks for the versions of modules)
    return named
