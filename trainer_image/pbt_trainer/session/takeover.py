"""What happens between two steps: train on, take the next birth over, make room, or save and leave."""

import math
import shutil
import time
from dataclasses import replace
from typing import NoReturn

from pbt_contract.errors import ExitCode
from pbt_trainer.courier.messages import Offer
from pbt_trainer.exit import leave, restart
from pbt_trainer.log import logger
from pbt_trainer.session.proposal import Declined, Proposal, propose
from pbt_trainer.session.session import Session
from pbt_trainer.session.verdict import Verdict

_LOOK_SECONDS = 5.0
_TOGETHER_SECONDS = 5.0
_RECREATES = "restart is Recreate"
_TURN_POLLS = (
    3  # of the operator's: one until it sees the last report, one to spare; and a moment for its pass
)


def consult(member: Session, *, step: int, together: bool, number: int | None) -> Verdict:
    """Learns what became of the member, and acts on it; may replace this process's image.

    Waits here where the next step begins a round, or a life, and the gate is shut for it.

    Args:
        member: between two steps.
        step: the one that is done.
        together: whether every rank comes here at this step; several can agree only then.
        number: the round that the next step belongs to; None where none comes, or its round has begun.

    Returns:
        What `Run.advance` has to do. A takeover in place has happened by then.
    """
    verdict = Verdict.GO
    while True:
        member.link.termination.listen()
        member.link.poll()
        if member.ranks.alone or together:
            verdict = _agree(member, step, number)
        if verdict is not Verdict.WAIT:
            break
    if verdict is Verdict.TERMINATE:
        _terminate(member, step)
    elif verdict is Verdict.REPLACED:
        logger.info("%s", member.link.replaced or "another process is this member now")
    return verdict


def last_turn(member: Session, step: int, verdict: Verdict) -> Verdict:
    """What the process does after its last step: where members take turns, it may go on as one that still waits.

    It waits a little to be asked, and only where it has made room before. Else its slot would be given back, and in a
    shortage to somebody else.
    """
    link, end = member.link, time.monotonic() + 1.0 + _TURN_POLLS * member.assignment.poll_seconds
    if not (verdict is Verdict.GO and member.has_made_room and member.ranks.alone and link.flush()):
        return verdict
    while not (link.termination.requested or link.replaced) and time.monotonic() < end:
        if _decide(member, step) is Verdict.SWAP:
            return Verdict.SWAP
        member.clock.wait(link.listen())
        link.termination.listen()
    return Verdict.GO


def _agree(member: Session, step: int, number: int | None) -> Verdict:
    decides = member.ranks.leads or not member.ranks.connected
    verdict = member.ranks.agree(_at_gate(member, step, number) if decides else Verdict.GO)
    if verdict is Verdict.PROPOSE:
        verdict = _take_together(member)
        if verdict is Verdict.GO:  # it was declined; whether to go on is still to be said
            return Verdict.WAIT
    return verdict


def _at_gate(member: Session, step: int, number: int | None) -> Verdict:
    """What is to be done, as soon as there is something; connected ranks are asked again after a while."""
    link, waited = member.link, 0.0
    patience = math.inf if member.ranks.alone or not member.ranks.connected else _TOGETHER_SECONDS
    while (verdict := _decide(member, step)) is Verdict.GO and number is not None:
        if link.may_begin(number):
            break
        if waited >= patience:
            return Verdict.WAIT
        is_known = link.bound >= 0  # until then it isn't the gate that it waits for
        seconds = link.listen()
        waited += seconds
        if is_known:
            member.clock.wait(seconds)
        link.termination.listen()
    if link.in_vain is not None:
        member.note(link.in_vain)
        link.in_vain = None
    return verdict


def _decide(member: Session, step: int) -> Verdict:
    link = member.link
    if member.link.termination.requested:
        return Verdict.TERMINATE
    if link.replaced is not None:
        return Verdict.REPLACED
    if link.offer is None:
        return Verdict.GO
    if link.offer.birth.member != member.birth.member:
        return _make_room(member, link.offer, step)
    return _continue(member, link.offer)


def _continue(member: Session, offer: Offer) -> Verdict:
    """As the member's own next incarnation."""
    if member.ranks.alone:
        return Verdict.SWAP if _take(member, offer) else Verdict.REPLACED
    if member.ranks.connected:
        return Verdict.PROPOSE
    member.link.offer = None  # they can agree on nothing: a new pod takes the birth
    return Verdict.GO


