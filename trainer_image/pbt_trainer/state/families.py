"""An optimizer and the schedules on it, which a restore must settle together.

What is settled is newly built: by the script that has just started, or by its build function that was called again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from pbt_contract.errors import StateError
from pbt_trainer.state.checkpoint_files import Checkpoint
from pbt_trainer.state.optimizer_options import Fields, changed, edits, options, same, settled
from pbt_trainer.state.schedules import Replay, has_functions, replay, steps_to
from pbt_trainer.state.tensors import number
from pbt_trainer.state.tracked_object import Entry


class How(Enum):
    """How the schedules of an optimizer go on."""

    EXACT = auto()  # as the checkpoint has them
    REPLAYED = auto()  # newly built, after as many steps
    CONTINUED = auto()  # the checkpoint's position with this script's constants: no steps lead there


@dataclass(frozen=True, slots=True)
class Family:
    """A tracked optimizer, and the tracked schedules that write to its groups; or schedules of an untracked one."""

    optimizer: Entry | None
    schedules: Sequence[Entry]

    @property
    def groups(self) -> list[Fields]:
        """The param groups."""
        owner = self.optimizer.value if self.optimizer else self.schedules[0].value.optimizer
        found: list[Fields] = owner.param_groups
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """What a restore is about.

    Attributes:
        exploit: whether explore may have changed hyperparameters since the checkpoint.
        total_changed: whether the checkpoint was written for another number of steps.
        unfit: the objects that start fresh, with the reason.
        seconds: that a schedule may take to be stepped; None for no limit.
    """

    checkpoint: Checkpoint
    exploit: bool
    total_changed: bool
    unfit: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of it: the schedules are as they shall be, the optimizer gets this.

    Attributes:
        groups: the options that its groups shall have; None where it starts fresh, as it is now.
        notes: what a person should know.
    """

    groups: list[Fields] | None
    notes: list[str]


def families(entries: Sequence[Entry]) -> list[Family]:
    """The tracked optimizers, each with its schedules."""
    schedules = [entry for entry in entries if entry.kind == "scheduler"]
    found = []
    for entry in entries:
        if entry.kind == "optimizer":
            groups = {id(group) for group in entry.value.param_groups}
            own = [each for each in schedules if not groups.isdisjoint(_groups_of(each))]
            schedules = [each for each in schedules if each not in own]
            found.append(Family(entry, own))
    untracked: dict[int, list[Entry]] = {}
    for each in schedules:
        untracked.setdefault(id(each.value.optimizer), []).append(each)
    return [*found, *(Family(None, own) for own in untracked.values())]


def _groups_of(schedule: Entry) -> set[int]:
    return {id(group) for group in schedule.value.optimizer.param_groups}


def settle(family: Family, terms: Terms) -> Settled:
    """Brings newly built schedules to where they shall be, and says what their optimizer's options are."""
    built = [_copied(options(group)) for group in family.groups]
    how = how_of(family, terms)
    touched = _replayed(family, terms) if how is How.REPLAYED else []
    groups = None
    optimizer = family.optimizer
    if optimizer is not None and optimizer.name not in terms.unfit:
        groups = _settled(optimizer, terms, built, scaled=how is How.CONTINUED or not family.schedules)
        for final, by_schedules in zip(groups, touched, strict=False):
            final.update(_copied(by_schedules))
    if how is not How.REPLAYED:
        for entry in family.schedules:
            if entry.name not in terms.unfit:
                _load(entry, terms, merged=how is How.CONTINUED, rates=groups)
    return Settled(groups, _notes(family, terms, how))


def settle_kept(family: Family, terms: Terms) -> Settled:
    """The same for objects in training, that nothing builds again: their schedules are left alone.

    Raises:
        StateError: only a newly built schedule or optimizer can tell.
    """
    optimizer = family.optimizer
    for entry in (optimizer, *family.schedules):
        if entry is not None and not _is_all_in_its_state(entry):
            raise StateError(
                f"a {type(entry.value).__qualname__} may keep more than its state_dict() tells: build it in a "
                "function with @run.build"
            )
    if how_of(family, terms) is not How.EXACT:
        raise StateError(
            "the donor's schedule differs, or a function decides about it: only a newly built one can be brought to "
            "where the donor's is. Build it in a function with @run.build"
        )
    if optimizer is None:
        return Settled(None, _notes(family, terms, How.EXACT))
    groups = _settled(optimizer, terms, optimizer.built, scaled=not family.schedules)
    return Settled(groups, _notes(family, terms, How.EXACT))


def _is_all_in_its_state(entry: Entry) -> bool:
    """Whether loading a state leaves nothing of what the object was before: sure of torch's own classes only."""
    return type(entry.value).__module__.startswith("torch.optim.")


