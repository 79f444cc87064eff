"""A takeover in place: decided first, when all can still say no, then done.

What a fresh process would come to is worked out on objects that the script's build function has built again; then the
live ones become that. Tensors keep their identity, and nothing is allocated on the device a second time where an
optimizer's state has the same form as the checkpoint's.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from pbt_contract.errors import StateError
from pbt_trainer.state import pour
from pbt_trainer.state import random_state as randomness
from pbt_trainer.state.checkpoint_files import Checkpoint
from pbt_trainer.state.families import Family, Settled, Terms, families, readable, settle, settle_kept
from pbt_trainer.state.in_place import copy_state, fits_in_place
from pbt_trainer.state.optimizer_options import options, place
from pbt_trainer.state.parameters import names_of, parameters_of
from pbt_trainer.state.restore import lacking, load, notes_on, ordered, taking_over, total_changed, unfit
from pbt_trainer.state.tensors import is_tensor
from pbt_trainer.state.tracked_object import Entry, plain_names
from pbt_trainer.state.trainable import Trainable

SECONDS = 1.0
"""What stepping the schedules may take while training waits; a fresh process takes the time that it needs."""


class Plan:
    """A takeover that is possible; nothing was changed so far.

    Attributes:
        notes: what a person should know, once it is done.
    """

    def __init__(self, entries: Sequence[Entry], checkpoint: Checkpoint) -> None:
        """Use `Tracked.plan`."""
        self.notes: list[str] = []
        self._entries = entries
        self._checkpoint = checkpoint
        self._names: dict[int, str] = {}
        self._built: dict[str, Entry] = {}
        self._counterparts: dict[int, Any] = {}
        self._steps: list[Callable[[], None]] = []

    def work_out(self, rebuilt: Mapping[str, Any], terms: Terms) -> None:
        """Works it out on what was built again.

        Raises:
            StateError: it isn't possible.
        """
        self._names = names_of(self._entries)
        self._built = {entry.name: entry for entry in _built_again(self._entries, rebuilt)}
        self._counterparts = self._checked()
        if terms.exploit:
            _check_none_fresh(lacking(list(self._built.values()), self._checkpoint))
        _check_fit(self._entries, self._checkpoint)
        self.notes = notes_on(self._entries, self._checkpoint, exploit=terms.exploit)
        for family in families(list(self._built.values())):
            with taking_over(_first(family)), _naming(_first(family)):
                self._family(family, terms)

    def apply(self, random_state: Literal["restore"] | tuple[object, ...]) -> None:
        """Does it.

        Args:
            random_state: `restore`, or a key to seed the generators with.

        Raises:
            StateError: an object of the script's own doesn't take its state; what is tracked is in no good state.
        """
        try:
            for entry in self._entries:
                if entry.kind in {"module", "object"}:
                    with taking_over(entry.name):
                        load(entry, self._checkpoint)
            for step in self._steps:
                step()
            for entry in self._entries:
                entry.built = self._built[entry.name].built
                _drop_gradients(entry)
            set_random_state(self._checkpoint, random_state)
        finally:
            self.close()

    def close(self) -> None:
        """Drops the plan, or what is left of it."""
        self._steps.clear()
        self._built.clear()
        self._checkpoint.close()

    def _checked(self) -> dict[int, Any]:
        """The live object by the id of the newly built one."""
        found: dict[int, Any] = {}
        pairs = []
        for entry in self._entries:
            built = self._built[entry.name].value
            if built is not entry.value:
                with _naming(entry.name):
                    pairs += [(entry.name, *each) for each in pour.pairs_of(entry.value, built)]
                    if entry.kind == "optimizer":
                        _check_groups(entry.value, built)
                        found |= pour.tensor_options(entry.value, built)
        for _, live, built in pairs:
            found[id(built)] = live
        for name, _, built in pairs:
            with _naming(name):
                pour.check(built, found)
        return found

    def _family(self, family: Family, terms: Terms) -> None:
        live = {entry.name: entry.value for entry in self._entries}
        owner = family.optimizer
        kept = any(entry.value is live[entry.name] for entry in (owner, *family.schedules) if entry)
        if owner is None and not kept:
            raise StateError("its optimizer is not tracked: build and track both in one function")
        settled = settle_kept(family, terms) if kept else settle(family, terms)
        self.notes += settled.notes
        for entry in family.schedules:
            self._steps.append(functools.partial(self._schedule, entry, live[entry.name]))
        if owner is not None:
            self._steps.append(functools.partial(self._optimizer, owner, live[owner.name], settled))

    def _schedule(self, entry: Entry, live: Any) -> None:
        with taking_over(entry.name):
            if entry.value is live:
                live.load_state_dict(self._checkpoint.state(entry.name))
            else:
                pour.schedule(live, entry.value, self._counterparts)

    def _optimizer(self, entry: Entry, live: Any, settled: Settled) -> None:
        assert settled.groups is not None, "it fits"
        with taking_over(entry.name):
            before = [options(group) for group in live.param_groups]
            if entry.value is not live:
                for own, built in pour.pairs_of(live, entry.value):
                    pour.attributes(own, built, self._counterparts)
            state = self._checkpoint.state(entry.name, copy=False)
            if readable(state):
                state = ordered(entry, state, self._checkpoint, self._names)
            if fits_in_place(live, state):
                copy_state(live, state["state"])
                for group in live.param_groups:
                    _strip(group)
            else:
                self._load(entry, live, settled)
            for each in zip(live.param_groups, settled.groups, before, strict=True):
                place(*each)

    def _load(self, entry: Entry, live: Any, settled: Settled) -> None:
        """As a fresh process does it: into the live optimizer, which is made new before."""
        tensors = pour.tensors_of(live)
        for own, built in pour.pairs_of(live, entry.value):
            if hasattr(own, "param_groups") and own is not built:
                pour.as_built(own, built)
        state = self._checkpoint.state(entry.name)
        if readable(state):
            state = ordered(entry, state, self._checkpoint, self._names)
            pairs = zip(settled.groups or [], state["param_groups"], strict=True)
            state["param_groups"] = [{**final, "params": saved["params"]} for final, saved in pairs]
        live.load_state_dict(state)
        pour.keep_tensors(live, tensors)


def plan(
    entries: Sequence[Entry],
    rebuilt: Mapping[str, Any],
    checkpoint: Checkpoint,
    *,
    exploit: bool,
    total_steps: int,
) -> Plan:
    """Works out a takeover in place.

    Raises:
        StateError: it isn't possible. Nothing was changed, and the checkpoint is closed.
    """
    try:
        terms = Terms(checkpoint, exploit, total_changed(checkpoint, total_steps), seconds=SECONDS)
        _check_none_fresh(unfit(entries, checkpoint))
        made = Plan(entries, checkpoint)
        made.work_out(rebuilt, terms)
    except BaseException as error:
        checkpoint.close()
        if isinstance(error, StateError):
            raise StateError(f"This process can't take the checkpoint over in place: {error}") from error
        raise
    return made


def set_random_state(checkpoint: Checkpoint, random_state: Literal["restore"] | tuple[object, ...]) -> None:
    """Gives the random generators the checkpoint's states, or seeds them."""
    if random_state != "restore":
        randomness.reseed(tuple(random_state))
        return
    generators = randomness.generators()
    for name, state in checkpoint.random(set(generators)):
        with taking_over(f"random.{name}"):
            generators[name].set(state)


