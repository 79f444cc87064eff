"""The state of an object as tagged JSON, without pickle: what stands for itself, what gets a tag.

`None`, booleans, strings, finite floats, lists and ints within 53 bits are themselves; anything else is an
object with one key, its tag: `{"tuple": [...]}`, `{"dict": {...}}`, `{"map": [[key, value], ...]}` for keys
that are not all strings, `{"tensor": {"leaf": NAME}}` for what lies in `state.safetensors`. Only exact types
are taken, so that nothing comes back as something less, and no class is ever looked up by name: that of a named tuple
or a pytree comes from the object that takes the state over (`structures.py`). To support one more type, add a line to
the table of writers and one to that of readers.
"""

import base64
import json
import math
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection
from typing import Any

from pbt_contract.errors import RecordRefused, StateError
from pbt_contract.text import quoted
from pbt_trainer.state import structures
from pbt_trainer.state.array_likes import is_array_like, is_jax, is_typed_key
from pbt_trainer.state.library_values import is_node, node_of
from pbt_trainer.state.structures import PLAIN
from pbt_trainer.state.tensors import Leaf, Leaves, is_array, is_tensor, refusal
from pbt_trainer.state.tree_reader import FACTORIES, MAX_DEPTH, Decoder, Read

_EXACT = 2**53  # beyond it other JSON readers round

_NO_FORM = (
    "Its class comes from the object that takes the state over, which has none in this place when track() is called: "
    "make it a plain tuple or dict in state_dict(), and its own class again in load_state_dict()"
)

Way = tuple[object, ...]
"""The way to a value: the object's name, then keys and indices."""


def encode(value: object, *, path: str) -> tuple[Any, list[Leaf]]:
    """The value as a tree of JSON values, and the tensors in it.

    Raises:
        StateError: something in it can't be kept; the message names the way to it, from `path` on.
    """
    leaves = Leaves()
    return Encoder(leaves).encode(value, path=path), leaves.found


def decode(tree: object, read: Read | None, *, like: Any = PLAIN) -> Any:
    """The value that `tree` was made from.

    Args:
        tree: from JSON.
        read: gets its leaves; None only compares the form with `like`, and the result is of no use.
        like: the value that the object has now, whose named tuples and pytrees say of which classes those of the tree
            are; by default they come back as dicts.

    Raises:
        RecordRefused: `tree` was not made by `encode`.
        StateError: `like` has another form.
    """
    try:
        return Decoder(read).decode(tree, 0, like)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError) as error:
        reason = quoted(f"{type(error).__name__}: {error}")
        raise RecordRefused(f"the state is malformed: {reason}") from error


def dumps(tree: object) -> bytes:
    """The tree as JSON."""
    return json.dumps(tree, allow_nan=False, separators=(",", ":")).encode("ascii")


