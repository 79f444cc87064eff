"""A script's own options that follow the hyperparameters: a namespace of argparse, a config of OmegaConf, a dict."""

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from copy import copy
from typing import Any, TypeVar

from pbt_contract.errors import UsageError
from pbt_contract.records import Value
from pbt_contract.text import quoted
from pbt_trainer.session.hyperparameters import Hyperparameters

Options = TypeVar("Options")
Note = Callable[[Collection[str]], None]


class Binds:
    """A run, as far as a script's own options have its hyperparameters' values."""

    hp: Hyperparameters

    def bind(self, options: Options, names: Iterable[str] | None = None) -> Options:
        """Puts the hyperparameters into a script's own options, now and again with each takeover in place.

        What reads them there counts as a reader of `run.hp` does: read before the loop, a change of them can't reach
        the running loop. Reads of an object with attributes, such as argparse's namespace, are seen; those of a dict or
        of a config of OmegaConf can't be, so that a change of their values always starts the process anew.

        Args:
            options: an object with attributes or a mapping. A name with dots is looked for as it is and then part by
                part (`optimizer.lr` is `options.optimizer.lr`), one with hyphens with underscores too, as argparse
                names its options.
            names: of the hyperparameters to put there; all of them where it isn't given.

        Returns:
            The same object.

        Raises:
            UsageError: it has no such option or doesn't take the value, there is no such hyperparameter, or the loop
                has begun.
        """
        if self.hp.looping:
            raise UsageError("run.bind() comes before the first step")
        wanted = list(self.hp.peek() if names is None else names)
        unknown = sorted(name for name in wanted if name not in self.hp)
        if unknown:
            raise UsageError(f"run.bind(): there is no hyperparameter {', '.join(unknown)}")
        places = {name: _place(options, name) for name in wanted}
        missing = sorted(name for name, place in places.items() if place is None)
        if missing:
            raise UsageError(
                f"run.bind(): {type(options).__name__} has no option for {', '.join(missing)}; add it, or name those "
                "that it has: run.bind(options, names=[...])"
            )
        found = {name: place for name, place in places.items() if place is not None}
        self.hp.follow(lambda values: _put(found, values))
        unseen = _watch(found, self.hp.note)
        if unseen:
            self.hp.note_unseen(unseen, kind=type(options).__name__)
        return options


class _Place:
    """Where an option stands: in which object, under which name."""

    def __init__(self, holder: Any, name: str) -> None:
        self.holder, self.name = holder, name

    def put(self, value: Value) -> None:
        if isinstance(self.holder, MutableMapping):
            self.holder[self.name] = value
        else:
            setattr(self.holder, self.name, value)


def _place(options: Any, name: str) -> _Place | None:
    """Where the hyperparameter's option stands; None if there is none."""
    for form in dict.fromkeys((name, name.replace("-", "_"))):
        if _has(options, form):
            return _Place(options, form)
    first, dot, rest = name.partition(".")
    if not dot:
        return None
    for form in dict.fromkeys((first, first.replace("-", "_"))):
        if _has(options, form):
            return _place(_get(options, form), rest)
    return None


def _has(options: Any, name: str) -> bool:
    return name in options if isinstance(options, Mapping) else hasattr(options, name)


def _get(options: Any, name: str) -> Any:
    return options[name] if isinstance(options, Mapping) else getattr(options, name)


def _put(places: Mapping[str, _Place], values: Mapping[str, Value]) -> None:
    for name, place in places.items():
        try:
            place.put(values[name])
        except Exception as error:  # a frozen dataclass, a config that is read-only or has types of its own
            told = quoted(f"{type(error).__name__}: {error}")
            raise UsageError(f"run.bind(): {name} = {values[name]!r} is not taken: {told}") from error


def _watch(places: Mapping[str, _Place], note: Note) -> set[str]:
    """Has reads of the options noted where they can be; returns the hyperparameters whose reads can't be seen."""
    holders = {id(place.holder): place.holder for place in places.values()}
    unseen: set[str] = set()
    for identity, holder in holders.items():
        options = {place.name: name for name, place in places.items() if id(place.holder) == identity}
        if isinstance(holder, Mapping) or not _watch_attributes(holder, options, note):
            unseen |= set(options.values())
    return unseen


def _watch_attributes(holder: Any, options: Mapping[str, str], note: Note) -> bool:
    """Makes the object one whose reads are noted: each option, and all of them with `vars`, a copy or a pickle."""
    kind: Any = type(holder)

    def read(self: Any, name: str) -> Any:
        if name in options:
            note([options[name]])
        elif name == "__dict__":
            note(list(options.values()))
        return kind.__getattribute__(self, name)

    def plain(self: Any) -> Any:
        like = object.__new__(kind)
        like.__dict__.update(object.__getattribute__(self, "__dict__"))
        return like

    def reduce(self: Any, _: Any) -> Any:
        note(list(options.values()))
        return copy, (plain(self),)

    methods = {
        "__getattribute__": read,
        "__reduce_ex__": reduce,
        "__repr__": lambda self: repr(plain(self)),  # printing reads none, as with `run.hp`
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    try:
        holder.__class__ = type(kind.__name__, (kind,), methods)
        return bool(object.__getattribute__(holder, "__dict__"))
    except (AttributeError, TypeError):  # of a class without a dict of attributes, or one written in C
        return False