def _make_room(member: Session, offer: Offer, step: int) -> Verdict:
    """Saves the member, which can then continue elsewhere, and becomes another one that waits for a slot."""
    link, own = member.link, member.birth
    if step > member.recorded_step:
        if member.reports_files:  # only the script can save its files: right after its next report
            return Verdict.GO
        member.save(step)
        member.clock.train()
    if not link.flush():
        return Verdict.TERMINATE
    link.poll()
    if member.link.termination.requested or link.replaced is not None or link.offer is not offer:
        return _decide(member, step)
    logger.info("member %d makes room for member %d at step %d", own.member, offer.birth.member, step)
    if _take(member, offer):
        member.has_made_room = True
        return Verdict.SWAP
    logger.info("another process has member %d: going on as member %d", offer.birth.member, own.member)
    return Verdict.GO


def _take(member: Session, offer: Offer) -> bool:
    """Takes a birth over in this process, by starting anew if the loop can't continue with it.

    Returns:
        Whether it did; another process may have the birth.
    """
    if not member.assignment.in_place:
        return _start_anew(member, offer, why=_RECREATES)
    try:
        proposal = propose(member, offer)
    except Declined as reason:
        return _start_anew(member, offer, why=str(reason))
    return _claim(member, proposal)


def _claim(member: Session, proposal: Proposal) -> bool:
    if not member.link.take(proposal.offer):
        proposal.drop()
        return False
    proposal.carry_out()
    return True


def _take_together(member: Session) -> Verdict:
    """Several ranks take a birth over in place, if every one of them can; rank 0 claims it for all."""
    link, proposal = member.link, None
    offer = link.await_offer()
    try:
        proposal = propose(member, offer)
    except Declined as reason:
        logger.info("incarnation %d can't be taken over in place: %s", offer.birth.incarnation, reason)
    if not member.ranks.all(proposal is not None) or proposal is None:
        if proposal is not None:
            proposal.drop()
        link.offer = None  # they can't start anew together: a new pod takes the birth
        return Verdict.GO
    taken = not member.ranks.leads or link.take(offer)
    verdict = member.ranks.agree(Verdict.SWAP if taken else Verdict.REPLACED)
    if verdict is Verdict.REPLACED:
        proposal.drop()
        return verdict
    if not member.ranks.leads:
        link.take(offer)
    proposal.carry_out()
    return verdict


def _start_anew(member: Session, offer: Offer, *, why: str) -> bool:
    """Replaces this process's image by one that begins with the birth; False where another process has that.

    The birth is claimed before: an image that came too late could only leave, and its slot with it.
    """
    if member.link.take(offer, why=why):
        _restart(member, offer, why=why)
    return False


def _restart(member: Session, offer: Offer, *, why: str) -> NoReturn:
    number = offer.birth.incarnation
    logger.info("incarnation %d can't be taken over by the running loop: %s; starting anew", number, why)
    downloads = member.link.keep()
    member.close()
    if (
        member.link.termination.requested
    ):  # it came since that was asked; the next image would never hear of it
        shutil.rmtree(downloads, ignore_errors=True)
        leave(ExitCode.DONE, "SIGTERM before the process started anew")
    restart(
        replace(
            member.assignment,
            member=offer.birth.member,
            incarnation=offer.birth.incarnation,
            hyperparameters=offer.birth.hyperparameters,
            prefetched=downloads,
            started_anew=why,
            nonce=member.link.nonce,
            idle_since=member.clock.idle_since,
            waited=member.clock.waited,
        ).to_environment()
    )


def _terminate(member: Session, step: int) -> None:
    """Saves, unless the member continues elsewhere: such a save would never be read."""
    if not member.ranks.leads:
        return
    link = member.link
    remaining = member.link.termination.deadline - time.monotonic()
    if member.succeeded or link.successor(timeout=min(_LOOK_SECONDS, remaining / 4)) is not None:
        logger.info("SIGTERM: leaving unsaved, a successor was born")
        return
    if step > member.recorded_step and not member.reports_files:
        member.save(step)
    elif member.reported_last:
        if step > member.recorded_step:
            logger.warning("SIGTERM: only the script can save its files; its newest report stands")
        member.mark()  # exit code 0 right after a report would say that the member is done
    if not link.flush():
        logger.warning(
            "SIGTERM: the grace period ended before step %d was stored; the newest record stands", step
        )
