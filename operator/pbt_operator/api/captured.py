"""What a function takes along when it is written to a file: the variables around it that it uses, by name."""

import dis
import functools
import hashlib
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

GLOBAL_OPERATIONS = {"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"}

SIMPLE = (bool, int, float, str, bytes, type(None))
"""Values that can be compared with what they were in an earlier process."""


def captured(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """The variables that go along, with their values: of a function that is used, those that that one uses.

    A function of a module that can be imported takes nothing along, for it is imported where it runs.
    """
    yield from _captured(function, set())


def fingerprint(function: Callable[..., Any]) -> str:
    """Of the function's code, the functions that go along, and the plain values: another one where they changed."""
    digest = hashlib.sha256()
    for code in _codes(function, set()):
        digest.update(code)
    for name, value in captured(function):
        if isinstance(value, SIMPLE):
            digest.update(f"{name}={value!r}\n".encode(errors="replace"))
    return digest.hexdigest()


def goes_along(function: Any) -> bool:
    """Whether it is written with its code, and not by its name."""
    return isinstance(function, types.FunctionType) and (
        function.__module__ in {"__main__", None} or "<" in function.__qualname__
    )


def _captured(function: Callable[..., Any], seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(function, functools.partial):
        yield from _of_partial(function, seen)
    elif isinstance(function, types.MethodType):
        yield "self", function.__self__
        yield from _captured(function.__func__, seen)
    elif isinstance(function, types.FunctionType):
        if goes_along(function) and id(function) not in seen:
            seen.add(id(function))
            yield from _of_function(function, seen)
    else:
        yield getattr(function, "__name__", type(function).__name__), function


def _of_partial(function: "functools.partial[Any]", seen: set[int]) -> Iterator[tuple[str, Any]]:
    yield from _captured(function.func, seen)
    yield from ((f"argument {index}", value) for index, value in enumerate(function.args))
    yield from function.keywords.items()


def _of_function(function: types.FunctionType, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for name, value in _variables(function):
        if isinstance(value, types.FunctionType):
            yield from _captured(value, seen)
        elif not isinstance(value, types.ModuleType):
            yield name, value


def _variables(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name in sorted(set(_globals(function.__code__))):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it is assigned later, or never
            continue
    for parameter in inspect.signature(function).parameters.values():
        if parameter.default is not parameter.empty:
            yield parameter.name, parameter.default


def _globals(code: types.CodeType) -> Iterator[str]:
    """Not all of `co_names`, for those of attributes stand there too."""
    for inner in _nested(code):
        for instruction in dis.get_instructions(inner):
            if instruction.opname in GLOBAL_OPERATIONS:
                yield instruction.argval


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested(constant)


def _codes(function: Any, seen: set[int]) -> Iterator[bytes]:
    function = getattr(function, "func", getattr(function, "__func__", function))
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return
    seen.add(id(function))
    for code in _nested(function.__code__):
        constants = [constant for constant in code.co_consts if isinstance(constant, (*SIMPLE, tuple))]
        yield code.co_code + repr((code.co_names, code.co_varnames, constants)).encode(errors="replace")
    if goes_along(function):
        for _, value in _variables(function):
            yield from _codes(value, seen)
