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
from pbt_trainer.state.made_late import MadeBefore
from pbt_trainer.state.optimizer_options import OPTIONS
from pbt_trainer.state.optional import Optional
from pbt_trainer.state.parameters import described, module_of, names_of
from pbt_trainer.state.plan import Plan, plan, set_random_state
from pbt_trainer.state.restore import restore_objects
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tensors import Leaves, number
from pbt_trainer.state.tracked_object import Entry, kind_of, refuse_wrapper


class Captured(NamedTuple):
    """A checkpoint's two files: `state.json`, and the length in bytes of the `state.safetensors` in `Staging`."""

    tree: bytes
    num_bytes: int


class Tracked:
    """The tracked objects by name.

    Args:
        total_steps: the last step of the training that this process is for.
    """

    def __init__(self, *, total_steps: int) -> None:
        self._total_steps = total_steps
        self._entries: dict[str, Entry] = {}
        self._before: MadeBefore | None = None

    def add(self, name: str, value: Any, *, built: bool = False) -> None:
        """Tracks an object as the script has just built it.

        Args:
            name: that it has in checkpoints.
            value: the object; or `optional(object)`.
            built: whether a function has built it that can build it again.

        Raises:
            UsageError: it has no `state_dict` and `load_state_dict`, the name or the object is taken, or it is a
                wrapper that hides a part of its state.
            StateError: its state holds something that a checkpoint can't keep.
        """
        missing = isinstance(value, Optional)
        value = value.value if isinstance(value, Optional) else value
        if not name.isidentifier() or name in self._entries:
            raise UsageError(f"track({name}=...): a name is an identifier and used once")
        for other in self._entries.values():
            if other.value is value:
                raise UsageError(f"track({name}=...) is tracked already, as {other.name}")
        refuse_wrapper(name, value)
        for method in ("state_dict", "load_state_dict"):
            if not callable(getattr(value, method, None)):
                raise UsageError(
                    f"track({name}=...): {type(value).__name__} has no {method}(). Track the model, the "
                    "optimizer, the scheduler and whatever else training changes; give your own classes "
                    "the two methods"
                )
        entry = Entry(name, value, kind_of(value), optional=missing, rebuilds=built)
        entry.form = _check(entry.state(), path=name)
        entry.built = entry.options()
        _check(entry.built, path=f"{name} (as built)")
        self._entries[name] = entry

    def complete(self) -> None:
        """Notes that the script has named everything; `check_complete` tells what it makes from here on."""
        self._before = MadeBefore.now()

    def check_complete(self) -> None:
        """Makes sure, before the loop, that no optimizer or schedule was made on what is tracked since `complete`.

        Raises:
            UsageError: one was.
        """
        if self._before is not None:
            self._before.check(list(self._entries.values()))
            self._before = None

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
        self, folder: Path, *, exploit: bool, random_state: Literal["restore"] | tuple[object, ...]
    ) -> list[str]:
        """Takes a checkpoint over into objects that the script has just built.

        Args:
            folder: with the checkpoint's files; not needed afterwards.
            exploit: whether explore may have changed hyperparameters since the checkpoint; otherwise it is resumed.
            random_state: `restore`, or a key to seed the generators with.

        Returns:
            What a person should know, such as objects that start fresh.

        Raises:
            StateError: the checkpoint doesn't fit the objects.
            RecordRefused: the checkpoint is malformed.
        """
        entries = list(self._entries.values())
        with self._checkpoint(folder) as checkpoint:
            notes = restore_objects(entries, checkpoint, exploit=exploit, total_steps=self._total_steps)
            set_random_state(checkpoint, random_state)
        return notes

    def exploited(self) -> None:
        """What was restored is another policy's: objects that keep what that came to, let it go.

        Those are the ones whose class has `__pbt_exploited__`, such as `Window`.
        """
        for entry in self._entries.values():
            let_go = getattr(type(entry.value), "__pbt_exploited__", None)
            if let_go is not None:
                let_go(entry.value)

    def plan(self, folder: Path, *, exploit: bool, rebuilt: Mapping[str, Any]) -> Plan:
        """Works out how objects in training take a checkpoint over, in the same tensors; changes nothing yet.

        Args:
            folder: with the checkpoint's files; not needed once the plan is applied or closed.
            exploit: whether explore may have changed hyperparameters since the checkpoint.
            rebuilt: what the build function has returned when it was called again, with the hyperparameters from
                now on; empty where there is none.

        Raises:
            StateError: it can't be taken over in place; the message says why.
            RecordRefused: the checkpoint is malformed.
        """
        return plan(
            list(self._entries.values()),
            {name: value.value if isinstance(value, Optional) else value for name, value in rebuilt.items()},
            self._checkpoint(folder),
            exploit=exploit,
            total_steps=self._total_steps,
        )

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

    def _checkpoint(self, folder: Path) -> Checkpoint:
        checkpoint = Checkpoint(folder, gpu=self._gpu())
        checkpoint.likes = {
            entry.name: (entry.state(), entry.built)
            for entry in self._entries.values()
            if entry.form and entry.kind in {"optimizer", "scheduler"}
        }
        return checkpoint

    def _gpu(self) -> Any:
        """The GPU that a tracked module is on; None if none is."""
        # Not by their truth: a compiled module asks the one inside for its length, which few have.
        modules = [found for found in map(module_of, self._entries.values()) if found is not None]
        return next((each.device for module in modules for each in module.parameters() if each.is_cuda), None)

    def _encoded(self) -> tuple[bytes, Leaves]:
        leaves = Leaves()
        encoder = Encoder(leaves)
        names = names_of(self._entries.values())
        objects: dict[str, dict[str, Any]] = {
            name: {
                "class": entry.class_name,
                "kind": entry.kind,
                "state": encoder.encode(entry.state(), path=name, form=entry.form),
                "built": encoder.encode(entry.built, path=f"{name} (as built)"),
            }
            for name, entry in self._entries.items()
        }
        for entry in self._optimizers():
            objects[entry.name]["parameters"] = described(entry.value.param_groups, names)
        random = {
            name: encoder.encode(generator.get(), path=f"random.{name}")
            for name, generator in randomness.generators().items()
        }
        content = {
            "format": encoder.format,
            "total_steps": self._total_steps,
            "objects": objects,
            "random": random,
        }
        return dumps(content), leaves

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
