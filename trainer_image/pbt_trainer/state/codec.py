"""The state of an object as tagged JSON, without pickle: what stands for itself, what gets a tag.

`None`, booleans, strings, finite floats, lists and ints within 53 bits are themselves; anything else is an
object with one key, its tag: `{"tuple": [...]}`, `{"dict": {...}}`, `{"map": [[key, value], ...]}` for keys
that are not all strings, `{"tensor": {"leaf": NAME}}` for what lies in `state.safetensors`. Only exact types
are taken, so that nothing comes back as something less (a named tuple as a tuple, for example), and no class is
ever looked up by name. To support one more type, add a line to the table of writers and one to that of readers.
"""

import base64
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from pbt_contract.errors import RecordRefused, StateError
from pbt_contract.text import quoted
from pbt_trainer.state.library_values import array_of, node_of, numpy_scalar, tensor_of, torch_value
from pbt_trainer.state.tensors import Leaf, Leaves, is_array, is_tensor, refusal

MAX_DEPTH = 100  # nested containers; what real state has is far below, and Python's stack far above
_EXACT = 2**53  # beyond it other JSON readers round

Read = Callable[[str, str], Any]
"""(leaf, kind) -> the stored tensor or array; kind is `tensor` or `array`."""

_FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (int, float, str, bytes, bool, list, dict, set, tuple)
}


def encode(value: object, *, path: str) -> tuple[Any, list[Leaf]]:
    """The value as a tree of JSON values, and the tensors in it.

    Raises:
        StateError: something in it can't be kept; the message names the way to it, from `path` on.
    """
    leaves = Leaves()
    return Encoder(leaves).encode(value, path=path), leaves.found


def decode(tree: object, read: Read) -> Any:
    """The value that `tree` was made from.

    Raises:
        RecordRefused: `tree` was not made by `encode`.
    """
    try:
        return _Decoder(read).decode(tree, 0)
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
    """Writes values as trees and collects their tensors, over as many values as one checkpoint has."""

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves

    def encode(self, value: object, *, path: str) -> Any:
        """The tree of `value`; see the function `encode`."""
        return self.tree(value, (path,))

    def tree(self, value: Any, path: tuple[object, ...]) -> Any:
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

    def items(self, values: Any, path: tuple[object, ...]) -> list[Any]:
        """Each value of a sequence, as a tree."""
        return [self.tree(item, (*path, index)) for index, item in enumerate(values)]

    def elements(self, values: Any, path: tuple[object, ...]) -> list[Any]:
        """The members of a set, in an order that depends on nothing but them."""
        return sorted((self.key(item, path) for item in values), key=dumps)

    def pairs(self, values: Any, path: tuple[object, ...]) -> list[Any]:
        """The items of a mapping, in their order."""
        return [[self.key(key, path), self.tree(item, (*path, key))] for key, item in values.items()]

    def mapping(self, values: dict[Any, Any], path: tuple[object, ...]) -> Any:
        """A plain dict: readable where all keys are strings."""
        if all(type(key) is str for key in values):
            return {"dict": {key: self.tree(item, (*path, key)) for key, item in values.items()}}
        return {"map": self.pairs(values, path)}

    def default(self, values: Any, path: tuple[object, ...]) -> Any:
        """A defaultdict, if its factory is a builtin one."""
        factory = values.default_factory
        name = getattr(factory, "__name__", None)
        if factory is not None and _FACTORIES.get(str(name)) is not factory:
            raise refusal(values, describe(path), "Its factory is no builtin type: make it a dict there")
        return {"defaultdict": [name, self.pairs(values, path)]}

    def key(self, value: Any, path: tuple[object, ...]) -> Any:
        """The tree of something hashable."""
        if is_tensor(value):
            raise refusal(value, f"A key of {describe(path)}", "As a key it would lose its identity")
        return self.tree(value, (*path, value))

    def leaf(self, value: Any, path: tuple[object, ...]) -> dict[str, Any]:
        """What the node of a tensor or array says."""
        return self._leaves.add(value, path=describe(path), name=".".join(map(str, path)))


