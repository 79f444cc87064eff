"""Named tuples, enumerations and pytrees of JAX: their class comes from the live object, never from a file.

A checkpoint holds the fields. What they are fields of (the class, its static parts, functions among them) is code or
was built by the script, so the object that takes the state over says it, by what its own `state_dict()` has in the
same place.
"""

import enum
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

from pbt_contract.errors import StateError

PLAIN: Any = object()
"""Nobody takes the state over: named tuples and pytrees come back as dicts of what is in them."""

MISSING: Any = object()
"""The object that takes the state over has nothing in this place."""


def is_namedtuple(value: object) -> bool:
    """Whether it is a named tuple that holds nothing beside its fields."""
    return _has_fields(value) and not getattr(value, "__dict__", None)


def is_pytree(value: Any) -> bool:
    """Whether JAX knows how to take it apart, as it does a TrainState, a FrozenDict or a registered dataclass."""
    jax: Any = sys.modules.get("jax")
    if jax is None or isinstance(value, type):
        return False
    leaves = jax.tree_util.tree_leaves(value, is_leaf=lambda part: part is not value)
    return not (len(leaves) == 1 and leaves[0] is value)


def is_enum(value: object) -> bool:
    """Whether it is a member of an enumeration, under a name of its own."""
    return isinstance(value, enum.Enum) and value.name in type(value).__members__


def member(like: Any, name: str, written: str) -> Any:
    """The member of that name of the live one's enumeration; the name where there is no live one.

    Raises:
        StateError: the object has another thing there, or the enumeration has no such member.
    """
    if like is PLAIN:
        return name
    if not is_enum(like) or name not in type(like).__members__:
        raise StateError(_differs(written, [name], like, list(getattr(type(like), "__members__", []))))
    return type(like)[name]


def children(value: Any) -> list[tuple[str, Any]]:
    """What is directly in a pytree, each with the name that JAX has for it."""
    jax: Any = sys.modules["jax"]
    found, _ = jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda part: part is not value)
    return [(jax.tree_util.keystr(path), child) for path, child in found]


def class_name(value: object) -> str:
    """The class, as `module.name`; for people, nothing looks it up."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def parts(like: Any, keys: Sequence[Any] | None = None) -> Iterator[Any]:
    """What the live object has in the places of a container: PLAIN, MISSING or the value.

    Args:
        like: what it has in the container's place.
        keys: of a mapping, in order; None for a sequence, whose end is open.
    """
    if like is PLAIN:
        return repeat(PLAIN)
    if keys is not None:
        found = like if isinstance(like, dict) else {}
        return (found.get(key, MISSING) for key in keys)
    held = like if isinstance(like, Sequence) and not isinstance(like, str | bytes) else ()
    return chain(held, repeat(MISSING))


def fields_of(like: Any, names: list[str], written: str) -> Any:
    """The live fields of a named tuple, for `parts`.

    Raises:
        StateError: the object has another thing there.
    """
    if like is PLAIN:
        return PLAIN
    if not _has_fields(like) or list(like._fields) != names:
        raise StateError(_differs(written, names, like, list(getattr(like, "_fields", []))))
    return like


def named(like: Any, names: list[str], values: list[Any]) -> Any:
    """A named tuple of the live one's class; a dict where there is no live one."""
    return dict(zip(names, values, strict=True)) if like is PLAIN else tuple.__new__(type(like), values)


def children_of(like: Any, names: list[str], written: str) -> Any:
    """What is in the live pytree, for `parts`.

    Raises:
        StateError: the object has another thing there.
    """
    if like is PLAIN:
        return PLAIN
    found = children(like) if like is not MISSING and is_pytree(like) else []
    if [name for name, _ in found] != names:
        raise StateError(_differs(written, names, like, [name for name, _ in found]))
    return [child for _, child in found]


def assembled(like: Any, names: list[str], values: list[Any]) -> Any:
    """A pytree with the live one's class and static parts; a dict where there is no live one."""
    if like is PLAIN:
        return dict(zip(names, values, strict=True))
    jax: Any = sys.modules["jax"]
    structure = jax.tree_util.tree_structure(like, is_leaf=lambda part: part is not like)
    return jax.tree_util.tree_unflatten(structure, values)


def _has_fields(value: Any) -> bool:
    names = getattr(type(value), "_fields", None)
    if not isinstance(value, tuple) or not isinstance(names, tuple) or len(names) != len(value):
        return False
    return all(type(name) is str for name in names)


def _differs(written: str, names: list[str], like: Any, own: list[str]) -> str:
    mine = "nothing" if like is MISSING else f"a {class_name(like)} ({', '.join(own)})"
    return (
        f"The checkpoint has a {written} ({', '.join(names)}) where this object has {mine}: build it in the "
        "same form before track(), for a checkpoint brings values, not classes"
    )
