"""The objects that a script tracks: checked when added, captured as a checkpoint, restored from one."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pbt_contract.errors import StateError, UsageError
from pbt_contract.records import Value
from pbt_trainer.state import random_state as randomness
from pbt_trainer.state.checkpoint_files import MAX_STATE_BYTES, Checkpoint
from pbt_trainer.state.codec import Encoder, Way, decode, dumps, encode, loads
from pbt_trainer.state.optimizer_options import LEARNING_RATES, OPTIONS
from pbt_trainer.state.restore import Assigned, restore_objects, taking_over
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tensors import Leaves, number
from pbt_trainer.state.tracked_object import Entry, kind_of


class Captured(NamedTuple):
    """A checkpoint's two files: `state.json`, and the length in bytes of the `state.safetensors` in `Staging`."""

    tree: bytes
    num_bytes: int


class Tracked:
    """The tracked objects by name.

    Args:
        hyperparameters: what the script builds the objects with. A takeover in place needs them, to tell what
            follows a hyperparameter from what is the script's constant.
    """

    def __init__(self, hyperparameters: Mapping[str, Value]) -> None:
        self._assigned = dict(hyperparameters)
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, value: Any) -> None:
        """Tracks an object as the script has just built it.

        Raises:
            UsageError: it has no `state_dict` and `load_state_dict`, or the name or the object is taken.
            StateError: its state holds something that a checkpoint can't keep.
        """
        if not name.isidentifier() or name in self._entries:
            raise UsageError(f"track({name}=...): a name is an identifier and used once")
        for other in self._entries.values():
            if other.value is value:
                raise UsageError(f"track({name}=...) is tracked already, as {other.name}")
        for method in ("state_dict", "load_state_dict"):
            if not callable(getattr(value, method, None)):
                raise UsageError(
                    f"track({name}=...): {type(value).__name__} has no {method}(). Track the model, the "
                    "optimizer, the scheduler and whatever else training changes; give your own classes "
                    "the two methods"
                )
        entry = Entry(name, value, kind_of(value))
        entry.form = _check(entry.state(), path=name)
        entry.built = entry.options()
        _check(entry.built, path=f"{name} (as built)")
        self._entries[name] = entry

    def capture(self, staging: Staging) -> Captured:
        """Copies the state of all objects and of the random generators; afterwards training may continue.

        Raises:
            StateError: an object holds something that a checkpoint can't keep.
        """
        tree, leaves = self._encoded()
        if len(tree) > MAX_STATE_BYTES:
            raise StateError(
                f"The state without tensors takes {len(tree)} bytes of JSON, the limit is {MAX_STATE_BYTES}: "
                "keep large tables as numpy arrays or tensors"
            )
        return Captured(tree, staging.stage(leaves.found, aliases=leaves.aliases))

    def prepare(self, staging: Staging) -> None:
        """Makes memory ready for the next checkpoint while training continues; the state must have its final size."""
        with suppress(StateError):  # that is for the report to tell
            _, leaves = self._encoded()
            staging.prepare(leaves.found, aliases=leaves.aliases)

    def restore(
        self,
        folder: Path,
        *,
        assigned_then: Mapping[str, Value],
        assigned_now: Mapping[str, Value],
        random_state: Literal["restore"] | tuple[object, ...],
        in_place: bool,
    ) -> list[str]:
        """Takes a checkpoint over; `optimizer_options.py` says which options come from it.

        Args:
            folder: with the checkpoint's files; not needed afterwards.
            assigned_then: the hyperparameters that the checkpoint's writer was given.
            assigned_now: those that this process has from now on.
            random_state: `restore`, or a key to seed the generators with.
            in_place: the objects were trained with other hyperparameters and continue with these, in the same
                tensors; otherwise the script has just built them.

        Returns:
            What a person should know, such as objects that start fresh.

        Raises:
            StateError: the checkpoint doesn't fit the objects.
            RecordRefused: the checkpoint is malformed.
        """
        assigned = Assigned(self._assigned, assigned_then, assigned_now)
        entries = list(self._entries.values())
        with Checkpoint(folder, gpu=self._gpu()) as checkpoint:
            notes = restore_objects(entries, checkpoint, assigned=assigned, in_place=in_place)
            self._assigned = dict(assigned_now)
            for entry in entries:
                if in_place and entry.kind in {"module", "optimizer"}:
                    entry.value.zero_grad(set_to_none=True)
            if random_state == "restore":
                generators = randomness.generators()
                for name, state in checkpoint.random(set(generators)):
                    with taking_over(f"random.{name}"):
                        generators[name].set(state)
            else:
                randomness.reseed(tuple(random_state))
        return notes

    def effective(self, hyperparameters: Mapping[str, Value]) -> dict[str, Value | list[Value]]:
        """What the optimizers really use, by hyperparameter: a value, or one by group if they differ."""
        groups = [group for entry in self._optimizers() for group in entry.value.param_groups]
        found: dict[str, Value | list[Value]] = {}
        for name in hyperparameters:
            option = OPTIONS.get(name, name)
            values = [number(group[option]) for group in groups if option in group]
            if values and all(isinstance(value, bool | int | float | str) for value in values):
                found[name] = values[0] if all(value == values[0] for value in values) else values
        return found

    def applied(self, name: str, hyperparameters: Mapping[str, Value]) -> bool:
        """Whether a takeover in place can apply a change of this hyperparameter.

        It can where the script has built a param-group option of that name: the learning rate, or an option
        with this very value. A group may be without it, as biases are without weight decay; any other value
        may follow from the hyperparameter in a way that only the script knows.

        Args:
            name: of the hyperparameter.
            hyperparameters: as they were when the objects were built, or since the last takeover.
        """
        option = OPTIONS.get(name, name)
        groups = [group for entry in self._optimizers() for group in entry.built]
        if option == "lr":
            return any(group.get(key) for group in groups for key in LEARNING_RATES)
        values = [group[option] for group in groups if option in group]
        value = hyperparameters[name]
        return value in values and all(other == value or not other for other in values)

    def _gpu(self) -> Any:
        """The GPU that a tracked module is on; None if none is."""
        for entry in self._entries.values():
            if entry.kind == "module":
                return next((each.device for each in entry.value.parameters() if each.is_cuda), None)
        return None

    def _encoded(self) -> tuple[bytes, Leaves]:
        leaves = Leaves()
        encoder = Encoder(leaves)
        objects = {
            name: {
                "class": entry.class_name,
                "kind": entry.kind,
                "state": encoder.encode(entry.state(), path=name, form=entry.form),
                "built": encoder.encode(entry.built, path=f"{name} (as built)"),
            }
            for name, entry in self._entries.items()
        }
        random = {
            name: encoder.encode(generator.get(), path=f"random.{name}")
            for name, generator in randomness.generators().items()
        }
        return dumps({"format": encoder.format, "objects": objects, "random": random}), leaves

    def _optimizers(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.kind == "optimizer"]


def _check(value: object, *, path: str) -> frozenset[Way]:
    """Encodes, decodes and compares, without copying tensors; returns the places of named tuples and pytrees."""
    leaves = Leaves()
    encoder = Encoder(leaves)
    tree = encoder.encode(value, path=path)
    sources = {leaf.name: leaf.source for leaf in leaves.found}
    kept = decode(loads(dumps(tree)), lambda leaf, _kind: sources[leaf], like=value)
    if encode(kept, path=path)[0] != tree:
        raise StateError(f"{path} doesn't survive a checkpoint: use plain types in its state_dict()")
    return frozenset(encoder.structures)