def describe(path: tuple[object, ...]) -> str:
    """`optimizer.state[0]['foo']`: how a person would write the way to a value."""
    text = str(path[0])
    for depth, key in enumerate(path[1:]):
        plain = depth == 0 and isinstance(key, str) and key.isidentifier()
        text += f".{key}" if plain else f"[{key!r}]"
    return text


_Writer = Callable[[Encoder, Any, tuple[object, ...]], Any]
_WRITERS: dict[type, _Writer] = {
    int: lambda _encoder, value, _path: {"int": hex(value)},
    complex: lambda encoder, value, path: {"complex": encoder.items((value.real, value.imag), path)},
    bytes: lambda _encoder, value, _path: {"bytes": _base64(value)},
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


def _library_writer(value: object) -> _Writer | None:
    if is_tensor(value):
        return lambda encoder, value, path: {"tensor": encoder.leaf(value, path)}
    if is_array(value):
        return lambda encoder, value, path: {"array": encoder.leaf(value, path)}
    node = node_of(value)
    return None if node is None else lambda _encoder, _value, _path: node


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class _Decoder:
    def __init__(self, read: Read) -> None:
        self._read = read
        self._leaves: dict[str, Any] = {}  # what was one tensor in two places comes back as one

    def decode(self, tree: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(tree, list):
            return [self.decode(item, depth + 1) for item in tree]
        if not isinstance(tree, dict):
            return tree
        ((tag, body),) = tree.items()
        return _READERS[tag](self, body, depth + 1)

    def items(self, body: Any, depth: int) -> list[Any]:
        if not isinstance(body, list):
            raise TypeError("a list is expected")
        return [self.decode(item, depth) for item in body]

    def pairs(self, body: Any, depth: int) -> list[tuple[Any, Any]]:
        return [(self.decode(key, depth), self.decode(item, depth)) for key, item in body]

    def leaf(self, body: Mapping[str, Any], kind: str) -> Any:
        name = body["leaf"]
        if name not in self._leaves:
            form = tensor_of if kind == "tensor" else array_of
            self._leaves[name] = form(self._read(name, kind), body)
        return self._leaves[name]


def _default(decoder: _Decoder, body: Any, depth: int) -> Any:
    name, pairs = body
    return defaultdict(None if name is None else _FACTORIES[name], decoder.pairs(pairs, depth))


_READERS: dict[str, Callable[[_Decoder, Any, int], Any]] = {
    "int": lambda _decoder, body, _depth: int(body, 16),
    "float": lambda _decoder, body, _depth: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[body],
    "complex": lambda decoder, body, depth: complex(*decoder.items(body, depth)),
    "bytes": lambda _decoder, body, _depth: base64.b64decode(body, validate=True),
    "tuple": lambda decoder, body, depth: tuple(decoder.items(body, depth)),
    "deque": lambda decoder, body, depth: deque(decoder.items(body[1], depth), maxlen=body[0]),
    "set": lambda decoder, body, depth: set(decoder.items(body, depth)),
    "frozenset": lambda decoder, body, depth: frozenset(decoder.items(body, depth)),
    "dict": lambda decoder, body, depth: {key: decoder.decode(item, depth) for key, item in body.items()},
    "map": lambda decoder, body, depth: dict(decoder.pairs(body, depth)),
    "OrderedDict": lambda decoder, body, depth: OrderedDict(decoder.pairs(body, depth)),
    "Counter": lambda decoder, body, depth: Counter(dict(decoder.pairs(body, depth))),
    "defaultdict": _default,
    "tensor": lambda decoder, body, _depth: decoder.leaf(body, "tensor"),
    "array": lambda decoder, body, _depth: decoder.leaf(body, "array"),
    "numpy": lambda _decoder, body, _depth: numpy_scalar(body),
    "torch.Size": lambda _decoder, body, _depth: torch_value("Size", body),
    "torch.dtype": lambda _decoder, body, _depth: torch_value("dtype", body),
    "torch.device": lambda _decoder, body, _depth: torch_value("device", body),
}
