"""The reading half of the codec: a tree of tagged JSON becomes values again. Nothing in a tree can run code."""

import base64
import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pbt_contract.text import quoted
from pbt_trainer.state import structures
from pbt_trainer.state.array_likes import jax_array, typed_key
from pbt_trainer.state.library_values import array_of, numpy_scalar, tensor_of, torch_value
from pbt_trainer.state.structures import PLAIN

MAX_DEPTH = 100  # nested containers; what real state has is far below, and Python's stack far above

Read = Callable[[str, str], Any]
"""(leaf, kind) -> the stored tensor or array; kind is `tensor` or `array`."""

FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (int, float, str, bytes, bool, list, dict, set, tuple)
}


class Decoder:
    """Reads one tree; `like` is always what the live object has in the place of what is read.

    Args:
        read: gets the leaves; None to read none and only compare the form, so that no value is of use.
    """

    def __init__(self, read: Read | None) -> None:
        self._read = read
        self._leaves: dict[object, Any] = {}  # what was one tensor in two places comes back as one

    def decode(self, tree: Any, depth: int, like: Any) -> Any:
        """The value of a tree; whatever is wrong with the tree may raise anything but what reads it."""
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(tree, list):
            return self.items(tree, depth + 1, like)
        if not isinstance(tree, dict):
            return tree
        ((tag, body),) = tree.items()
        return _READERS[tag](self, body, depth + 1, like)

    def items(self, body: Any, depth: int, like: Any = PLAIN) -> list[Any]:
        """The values of a list of trees."""
        if not isinstance(body, list):
            raise TypeError("a list is expected")
        found = zip(body, structures.parts(like), strict=False)
        return [self.decode(item, depth, part) for item, part in found]

    def pairs(self, body: Any, depth: int, like: Any) -> list[tuple[Any, Any]]:
        """The keys and values of a list of pairs."""
        keys = [self.decode(key, depth, PLAIN) for key, _ in body]
        found = structures.parts(like, keys)
        values = [self.decode(item, depth, part) for (_, item), part in zip(body, found, strict=False)]
        return list(zip(keys, values, strict=True))

    def structure(self, body: Any, depth: int, like: Any, *, inner: Any, make: Any) -> Any:
        """What `make` builds of a named tuple's or pytree's values, where `inner` finds the live ones."""
        written, items = body
        names = [name for name, _ in items]
        live = inner(like, names, quoted(str(written)))
        values = self.items([item for _, item in items], depth, live)
        return None if self._read is None else make(like, names, values)

    def key(self, body: Any) -> Any:
        """Typed random keys of JAX."""
        implementation, data = body
        return None if self._read is None else typed_key(self.leaf(data, "jax"), implementation)

    def leaf(self, body: Mapping[str, Any], tag: str, like: Any = PLAIN) -> Any:
        """The tensor or array of a node."""
        name = body["leaf"]
        if self._read is None:
            return None
        if (tag, name) not in self._leaves:
            stored = self._read(name, "tensor" if tag == "tensor" else "array")
            found = tensor_of(stored, body) if tag == "tensor" else array_of(stored, body)
            if tag == "jax":
                found = jax_array(found, weak=bool(body.get("weak")), like=like)
            self._leaves[tag, name] = found
        return self._leaves[tag, name]


def _default(decoder: Decoder, body: Any, depth: int, like: Any) -> Any:
    name, pairs = body
    return defaultdict(None if name is None else FACTORIES[name], decoder.pairs(pairs, depth, like))


def _dict(decoder: Decoder, body: Any, depth: int, like: Any) -> dict[str, Any]:
    return dict(decoder.pairs(list(body.items()), depth, like))


_named = partial(Decoder.structure, inner=structures.fields_of, make=structures.named)
_assembled = partial(Decoder.structure, inner=structures.children_of, make=structures.assembled)

_READERS: dict[str, Callable[[Decoder, Any, int, Any], Any]] = {
    "int": lambda _decoder, body, _depth, _like: int(body, 16),
    "float": lambda _decoder, body, _depth, _like: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[
        body
    ],
    "complex": lambda decoder, body, depth, _like: complex(*decoder.items(body, depth)),
    "bytes": lambda _decoder, body, _depth, _like: base64.b64decode(body, validate=True),
    "bytearray": lambda _decoder, body, _depth, _like: bytearray(base64.b64decode(body, validate=True)),
    "tuple": lambda decoder, body, depth, like: tuple(decoder.items(body, depth, like)),
    "deque": lambda decoder, body, depth, like: deque(decoder.items(body[1], depth, like), maxlen=body[0]),
    "set": lambda decoder, body, depth, _like: set(decoder.items(body, depth)),
    "frozenset": lambda decoder, body, depth, _like: frozenset(decoder.items(body, depth)),
    "dict": _dict,
    "map": lambda decoder, body, depth, like: dict(decoder.pairs(body, depth, like)),
    "OrderedDict": lambda decoder, body, depth, like: OrderedDict(decoder.pairs(body, depth, like)),
    "Counter": lambda decoder, body, depth, like: Counter(dict(decoder.pairs(body, depth, like))),
    "defaultdict": _default,
    "namedtuple": _named,
    "pytree": _assembled,
    "enum": lambda _decoder, body, _depth, like: structures.member(like, body[1], quoted(str(body[0]))),
    "tensor": lambda decoder, body, _depth, _like: decoder.leaf(body, "tensor"),
    "array": lambda decoder, body, _depth, _like: decoder.leaf(body, "array"),
    "jax": lambda decoder, body, _depth, like: decoder.leaf(body, "jax", like),
    "jax.key": lambda decoder, body, _depth, _like: decoder.key(body),
    "numpy": lambda _decoder, body, _depth, _like: numpy_scalar(body),
    "torch.Size": lambda _decoder, body, _depth, _like: torch_value("Size", body),
    "torch.dtype": lambda _decoder, body, _depth, _like: torch_value("dtype", body),
    "torch.device": lambda _decoder, body, _depth, _like: torch_value("device", body),
}

TAGS = frozenset(_READERS)
"""The keys of a tree's nodes."""
