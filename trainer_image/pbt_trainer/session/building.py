"""A script's build functions: they make what depends on hyperparameters, and again at each takeover in place."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from pbt_contract.errors import StateError, UsageError
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.state.optional import Optional
from pbt_trainer.state.tracked_object import kind_of

T = TypeVar("T")
_KINDS = frozenset({"optimizer", "scheduler"})
_REMEDY = (
    "track(name=...) what it returns, or let it return a dict of names: "
    'return {"optimizer": optimizer, "schedule": schedule}'
)


class Build(Generic[T]):
    """A build function, as `Run.build` gives it back: whoever calls it gets what it has built for the run."""

    def __init__(self, function: Callable[[], T], hp: Hyperparameters) -> None:
        functools.update_wrapper(self, function)
        self._function, self._hp = function, hp
        self._built: list[T] = []

    def __call__(self) -> T:
        """What the function has built for the run; the first call has it build.

        Raises:
            UsageError: it returned something else than optimizers and schedulers.
        """
        if not self._built:
            built = self.again()
            self._check(parts(built))
            self._built.append(built)
        return self._built[0]

    def again(self) -> T:
        """Calls the function, whatever it has built before."""
        with self._hp.reaching():
            return self._function()

    @property
    def name(self) -> str:
        """For people."""
        return str(getattr(self._function, "__name__", "build"))

    def _check(self, found: Mapping[Any, Any]) -> None:
        for key, value in found.items():
            if kind_of(value) not in _KINDS:
                raise UsageError(
                    f"{self.name}() returned a {type(value).__name__}{_key_text(key)}: a build function returns "
                    "optimizers and schedulers of torch. Make anything else outside of it, and track it there"
                )
            optimizer = getattr(value, "optimizer", None)
            if kind_of(value) == "scheduler" and all(optimizer is not other for other in found.values()):
                raise UsageError(
                    f"{self.name}() returned a {type(value).__name__} without its optimizer: build both in one function"
                )


class Building:
    """All build functions of a script, and the names under which what they return is tracked."""

    def __init__(self, hp: Hyperparameters) -> None:
        self._hp = hp
        self._built: dict[str, Any] | None = None  # None before `track`
        self._functions: list[Build[Any]] = []
        self._names: list[dict[Any, str]] = []  # of each function

    def add(self, function: Callable[[], T]) -> Build[T]:
        """One more build function."""
        if not callable(function):
            raise UsageError(f"run.build takes a function without arguments, not a {type(function).__name__}")
        if self._built is not None:
            raise UsageError("run.build comes before run.track, which has everything built")
        made = Build(function, self._hp)
        self._functions.append(made)
        return made

    def found(self) -> Mapping[str, Any]:
        """What was built, by name.

        Raises:
            UsageError: `track` wasn't called yet.
        """
        if self._built is None:
            raise UsageError("run.track(...) comes before run.built: it has everything built, and named")
        return MappingProxyType(self._built)

    def check(self) -> None:
        """Makes sure that what was built is tracked, before the loop begins.

        Raises:
            UsageError: it isn't.
        """
        if self._functions and self._built is None:
            raise UsageError("what the build function makes is not tracked: call run.track() before the loop")

    def complete(self, tracked: Mapping[str, Any]) -> dict[str, Any]:
        """What is to be tracked: what the script names itself, and what its build functions return.

        Args:
            tracked: by name, as `track` has it.

        Raises:
            UsageError: something that was built has no name, or two.
        """
        found, built = dict(tracked), {}
        for function in self._functions:
            names = {}
            for key, value in parts(function()).items():
                name = names[key] = _name_of(value, key, tracked, function.name)
                if name in found and _bare(found[name]) is not value:
                    raise UsageError(f"track({name}=...): {function.name}() returned another {name!r}")
                found.setdefault(name, value)
                built[name] = value
            self._names.append(names)
        self._built = built
        return found

    def again(self) -> dict[str, Any]:
        """What the functions build now, by the names of the first time.

        Raises:
            StateError: they return other things than at first, or one of them failed.
        """
        rebuilt = {}
        for function, names in zip(self._functions, self._names, strict=True):
            try:
                found = parts(function.again())
            except Exception as error:
                raise StateError(f"{function.name}() failed: {type(error).__name__}: {error}") from error
            if found.keys() != names.keys():
                raise StateError(
                    f"{function.name}() returned {_keys_text(found)}, and at first {_keys_text(names)}"
                )
            rebuilt.update({names[key]: value for key, value in found.items()})
        return rebuilt


def parts(built: Any) -> dict[Any, Any]:
    """The objects that a build function returned, by what tells them apart: a name, or a place in a row."""
    built = _bare(built)
    if isinstance(built, Mapping):
        return {key: _bare(value) for key, value in built.items()}
    row: Sequence[Any] = built if isinstance(built, list | tuple) else [built]
    return {index: _bare(value) for index, value in enumerate(row)}


def _name_of(value: Any, key: Any, tracked: Mapping[str, Any], function: str) -> str:
    names = list(_names_in(tracked, value))
    if names:
        return names[0]
    if isinstance(key, str):
        return key
    raise UsageError(f"{function}() returned a {type(value).__name__} that nobody tracks: {_REMEDY}")


def _names_in(tracked: Mapping[str, Any], value: Any) -> Iterator[str]:
    return (name for name, each in tracked.items() if _bare(each) is value)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Optional) else value


def _key_text(key: Any) -> str:
    return f" as {key!r}" if isinstance(key, str) else ""


def _keys_text(keys: Mapping[Any, Any]) -> str:
    if all(isinstance(key, str) for key in keys):
        return ", ".join(sorted(keys)) or "nothing"
    return f"{len(keys)} objects" if len(keys) != 1 else "one object"


class Builds:
    """A run, as far as it has a script's optimizers and schedulers built."""

    def __init__(self, building: Building) -> None:
        self._building = building

    def build(self, function: Callable[[], T]) -> Build[T]:
        """Lets a function make what depends on hyperparameters: optimizers and schedulers; a decorator.

        It is called once for this process, by `track` at the latest, and again for each takeover in place: then the
        objects in use become what it makes of the new values, just as in a fresh process. So it reads `run.hp`, works
        on modules that exist already, and makes new objects with each call.

        Args:
            function: without arguments. It returns one optimizer or scheduler, a tuple of them, or a dict with the
                names that they are tracked under. A scheduler comes with its optimizer.

        Returns:
            The function in the form in which a script calls it: `optimizer = build()` gives what was built, however
            often it is called. `optimizer = run.build(lambda: SGD(model.parameters(), run.hp["lr"]))()` is the same.

        Raises:
            UsageError: it comes after `track`.
        """
        return self._building.add(function)

    @property
    def built(self) -> Mapping[str, Any]:
        """What the build functions have made, by the names that it is tracked under.

        Raises:
            UsageError: it comes before `track`.
        """
        return self._building.found()
