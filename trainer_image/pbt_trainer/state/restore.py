"""How tracked objects take over a checkpoint: what fits, in which order, and with which options.

Modules and other objects get their state as it was, optimizers and schedulers get it with the options that
`optimizer_options.py` decides on. In place means that live tensors keep their identity and that nothing is allocated on
the device a second time; what doesn't fit there is an error, where a fresh process only notes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from pbt_contract.errors import StateError
from pbt_contract.records import Value
from pbt_contract.text import quoted
from pbt_trainer.state.checkpoint_files import Checkpoint
from pbt_trainer.state.optimizer_options import (
    LEARNING_RATES,
    OPTIONS,
    Change,
    Fields,
    learning_rate,
    merge,
    rebuilt,
)
from pbt_trainer.state.tensors import is_tensor, number
from pbt_trainer.state.tracked_object import Entry, options, plain_names

MAX_REASON = 1000


class Assigned(NamedTuple):
    """Hyperparameters: mine until now, the donor's at its checkpoint, mine from now on."""

    old: Mapping[str, Value]
    then: Mapping[str, Value]
    now: Mapping[str, Value]


def restore_objects(
    entries: Sequence[Entry], checkpoint: Checkpoint, *, assigned: Assigned, in_place: bool
) -> list[str]:
    """Restores every object that the checkpoint has.

    Returns:
        What a person should know: objects that start fresh, or that aren't tracked.

    Raises:
        StateError: weights don't fit. In place: anything doesn't, and nothing was changed.
    """
    reasons: dict[str, str | None] = {}
    for entry in entries:
        with taking_over(entry.name):
            reasons[entry.name] = _mismatch(entry, checkpoint)
    notes = [f"{name} starts fresh: {reason}" for name, reason in reasons.items() if reason]
    if in_place and notes:
        raise StateError(f"This process can't take the checkpoint over in place: {'; '.join(notes)}")
    tracked = {entry.name for entry in entries}
    notes += [
        f"{name} is in the checkpoint, but not tracked" for name in checkpoint.names if name not in tracked
    ]
    restore = _Restore(checkpoint, assigned, in_place=in_place)
    # Optimizers last: a scheduler may write to its optimizer while it loads.
    for entry in sorted(entries, key=lambda entry: entry.kind == "optimizer"):
        with taking_over(entry.name):
            restore.one(entry, fits=not reasons[entry.name])
    return notes


@contextmanager
def taking_over(name: str) -> Iterator[None]:
    """What an object makes of a state that isn't its own may be any error; this one tells whose it was."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        reason = quoted(f"{type(error).__name__}: {error}", size=MAX_REASON)
        raise StateError(f"{name} can't take the checkpoint's state over: {reason}") from error


def _mismatch(entry: Entry, checkpoint: Checkpoint) -> str | None:
    """Why the object can't take its state from the checkpoint; None if it can."""
    if entry.name not in checkpoint.names:
        return "it is not in the checkpoint"
    kind, class_name = checkpoint.kind(entry.name), checkpoint.class_name(entry.name)
    if kind != entry.kind or (kind in {"optimizer", "scheduler"} and class_name != entry.class_name):
        return f"the checkpoint has a {class_name} there, this script a {entry.class_name}"
    if kind == "optimizer":
        groups = checkpoint.state(entry.name, copy=False)["param_groups"]
        mine, theirs = _layout(entry.value.param_groups), _layout(groups)
        return None if mine == theirs else "its param groups differ from the checkpoint's"
    if kind == "scheduler":
        same = _num_rates(entry.built) == _num_rates(checkpoint.built(entry.name))
        return None if same else "the number of param groups differs from the checkpoint's"
    return None


def _layout(groups: Sequence[Mapping[str, Any]]) -> list[tuple[int, frozenset[str]]]:
    # Options that a library has added since the checkpoint don't count, those that a scheduler adds do.
    return [(len(group["params"]), LEARNING_RATES & group.keys()) for group in groups]


def _num_rates(scheduler: Mapping[str, Any]) -> list[int]:
    return [len(scheduler[key]) for key in ("base_lrs", "_last_lr", "_schedulers") if key in scheduler]


