"""The record of how a population ended, from what its operator knows: only the winner's ancestors are read again."""

from contextlib import suppress

from pbt_operator.core.lineage import lineage_of, schedule
from pbt_operator.core.round import Standing
from pbt_operator.core.spec import Spec
from pbt_operator.journal import Journal, Life
from pbt_operator.members import member_status, steps
from pbt_operator.outcome import Outcome
from pbt_operator.status import Best, MemberState, Result
from pbt_trainer import keys
from pbt_trainer.errors import KeyRefused, NotFound
from pbt_trainer.records import Birth


def conclude(journal: Journal, spec: Spec, outcome: Outcome, *, spec_number: int) -> Result:
    """What `pbt_operator.story` would tell of it, without reading the whole story."""
    if journal.ledger is None:
        journal.count()
    ledger, history = journal.ledger, journal.history
    assert ledger is not None, "it was just made"
    best = history.best(spec.objective)
    segments = lineage_of(best, _ancestors(journal, best)) if best is not None else []
    claimed = _claimed(journal)
    return Result(
        phase=outcome.phase,
        reason=outcome.reason,
        message=outcome.message,
        best=Best.of(best),
        final=Best.of(history.final(spec.objective)),
        members=[
            member_status(
                history,
                member,
                spec,
                active=MemberState.TRAINING if member in claimed else MemberState.WAITING,
            )
            for member in history.members
        ],
        rounds=sum(1 for name in journal.store.names(keys.ROUNDS) if _is_round(name)),
        exploits=ledger.num_exploits,
        births=ledger.num_births,
        steps=steps(ledger, history, spec),
        spec=spec_number,
        lineage=segments,
        schedule=schedule(segments),
    )


def _ancestors(journal: Journal, standing: Standing) -> dict[Life, Birth]:
    """The births behind a standing, as far as they are recorded."""
    found: dict[Life, Birth] = {}
    life: Life | None = (standing.member, standing.incarnation)
    with suppress(NotFound):
        while life is not None and life not in found:
            birth = found[life] = journal.peek(life)
            life = (birth.source.member, birth.source.incarnation) if birth.source is not None else None
    return found


def _claimed(journal: Journal) -> set[int]:
    """The members whose newest birth a process has taken."""
    claimed = set()
    for name in journal.store.names(keys.CLAIMS):
        with suppress(KeyRefused):  # somebody else's file
            member, incarnation = keys.life_in(name)
            newest = journal.history.newest_birth(member)
            if newest is not None and newest.incarnation == incarnation:
                claimed.add(member)
    return claimed


def _is_round(name: str) -> bool:
    try:
        return name == keys.round_(keys.number_in(name))
    except KeyRefused:
        return False
