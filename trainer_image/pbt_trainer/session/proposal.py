"""A takeover in place before its birth is claimed: whatever can say no says it here, and all can be put back."""

from pathlib import Path
from typing import Any

from pbt_contract.errors import PbtError
from pbt_contract.records import Value
from pbt_contract.text import quoted
from pbt_trainer.courier.messages import Offer
from pbt_trainer.session.session import Session
from pbt_trainer.state.checkpoint_files import has_state
from pbt_trainer.state.files import has_files
from pbt_trainer.state.plan import Plan
from pbt_trainer.state.random_state import generators

MAX_WHY = 300


class Declined(Exception):
    """The running loop can't continue with a birth; the message says why, for people."""


class Proposal:
    """A takeover that the running loop can do; the script reads its hyperparameters already.

    Attributes:
        offer: the birth, and its checkpoint.
    """

    def __init__(self, member: Session, offer: Offer) -> None:
        """Use `propose`."""
        self.offer = offer
        self._member = member
        self._plan: Plan | None = None
        self._values: dict[str, Value] = member.hp.peek()
        self._random: dict[str, Any] = {name: each.get() for name, each in generators().items()}

    def work_out(self) -> None:
        """Has the script build again under the new values, and plans with that.

        Raises:
            PbtError: it isn't possible.
        """
        member, offer = self._member, self.offer
        member.hp.replace(offer.birth.hyperparameters)
        rebuilt = member.building.again()
        assert offer.report is not None
        assert offer.folder is not None
        if member.tracked is not None and has_state(offer.report):
            exploit = offer.birth.is_seeded
            self._plan = member.tracked.plan(Path(offer.folder), exploit=exploit, rebuilt=rebuilt)

    def drop(self) -> None:
        """Puts the values and the random state back: training continues as if nothing had been asked."""
        if self._plan is not None:
            self._plan.close()
        self._member.hp.replace(self._values)
        known = generators()
        for name, state in self._random.items():
            known[name].set(state)

    def rehearse(self) -> list[str]:
        """Restores the state into the objects in use, and the random state with it, without becoming anybody.

        Returns:
            The notes of it.

        Raises:
            PbtError: an object of the script's own doesn't take its state.
        """
        if self._plan is None:
            return []
        self._plan.apply("restore")
        return self._plan.notes

    def carry_out(self) -> None:
        """Becomes the next incarnation; its birth is claimed by now.

        Raises:
            RuntimeError: an object didn't take its state. A fresh process may: that is no mistake of the script yet.
        """
        try:
            self._member.become(self.offer, self._plan)
        except PbtError as error:
            raise RuntimeError(f"the takeover in place failed half-way: {error}") from error


def propose(member: Session, offer: Offer) -> Proposal:
    """How the running loop continues with a birth that is not claimed yet.

    Raises:
        Declined: it can't, and nothing was changed: a hyperparameter that changes doesn't reach the loop, or the state
            doesn't fit.
    """
    if offer.report is None:
        raise Declined("there is no checkpoint to continue from")
    if has_files(offer.report) and not member.has_hooks:
        raise Declined("the checkpoint has files, and the script has no on_restore hook that loads them")
    current = member.hp.peek()
    changed = [name for name, value in offer.birth.hyperparameters.items() if current.get(name) != value]
    baked_in = member.hp.baked_in(changed)
    if baked_in is not None:
        raise Declined(baked_in)
    proposal = Proposal(member, offer)
    try:
        proposal.work_out()
    except PbtError as error:
        proposal.drop()
        raise Declined(quoted(str(error), size=MAX_WHY)) from error
    except BaseException:
        proposal.drop()
        raise
    return proposal
