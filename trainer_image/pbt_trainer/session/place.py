"""Whose run this is: what a script may read of its place in a population."""

from pathlib import Path

from pbt_contract.records import Source
from pbt_trainer.session.session import Session
from pbt_trainer.state.random_state import seed_of


class Place:
    """The member and life that a process lives now; after a takeover in place they are others.

    Attributes:
        rank: of this process among those of its member, from 0.
    """

    def __init__(self, member: Session | None, *, rank: int) -> None:
        """None stands for a run alone."""
        self.rank = rank
        self._member = member

    @property
    def member(self) -> int:
        """The member's number; 0 for a run alone."""
        return self._member.birth.member if self._member else 0

    @property
    def incarnation(self) -> int:
        """Which life of the member this is, from 1; 0 for a run alone."""
        return self._member.birth.incarnation if self._member else 0

    @property
    def seed(self) -> int:
        """The population's seed; 0 for a run alone."""
        return self._member.assignment.seed if self._member else 0

    @property
    def population(self) -> str | None:
        """The population's name; None for a run alone."""
        return self._member.assignment.population if self._member else None

    @property
    def parent(self) -> Source | None:
        """The checkpoint that this life started from: whose it is, of which step. None if it started from nothing."""
        return self._member.birth.source if self._member else None

    @property
    def files(self) -> Path | None:
        """The files that the restored report took along, only to be read; until the next restore."""
        return self._member.files if self._member else None

    @property
    def rng_seed(self) -> int:
        """A number of 63 bits to seed generators with that the SDK doesn't know, such as the keys of JAX.

        It follows from the population's seed, member, incarnation and rank, so that a population can be repeated and
        two clones of a donor differ. It is another one after each birth, in place too.
        """
        return seed_of(self.seed, self.member, self.incarnation, self.rank)
