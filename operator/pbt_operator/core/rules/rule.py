"""What a rule is: an arm of the manifest that decides.

Its fields, with their descriptions and limits, are its arm in the manifest; its docstring describes it there. It is
pure: the same view gives the same answer, and all that it draws comes from `RoundView.chance`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, NamedTuple, Protocol

from pbt_contract.records import Value
from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.distributions import Distribution
from pbt_operator.core.round_record import Decision, Entry, Proposal, ProposedMove
from pbt_operator.core.rules.round_view import RoundView
from pbt_operator.core.wire import Wire

MAX_ROUNDS = 64


class Replay(StrEnum):
    """How a rule's part in a round is checked afterwards."""

    EXACT = "exact"  # recomputed, bit for bit
    RECORDED = "recorded"  # its inputs and its answer are in the round's record, and it checks them itself


class Rule(Wire, ABC):
    """An exploit or an explore.

    Attributes:
        rounds: how many of the newest rounds it looks at, the one that is decided included, at the most: 1 to 64.
        replay: `RECORDED` where its numerics may differ from machine to machine.
        cel: what the API server checks of the arm beyond its fields' types and limits.
    """

    rounds: ClassVar[int] = 1
    replay: ClassVar[Replay] = Replay.EXACT
    cel: ClassVar[tuple[CelRule, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses a rule that looks back too far, for its rounds are kept in memory."""
        super().__pydantic_init_subclass__(**kwargs)
        if not 1 <= cls.rounds <= MAX_ROUNDS:
            raise TypeError(f"{cls.__name__} looks at {cls.rounds} rounds; should be 1 to {MAX_ROUNDS}")

    def looks_back(self, members: int) -> int:  # noqa: ARG002
        """How many of them it looks at where so many members are compared: all of these are kept in memory."""
        return self.rounds

    def laws(self, view: RoundView, decisions: Sequence[Decision]) -> Iterator[str]:  # noqa: ARG002
        """What is broken in a round that this rule decided: a sentence for each, none if all is well.

        What holds for every rule, `pbt_operator.core.laws` checks.
        """
        return iter(())


class Loser(NamedTuple):
    """A member that is to be replaced.

    Attributes:
        donors: whom it may copy, in the order that one is drawn from; empty only where nobody has a finite score.
        why: the first half of the reason, for people.
    """

    entry: Entry
    donors: Sequence[Entry]
    why: str


class ExploitRule(Rule, ABC):
    """Says who loses a round, and whom each loser may copy.

    Attributes:
        replaces_diverged: whether members without a finite score lose in addition; left in place they would stay so
            to the end.
        never_replaces: whether nobody ever loses, so that nobody need wait for a decision.
    """

    replaces_diverged: ClassVar[bool] = True
    never_replaces: ClassVar[bool] = False

    @property
    def donor_percent(self) -> float:
        """How many of the best a donor is drawn from where the rule has named none: for the diverged, the new."""
        return 25

    @abstractmethod
    def beaten(self, view: RoundView) -> Iterable[Loser]:
        """Who of `view.finite` loses: each member once, in any order, with donors that are better by the gap."""

    def beaten_within(self, view: RoundView) -> Iterable[Loser]:
        """Who loses among the members of one sub-population, which are all that `view` shows."""
        return self.beaten(view)

    def inputs(self, view: RoundView) -> dict[str, Any]:  # noqa: ARG002
        """With `RECORDED`: what the answer was computed from, as JSON, beyond the entries; it is put on record."""
        return {}

    def verify(self, view: RoundView, proposal: Proposal) -> Iterator[str]:
        """With `RECORDED`: what is wrong with an answer on record, given a tolerance of the rule's own."""
        raise NotImplementedError


class Move(NamedTuple):
    """Hyperparameters for a newborn.

    Attributes:
        values: by name; what is missing here or outside its space is resampled.
        operations: by name, in words of two or three: `x1.25`.
        inputs: with `RECORDED`, what the values were computed from, as JSON.
        why: the end of the decision's reason, for people; empty where the operations say it all.
    """

    values: Mapping[str, Value]
    operations: Mapping[str, str]
    inputs: Mapping[str, Any] = {}
    why: str = ""


class ExploreRule(Rule, ABC):
    """Says how copied hyperparameters change."""

    def stride(self, space: Distribution) -> float | None:  # noqa: ARG002
        """Which share of a range its longest move crosses; None where that differs from place to place."""
        return None

    @abstractmethod
    def move(self, copied: Mapping[str, Value], *, member: int, view: RoundView) -> Move:
        """Changes what a member copied.

        Args:
            copied: by name; without those whose value is missing or outside its space.
            member: the newborn.
            view: of the round that it lost, or of the newest one, where it is no loser.
        """

    def doubt(self, replacing: int) -> str | None:  # noqa: ARG002
        """What somebody should know who asks for it in a run where so many rounds replace losers; None if nothing."""
        return None

    def mover(self, view: RoundView) -> "Mover":
        """Moves for one loser of a round after the other, by member: for a rule whose moves depend on each other."""
        return partial(self.move, view=view)

    def verify(self, view: RoundView, proposed: ProposedMove) -> Iterator[str]:
        """With `RECORDED`: what is wrong with a move on record, given a tolerance of the rule's own."""
        raise NotImplementedError

    def verify_moves(self, view: RoundView, moves: Sequence[ProposedMove]) -> Iterator[str]:
        """With `RECORDED`: what is wrong with all moves on record of a round, in the order of their record."""
        for proposed in moves:
            yield from self.verify(view, proposed)


class Mover(Protocol):
    """Moves what the losers of one round copied."""

    def __call__(self, copied: Mapping[str, Value], *, member: int) -> Move:
        """As `ExploreRule.move`."""
