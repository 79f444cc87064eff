"""Takeovers in place that a process tries on itself and puts back, by the code of real ones: for `pbt check`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pbt_contract.check import Swap
from pbt_contract.errors import PbtError
from pbt_contract.records import Birth, Cause, Report, Value
from pbt_trainer.courier.messages import Offer
from pbt_trainer.session.proposal import Declined, propose
from pbt_trainer.session.session import Session
from pbt_trainer.state.optimizer_options import options, snapshot
from pbt_trainer.state.tracked_object import kind_of


class Tried:
    """A process between two steps, and the checkpoint that it has reported."""

    def __init__(self, member: Session, report: Report, folder: Path) -> None:
        """Tries nothing yet.

        Args:
            member: that reported it.
            report: as it was stored.
            folder: with the checkpoint's files.
        """
        self._member, self._report, self._folder = member, report, folder

    def swap(self, name: str, other: Value | None, *, built: bool) -> Swap:
        """What becomes of the process where one hyperparameter changes.

        Args:
            name: of the hyperparameter.
            other: its value then; None where none is known.
            built: whether a build function reads it.
        """
        value = self._member.hp.peek()[name]
        why = self._member.hp.baked_in([name])
        if why is None and other is not None:
            try:
                propose(self._member, self._offer({name: other})).drop()
            except Declined as reason:
                why = str(reason)
        is_read = name in self._member.hp.read
        readers = ["build"] if built else ["loop"] if is_read else []
        return Swap(name=name, value=value, tried=other, why=why, readers=readers)

    def restore(self) -> list[str]:
        """Takes the checkpoint back in place, as a member does that resumes; the notes of it.

        Raises:
            Declined: the running loop can't.
            PbtError: an object doesn't take its state.
        """
        return propose(self._member, self._offer({})).rehearse()

    def _offer(self, changed: Mapping[str, Value]) -> Offer:
        report = self._report
        birth = Birth(
            member=report.member,
            incarnation=report.incarnation + 1,
            cause=Cause.EXPLOIT if changed else Cause.RESUME,
            hyperparameters={**self._member.hp.peek(), **changed},
            start_step=report.step,
            source=report.source,
            seed_round=1 if changed else None,
            reason="tried by pbt check",
        )
        return Offer(birth=birth, report=report, folder=str(self._folder))


def another(value: Value) -> Value | None:
    """Another value like it, where no manifest knows one; None for a text."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    return None if isinstance(value, str) else (value * 0.8 or 0.1)


def read_in_build(member: Session) -> set[str]:
    """The hyperparameters that the build functions read.

    Raises:
        StateError: one fails, or returns other names than at first.
    """
    with member.hp.noticing() as names:
        member.building.again()
    return set(names)


def build_mistakes(member: Session) -> list[str]:
    """What is wrong with what the build functions make when they are called again, twice."""
    try:
        second, third = member.building.again(), member.building.again()
    except PbtError as error:
        return [str(error)]
    first = member.building.found()
    return [f"{name}: {told}" for name in first for told in _mistakes(first[name], second[name], third[name])]


def _mistakes(first: Any, second: Any, third: Any) -> Iterator[str]:
    if first is second or second is third:
        yield f"the same {type(first).__name__} again; it has to be a new one with each call"
    elif type(first) is not type(second):
        yield f"{type(second).__name__} where it made {type(first).__name__} at first"
    elif kind_of(first) == "optimizer":
        if _parameters(first) != _parameters(second):
            yield "other parameters than at first; it has to be for the modules that exist already"
        elif _options(second) != _options(third):
            yield "other options with each call, though the hyperparameters are the same"


def _parameters(optimizer: Any) -> list[list[int]]:
    return [[id(parameter) for parameter in group["params"]] for group in optimizer.param_groups]


def _options(optimizer: Any) -> list[str]:
    return [repr(snapshot(options(group))) for group in optimizer.param_groups]
