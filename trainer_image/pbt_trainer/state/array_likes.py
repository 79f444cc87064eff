"""Arrays of other libraries (JAX, CuPy, TensorFlow, MLX): what counts as one, and its values as numpy's.

They tell by `__array__` or `__dlpack__` what they are; the library itself is never imported.
"""

import sys
from typing import Any

from pbt_contract.errors import StateError

_LABELS = ("index", "columns", "coords", "__dataframe__")  # of pandas, xarray, Polars

NARROW = frozenset({
    "bfloat16", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn",
    "int1", "int2", "int4", "uint1", "uint2", "uint4",
})  # fmt: skip
"""Types that numpy has from the package ml_dtypes, which JAX brings."""


def is_array_like(value: object) -> bool:
    """Whether it is an array and nothing more: a table with labels is none, for they would be lost."""
    kind = type(value)
    speaks = hasattr(kind, "__array__") or hasattr(kind, "__dlpack__")
    return speaks and not any(hasattr(kind, label) for label in _LABELS)


def is_jax(value: object) -> bool:
    """Whether it is an array of JAX, a typed key included."""
    jax: Any = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)


def is_typed_key(value: object) -> bool:
    """Whether it is an array of JAX's typed random keys."""
    jax: Any = sys.modules.get("jax")
    return is_jax(value) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)  # type: ignore[attr-defined]


def host_array(value: Any) -> Any:
    """The values of an array of another library as a numpy array in host memory, not to be written to.

    Raises:
        TypeError: it has none there, as an array that other hosts hold a part of, or one that JAX traces.
    """
    import numpy as np

    found: Any = None
    try:
        found = np.asarray(value) if hasattr(type(value), "__array__") else np.from_dlpack(value)
    except Exception as error:
        if not hasattr(type(value), "__dlpack__"):
            raise TypeError(str(error)) from error
        try:
            found = np.from_dlpack(value, device="cpu")
        except Exception as refused:
            raise TypeError(str(refused)) from refused
    if type(found) is not np.ndarray:
        raise TypeError(f"it turns into a {type(found).__name__}")
    return found


def narrow_type(name: str) -> Any:
    """The numpy type of a name in `NARROW`.

    Raises:
        StateError: the package ml_dtypes is missing.
    """
    try:
        import ml_dtypes
    except ImportError as error:
        raise StateError(
            f"The checkpoint has arrays of {name}, which need the package ml_dtypes; it comes with JAX"
        ) from error
    import numpy as np

    return np.dtype(getattr(ml_dtypes, name))


def jax_array(stored: Any, *, weak: bool, like: object) -> Any:
    """An array of JAX where the process has loaded it, else the numpy array.

    Args:
        stored: the values, in memory that may go.
        weak: whether the type yields to that of others, as JAX has it for what was made of Python's numbers.
        like: the live array in this place, if there is one: where it lies on purpose, the result lies too.

    Raises:
        StateError: JAX would keep the values with fewer bits.
    """
    jax: Any = sys.modules.get("jax")
    if jax is None or isinstance(stored, jax.Array):
        return stored
    if stored.dtype.itemsize > 4 and jax.dtypes.canonicalize_dtype(stored.dtype) != stored.dtype:
        raise StateError(
            f"The checkpoint has an array of {stored.dtype}, which JAX would cut short here: "
            "its writer had jax_enable_x64 on; set it in this script too"
        )
    if is_jax(like) and getattr(like, "committed", False):
        made = jax.device_put(stored.copy(), like.sharding)  # type: ignore[attr-defined]
    else:
        made = jax.numpy.array(stored)
    if weak:
        made.aval = made.aval.update(weak_type=True)  # as JAX does in its own pickles
    return made


def typed_key(data: Any, implementation: str) -> Any:
    """JAX's typed random keys.

    Args:
        data: what `jax.random.key_data` gave.
        implementation: one of JAX's names.

    Raises:
        StateError: there is no JAX here.
        ValueError: JAX has no such implementation.
    """
    try:
        import jax
    except ImportError as error:
        raise StateError("The checkpoint has random keys of JAX, which can't be read without it") from error
    return jax.random.wrap_key_data(data, impl=implementation)