def how_of(family: Family, terms: Terms) -> How:
    """How the schedules go on; changes nothing."""
    differs = any(_differs(entry, terms) for entry in family.schedules)
    members = [*family.schedules, *([family.optimizer] if family.optimizer else [])]
    anew = any(entry.name in terms.unfit for entry in members)
    matters = (
        _options_differ(family.optimizer, terms) or differs
        if terms.exploit
        else terms.total_changed and differs
    )
    if not family.schedules or not (matters or anew):
        return How.EXACT
    if all(_steps(entry, terms) is not None for entry in family.schedules):
        return How.REPLAYED
    return How.CONTINUED if terms.exploit else How.EXACT


def _steps(entry: Entry, terms: Terms) -> int | None:
    if entry.name in terms.unfit:
        return 0
    return steps_to(entry, terms.checkpoint.state(entry.name))


def _differs(entry: Entry, terms: Terms) -> bool:
    """Whether a schedule isn't surely what the checkpoint's script had built."""
    if entry.name in terms.unfit:
        return False
    return has_functions(entry.value) or not same(entry.built, terms.checkpoint.built(entry.name))


def _options_differ(optimizer: Entry | None, terms: Terms) -> bool:
    if optimizer is None or optimizer.name in terms.unfit:
        return False
    pairs = zip(optimizer.built, terms.checkpoint.built(optimizer.name), strict=True)
    return any(next(changed(*pair), None) is not None for pair in pairs)


def _replayed(family: Family, terms: Terms) -> list[Fields]:
    replays = [Replay(entry.value, _steps(entry, terms) or 0) for entry in family.schedules]
    return replay(replays, family.groups, seconds=terms.seconds)


def _settled(optimizer: Entry, terms: Terms, built: list[Fields], *, scaled: bool) -> list[Fields]:
    saved = saved_groups(optimizer, terms.checkpoint)
    theirs = terms.checkpoint.built(optimizer.name)
    return [
        settled(*group, exploit=terms.exploit, scaled=scaled)
        for group in zip(saved, theirs, built, strict=True)
    ]


def saved_groups(optimizer: Entry, checkpoint: Checkpoint) -> list[Fields]:
    """The options that the checkpoint has, by group; an optimizer that keeps them elsewhere is loaded to tell them."""
    state = checkpoint.state(optimizer.name, copy=False)
    if readable(state):
        return [_copied(options(group)) for group in state["param_groups"]]
    optimizer.value.load_state_dict(checkpoint.state(optimizer.name))
    return [_copied(options(group)) for group in optimizer.value.param_groups]


def readable(state: Any) -> bool:
    """Whether an optimizer's state is laid out as torch's own optimizers lay it out."""
    if not isinstance(state, dict) or not isinstance(state.get("state"), dict):
        return False
    groups = state.get("param_groups")
    return isinstance(groups, list) and all(isinstance(group, dict) and "params" in group for group in groups)


def _load(entry: Entry, terms: Terms, *, merged: bool, rates: list[Fields] | None) -> None:
    state = terms.checkpoint.state(entry.name)
    if merged:
        state = _merged(state, entry.built, terms.checkpoint.built(entry.name), rates)
    entry.value.load_state_dict(state)


def _merged(state: Fields, mine: Fields, theirs: Fields, rates: list[Fields] | None) -> Fields:
    """The checkpoint's position, with the constants in which the two scripts differ as this one has them."""
    merged = dict(state)
    for key in changed(mine, theirs):
        if key == "_schedulers":
            parts = zip(state[key], mine[key], theirs[key], strict=True)
            merged[key] = [_merged(*part, rates) for part in parts]
        elif key == "_last_lr":
            merged[key] = [number(group["lr"]) for group in rates] if rates else state[key]
        elif key in state:
            merged[key] = mine[key]
    return merged


def _notes(family: Family, terms: Terms, how: How) -> list[str]:
    if how is How.CONTINUED:
        return [
            f"{entry.name} goes on as the donor's, at this member's constants and rates: steps can't lead there"
            for entry in family.schedules
        ]
    if terms.exploit:
        return []
    notes = []
    for entry in (family.optimizer, *(family.schedules if how is How.EXACT else ())):
        if entry is not None and entry.name not in terms.unfit:
            mine, theirs = entry.built, terms.checkpoint.built(entry.name)
            notes += edits(entry.name, *((mine, theirs) if entry.kind == "optimizer" else ([mine], [theirs])))
    return notes


def _copied(fields: Fields) -> Fields:
    """Options that later changes of tensors don't reach."""
    return {key: value.clone() if hasattr(value, "clone") else value for key, value in fields.items()}