def loads(data: bytes) -> Any:
    """The inverse of `dumps`.

    Raises:
        RecordRefused: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordRefused(f"the state is no JSON: {quoted(str(error))}") from error


class Encoder:
    """Writes values as trees and collects their tensors, over as many values as one checkpoint has.

    Attributes:
        format: that a reader must know: 1, or 2 once something of other libraries than torch and numpy, or a
            named tuple, was written.
        structures: the ways to the named tuples and pytrees that were met.
    """

    def __init__(self, leaves: Leaves) -> None:
        self.format = 1
        self.structures: list[Way] = []
        self._leaves = leaves
        self._form: Collection[Way] | None = None
        self._as_key = False

    def encode(self, value: object, *, path: str, form: Collection[Way] | None = None) -> Any:
        """The tree of `value`; see the function `encode`.

        Args:
            value: what to write.
            path: what it is called.
            form: where a restore will find named tuples and pytrees in the object; None: wherever they are now.
        """
        self._form = form
        return self.tree(value, (path,))

    def tree(self, value: Any, path: Way) -> Any:
        """The tree of a value at the end of `path`."""
        kind = type(value)
        if kind in {bool, str, type(None)} or (kind is int and abs(value) <= _EXACT):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if len(path) > MAX_DEPTH:
            raise StateError(
                f"{describe(path[:6])}... is nested more than {MAX_DEPTH} deep, or holds itself: "
                "leave it out of state_dict()."
            )
        write = _WRITERS.get(kind) or _library_writer(value)
        if write is None:
            raise refusal(value, describe(path))
        return write(self, value, path)

    def items(self, values: Any, path: Way) -> list[Any]:
        """Each value of a sequence, as a tree."""
        return [self.tree(item, (*path, index)) for index, item in enumerate(values)]

    def elements(self, values: Any, path: Way) -> list[Any]:
        """The members of a set, in an order that depends on nothing but them."""
        return sorted((self.key(item, path) for item in values), key=dumps)

    def pairs(self, values: Any, path: Way) -> list[Any]:
        """The items of a mapping, in their order."""
        return [[self.key(key, path), self.tree(item, (*path, key))] for key, item in values.items()]

    def mapping(self, values: dict[Any, Any], path: Way) -> Any:
        """A plain dict: readable where all keys are strings."""
        if all(type(key) is str for key in values):
            return {"dict": {key: self.tree(item, (*path, key)) for key, item in values.items()}}
        return {"map": self.pairs(values, path)}

    def default(self, values: Any, path: Way) -> Any:
        """A defaultdict, if its factory is a builtin one."""
        factory = values.default_factory
        name = getattr(factory, "__name__", None)
        if factory is not None and FACTORIES.get(str(name)) is not factory:
            raise refusal(values, describe(path), "Its factory is no builtin type: make it a dict there")
        return {"defaultdict": [name, self.pairs(values, path)]}

    def key(self, value: Any, path: Way) -> Any:
        """The tree of something hashable."""
        if is_tensor(value):
            raise refusal(value, f"A key of {describe(path)}", "As a key it would lose its identity")
        outer, self._as_key = self._as_key, True
        try:
            return self.tree(value, (*path, value))
        finally:
            self._as_key = outer

    def structure(self, value: Any, path: Way) -> Any:
        """What gets its class from the live object: what is in it, and of which class, for messages."""
        self.format = 2
        if self._as_key or (self._form is not None and path not in self._form):
            raise refusal(value, describe(path), _NO_FORM)
        self.structures.append(path)
        if structures.is_enum(value):
            return {"enum": [structures.class_name(value), value.name]}
        if structures.is_namedtuple(value):
            tag, found = "namedtuple", list(zip(value._fields, value, strict=True))
        else:
            tag, found = "pytree", structures.children(value)
        items = [[name, self.tree(item, (*path, name))] for name, item in found]
        return {tag: [structures.class_name(value), items]}

    def bytearray(self, value: Any) -> Any:
        """Bytes that can be changed, as xgboost gives and takes a model."""
        self.format = 2
        return {"bytearray": _base64(value)}

    def jax(self, value: Any, path: Way) -> Any:
        """An array of JAX, or typed random keys."""
        self.format = 2
        if is_typed_key(value):
            random: Any = sys.modules["jax"].random
            return {"jax.key": [str(random.key_impl(value)), self.leaf(random.key_data(value), path)]}
        return {"jax": self.leaf(value, path) | ({"weak": True} if value.weak_type else {})}

    def leaf(self, value: Any, path: Way) -> dict[str, Any]:
        """What the node of a tensor or array says."""
        return self._leaves.add(value, path=describe(path), name=".".join(map(str, path)))


def describe(path: Way) -> str:
    """`optimizer.state[0]['foo']`: how a person would write the way to a value."""
    text = str(path[0])
    for depth, key in enumerate(path[1:]):
        plain = depth == 0 and isinstance(key, str) and key.isidentifier()
        text += f".{key}" if plain else f"[{key!r}]"
    return text


_Writer = Callable[[Encoder, Any, Way], Any]
_WRITERS: dict[type, _Writer] = {
    int: lambda _encoder, value, _path: {"int": hex(value)},
    complex: lambda encoder, value, path: {"complex": encoder.items((value.real, value.imag), path)},
    bytes: lambda _encoder, value, _path: {"bytes": _base64(value)},
    bytearray: lambda encoder, value, _path: encoder.bytearray(value),
    list: lambda encoder, value, path: encoder.items(value, path),
    tuple: lambda encoder, value, path: {"tuple": encoder.items(value, path)},
    deque: lambda encoder, value, path: {"deque": [value.maxlen, encoder.items(value, path)]},
    set: lambda encoder, value, path: {"set": encoder.elements(value, path)},
    frozenset: lambda encoder, value, path: {"frozenset": encoder.elements(value, path)},
    dict: lambda encoder, value, path: encoder.mapping(value, path),
    OrderedDict: lambda encoder, value, path: {"OrderedDict": encoder.pairs(value, path)},
    Counter: lambda encoder, value, path: {"Counter": encoder.pairs(value, path)},
    defaultdict: lambda encoder, value, path: encoder.default(value, path),
}


# In this order: JAX takes a named tuple for a pytree, and its arrays have the methods of any array.
_LIBRARY_WRITERS: list[tuple[Callable[[Any], bool], _Writer]] = [
    (is_tensor, lambda encoder, value, path: {"tensor": encoder.leaf(value, path)}),
    (is_array, lambda encoder, value, path: {"array": encoder.leaf(value, path)}),
    (is_node, lambda _encoder, value, _path: node_of(value)),
    (is_jax, Encoder.jax),
    (structures.is_enum, Encoder.structure),
    (structures.is_namedtuple, Encoder.structure),
    (structures.is_pytree, Encoder.structure),
    (is_array_like, lambda encoder, value, path: {"array": encoder.leaf(value, path)}),
]


def _library_writer(value: object) -> _Writer | None:
    return next((write for takes, write in _LIBRARY_WRITERS if takes(value)), None)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