class _Restore:
    def __init__(self, checkpoint: Checkpoint, assigned: Assigned, *, in_place: bool) -> None:
        old, then, now = map(learning_rate, assigned)
        self._checkpoint = checkpoint
        self._in_place = in_place
        self._fallback = now / then if now and then else 1.0
        self._rate = Change(old, then, now) if old and then and now else None
        self._changes = {
            OPTIONS.get(name, name): Change(*(values[name] for values in assigned))
            for name in assigned.old
            if all(name in values for values in assigned)
        }
        self._schedules: dict[int, bool] = {}  # by id of the optimizer: whether all its schedules continue

    def one(self, entry: Entry, *, fits: bool) -> None:
        if entry.kind == "optimizer":
            self._optimizer(entry, fits=fits)
        elif entry.kind == "scheduler":
            self._scheduler(entry, fits=fits)
        elif fits and entry.kind == "module":
            _load_module(entry.name, entry.value, self._checkpoint.state(entry.name, copy=False))
        elif fits:
            entry.value.load_state_dict(self._checkpoint.state(entry.name, like=entry.state()))

    def _scheduler(self, entry: Entry, *, fits: bool) -> None:
        optimizer = id(getattr(entry.value, "optimizer", None))
        self._schedules[optimizer] = fits and self._schedules.get(optimizer, True)
        if fits:
            theirs, state = self._checkpoint.built(entry.name), self._checkpoint.state(entry.name)
            if self._in_place:
                entry.built = rebuilt(entry.built, theirs, changes={}, rate=self._rate)
            entry.value.load_state_dict(merge(state, entry.built, theirs, fallback=self._fallback))

    def _optimizer(self, entry: Entry, *, fits: bool) -> None:
        optimizer, goes_on = entry.value, self._schedules.get(id(entry.value))
        before = [options(group) for group in optimizer.param_groups]
        if not fits:
            if goes_on and self._has_groups(entry):
                _set_options(optimizer.param_groups, before, self._carried(entry))
            return
        theirs, saved = self._checkpoint.built(entry.name), self._checkpoint.state(entry.name, copy=False)
        if self._in_place:
            pairs = zip(entry.built, theirs, strict=True)
            entry.built = [rebuilt(*pair, changes=self._changes, rate=self._rate) for pair in pairs]
        # A schedule that starts again must find the learning rates as they were built.
        groups = entry.built if goes_on is False else self._merged(entry, saved["param_groups"], theirs)
        if not (self._in_place and _copy_state(optimizer, saved["state"])):
            state = self._checkpoint.state(entry.name)
            pairs = zip(groups, state["param_groups"], strict=True)
            loaded = [{**group, "params": own["params"]} for group, own in pairs]
            optimizer.load_state_dict({**state, "param_groups": loaded})
        _set_options(optimizer.param_groups, before, groups)

    def _merged(self, entry: Entry, current: list[Fields], theirs: list[Fields]) -> list[Fields]:
        groups = []
        for each in zip(current, entry.built, theirs, strict=True):
            merged = merge(*each, fallback=self._fallback)
            groups.append({key: merged.get(key, option) for key, option in each[1].items()})
        return groups

    def _has_groups(self, entry: Entry) -> bool:
        name = entry.name
        is_optimizer = name in self._checkpoint.names and self._checkpoint.kind(name) == entry.kind
        return is_optimizer and len(self._checkpoint.built(name)) == len(entry.built)

    def _carried(self, entry: Entry) -> list[Fields]:
        """Another optimizer under a schedule that continues: its learning rates, annealed like the donor's."""
        saved = self._checkpoint.state(entry.name, copy=False)["param_groups"]
        merged = self._merged(entry, saved, self._checkpoint.built(entry.name))
        return [{"lr": group["lr"]} for group in merged]


def _load_module(name: str, module: Any, state: Any) -> None:
    if isinstance(state, dict):
        live = module.state_dict()
        names = {plain: key for key, plain in plain_names(live).items()}
        metadata = getattr(live, "_metadata", None)
        state = type(live)((names.get(key, key), value) for key, value in state.items())
        if metadata is not None:
            state._metadata = metadata  # noqa: SLF001  (where torch looks for the versions of modules)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise StateError(
            f"{name}: the checkpoint's weights don't fit. {error}\n"
            "A hyperparameter that changes the architecture needs `explore: Never`."
        ) from error


def _copy_state(optimizer: Any, state: dict[Any, Any]) -> bool:
    """Copies an optimizer's state into the live tensors, if it has the same form; says whether it did."""
    live = optimizer.state_dict()["state"]
    own = {id(fields) for fields in getattr(optimizer, "state", {}).values()}
    if any(id(fields) not in own for fields in live.values()) or not _same_form(live, state):
        return False
    _copy_fields(live, state)
    return True


def _same_form(live: Any, saved: Any) -> bool:
    if isinstance(live, dict) and isinstance(saved, dict):
        return live.keys() == saved.keys() and all(_same_form(live[key], saved[key]) for key in live)
    if is_tensor(live) and is_tensor(saved):
        return bool(live.shape == saved.shape and live.dtype == saved.dtype)
    plain = (int, float, str, type(None))
    return isinstance(live, plain) and isinstance(saved, plain)


def _copy_fields(live: dict[Any, Any], saved: dict[Any, Any]) -> None:
    for key, value in saved.items():
        if isinstance(value, dict):
            _copy_fields(live[key], value)
        elif is_tensor(value):
            live[key].detach().copy_(value)
        else:
            live[key] = value


def _set_options(groups: Sequence[Fields], before: Sequence[Fields], after: Sequence[Fields]) -> None:
    """Sets options; a tensor among the live ones keeps its identity, since captured graphs hold on to it."""
    for group, old, new in zip(groups, before, after, strict=True):
        for key, option in new.items():
            live: Any = old.get(key)
            value = number(option)
            if not is_tensor(live):
                group[key] = group[key] if is_tensor(value) else value
                continue
            group[key] = live
            if is_tensor(value):
                live.detach().copy_(value)
            elif value is not None:
                live.detach().fill_(value)