def _built_again(entries: Sequence[Entry], rebuilt: Mapping[str, Any]) -> list[Entry]:
    """The entries, with newly built values where there are some."""
    expected = {entry.name for entry in entries if entry.rebuilds}
    if expected != rebuilt.keys():
        names = ", ".join(sorted(expected ^ rebuilt.keys()))
        raise StateError(f"the build function returned other names than at first: {names}")
    found = []
    for entry in entries:
        again = replace(entry, value=rebuilt.get(entry.name, entry.value))
        if entry.rebuilds:
            if again.class_name != entry.class_name or again.value is entry.value:
                raise StateError(
                    f"{entry.name}: the build function made a {again.class_name} this time, or the same object; "
                    f"at first it made a new {entry.class_name}"
                )
            again.built = again.options()
        found.append(again)
    return found


def _check_none_fresh(reasons: Mapping[str, str]) -> None:
    if reasons:
        raise StateError("; ".join(f"{name} starts fresh: {reason}" for name, reason in reasons.items()))


def _check_groups(live: Any, built: Any) -> None:
    """Whether the groups are new, with the parameters of the first call."""
    if len(live.param_groups) != len(built.param_groups):
        raise StateError("the build function made another number of param groups than it has now")
    for own, other in zip(live.param_groups, built.param_groups, strict=True):
        if own is other:
            raise StateError(
                "its param groups are the same dicts as before: make them inside the build function"
            )
        if [id(each) for each in own["params"]] != [id(each) for each in other["params"]]:
            raise StateError("the build function gave it other parameters than it has now")


def _check_fit(entries: Sequence[Entry], checkpoint: Checkpoint) -> None:
    """Whether what the objects get fits, which some would only say in the middle of it."""
    for entry in entries:
        if entry.kind == "object" and entry.name in checkpoint.names:
            with taking_over(entry.name), _naming(entry.name):
                checkpoint.compare(entry.name, entry.state())
                if isinstance(entry.value, Trainable):
                    entry.value.check(checkpoint.state(entry.name, copy=False))
        saved = checkpoint.state(entry.name, copy=False) if entry.kind == "module" else None
        if not isinstance(saved, dict):
            continue
        live = entry.value.state_dict()
        mine = {plain: live[name] for name, plain in plain_names(live).items()}
        shapes = [
            {name: tuple(value.shape) for name, value in state.items() if is_tensor(value)}
            for state in (mine, saved)
        ]
        if mine.keys() != saved.keys() or shapes[0] != shapes[1]:
            raise StateError(f"{entry.name}: the checkpoint's weights don't fit")


def _drop_gradients(entry: Entry) -> None:
    # By hand: not every `zero_grad` takes the argument, and some do more than that.
    for parameter in parameters_of(entry):
        parameter.grad = None


def _first(family: Family) -> str:
    return (family.optimizer or family.schedules[0]).name


def _strip(group: dict[str, Any]) -> None:
    params = group["params"]
    group.clear()
    group["params"] = params


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except StateError as error:
        raise StateError(f"{name}: {error}") from None
