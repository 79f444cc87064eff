"""What happens between two steps: train on, take the next birth over, make room, or save and leave."""

import time
from dataclasses import replace
from typing import NoReturn

from pbt_contract.errors import StateError
from pbt_trainer.courier.messages import Offer
from pbt_trainer.exit import restart
from pbt_trainer.log import logger
from pbt_trainer.session.session import Session
from pbt_trainer.session.verdict import Verdict
from pbt_trainer.state.files import has_files

_LOOK_SECONDS = 5.0


def consult(member: Session, *, step: int, due: bool) -> Verdict:
    """Learns what became of the member, and acts on it; may replace this process's image.

    Args:
        member: between two steps.
        step: the one that is done.
        due: whether it was one to report; several ranks can agree only then.

    Returns:
        What `Run.advance` has to do. A takeover in place has happened by then.
    """
    member.link.poll()
    if not (member.ranks.alone or due):
        return Verdict.GO
    decides = member.ranks.leads or not member.ranks.connected
    verdict = member.ranks.agree(_decide(member, step) if decides else Verdict.GO)
    if verdict is Verdict.SWAP:
        _swap(member)
    elif verdict is Verdict.TERMINATE:
        _terminate(member, step)
    elif verdict is Verdict.REPLACED:
        logger.info("%s", member.link.replaced or "another process is this member now")
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
    if _can_swap(member, link.offer):
        return Verdict.SWAP if _take(member, link.offer) else Verdict.REPLACED
    if member.ranks.alone:
        _restart(member, link.offer)
    link.offer = None  # several ranks can't restart together: a new pod takes the birth
    return Verdict.GO


def _make_room(member: Session, offer: Offer, step: int) -> Verdict:
    """Saves the member, which can then continue elsewhere, and becomes another one that waits for a slot."""
    link, own = member.link, member.birth
    if step > member.recorded_step:
        if member.reports_files:  # only the script can save its files: right after its next report
            return Verdict.GO
        member.save(step)
        member.start_clock()
    if not link.flush():
        return Verdict.TERMINATE
    link.poll()
    if member.link.termination.requested or link.replaced is not None or link.offer is not offer:
        return _decide(member, step)
    logger.info("member %d makes room for member %d at step %d", own.member, offer.birth.member, step)
    if not _can_swap(member, offer):
        _restart(member, offer)
    if _take(member, offer):
        return Verdict.SWAP
    logger.info("another process has member %d: going on as member %d", offer.birth.member, own.member)
    return Verdict.GO


def _can_swap(member: Session, offer: Offer) -> bool:
    """Whether the running loop can continue: each hyperparameter that changes reaches it, and so does the state."""
    if offer.report is None or not member.ranks.connected:
        return False
    if has_files(offer.report) and not member.has_hooks:
        return False
    current = member.hp.peek()
    changed = [name for name, value in offer.birth.hyperparameters.items() if current.get(name) != value]
    if not all(name in member.hp.read_in_loop for name in changed):
        return False
    try:
        member.planned = member.plan(offer)
    except StateError as error:
        logger.info("%s", error)
        return False
    return True


def _take(member: Session, offer: Offer) -> bool:
    """Claims the birth; whoever has it already makes the plan void."""
    if member.link.take(offer):
        return True
    if member.planned is not None:
        member.planned.close()
        member.planned = None
    return False


def _swap(member: Session) -> None:
    link = member.link
    if not member.ranks.leads:
        link.take(link.await_offer())
    assert link.taken is not None, "rank 0 has claimed it, and the other ranks need no claim"
    if not member.ranks.leads:
        member.planned = member.plan(link.taken)
    planned, member.planned = member.planned, None
    member.become(link.taken, planned)


def _restart(member: Session, offer: Offer) -> NoReturn:
    number = offer.birth.incarnation
    logger.info("incarnation %d can't be taken over by the running loop: starting anew", number)
    downloads = member.link.keep()
    member.close()
    restart(
        replace(
            member.assignment,
            member=offer.birth.member,
            incarnation=offer.birth.incarnation,
            hyperparameters=offer.birth.hyperparameters,
            prefetched=downloads,
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
    if member.reports_files:
        logger.warning("SIGTERM: only the script can save its files; its newest report stands")
    elif step > member.recorded_step:
        member.save(step)
    if not link.flush():
        logger.warning(
            "SIGTERM: the grace period ended before step %d was stored; the newest record stands", step
        )
