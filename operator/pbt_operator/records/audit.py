"""Checks the invariants of a population from its store alone; what it returns is what is wrong.

Numbers as in the design: one writer for each incarnation (1), births without gaps whose sources exist (2), nobody but a
loser thrown back (3), the best survives (4), decisions replay bit for bit and are carried out once (5), hyperparameters
in their spaces and from the donor's own report (6).
"""

from collections import Counter
from collections.abc import Iterator

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_contract.stores import Store
from pbt_operator.core.exploit import choose
from pbt_operator.core.round_record import Decision, Round
from pbt_operator.core.spec import Spec
from pbt_operator.manifest.population import recorded, to_core
from pbt_operator.records import specs
from pbt_operator.records.archive import Archive


def violations(store: Store, archive: Archive) -> list[str]:
    """What is wrong with a population, a sentence for each."""
    return [
        *_lives(archive),
        *_sources(archive),
        *_progress(store, archive),
        *_best(store, archive),
        *_decisions(store, archive),
        *_hyperparameters(archive),
    ]


def _lives(archive: Archive) -> Iterator[str]:
    for member in archive.history.members:
        incarnations = sorted(i for m, i in archive.births if m == member)
        if incarnations != list(range(1, len(incarnations) + 1)):
            yield f"2: member {member} has the incarnations {incarnations}"
    for report in [*archive.reports.values(), *archive.saves.values()]:
        if report.life not in archive.claimed:
            yield f"1: {report.key} was written by a process that had no claim"


def _sources(archive: Archive) -> Iterator[str]:
    recorded = {**archive.reports, **archive.saves}
    for birth in archive.births.values():
        if birth.source is None or birth.cause.closes:
            continue
        source = recorded.get(birth.source.record)
        if source is None:
            yield f"2: {_name(birth)} starts from {birth.source.record}, which doesn't exist"
        elif source.source != birth.source or birth.start_step != source.step:
            yield f"2: {_name(birth)} starts from something else than {source.key} says"


def _progress(store: Store, archive: Archive) -> Iterator[str]:
    """A member that was not chosen never falls behind its newest record.

    Once a location has been adopted, the former owner's trainers may have written on for a while: such zombies' records
    don't count, and nothing says when they were written, so resumes can't be judged.
    """
    adopted = sum(1 for _ in store.names(keys.OWNERS)) > 1
    for (member, incarnation), birth in archive.births.items():
        previous = archive.births.get(Life(member, incarnation - 1))
        if previous is None or not birth.cause.resumes or (adopted and birth.cause is Cause.RESUME):
            continue
        own = [
            record.step
            for record in [*archive.reports.values(), *archive.saves.values()]
            if record.life == (member, incarnation - 1)
        ]
        newest = max(own, default=previous.start_step)
        if birth.start_step < newest:
            yield f"3: {_name(birth)} resumed at step {birth.start_step}, its newest record is at {newest}"


def _best(store: Store, archive: Archive) -> Iterator[str]:
    best = archive.best
    scores = [
        score
        for report in archive.reports.values()
        if archive.counts(report) and (score := report.score(archive.spec.objective.metric)) is not None
    ]
    if not scores:
        return
    utility = archive.spec.objective.utility
    if best is None or utility(best.score) < max(map(utility, scores)):
        yield f"4: the best is {best and best.score}, though a report has {max(scores, key=utility)}"
    elif (
        not any(True for _ in store.names(best.source.checkpoint))
        and archive.reports[best.source.record].files
    ):
        yield f"4: the checkpoint of the best, {best.source.checkpoint}, is gone"


def replay(decided: Round, spec: Spec) -> list[Decision]:
    """The decisions that follow from what a round recorded."""
    return choose(decided.entries, spec=spec, round_number=decided.number)


def _decisions(store: Store, archive: Archive) -> Iterator[str]:
    for decided in archive.rounds:
        spec = to_core(recorded(specs.read(store, decided.spec)))
        if replay(decided, spec) != decided.decisions:
            yield f"5: round {decided.number} doesn't replay to its decisions"
    closed = [life for life, birth in archive.births.items() if birth.cause.closes]
    born = Counter(
        # A member that was scaled away and came back begins anew, and may lose the same round again.
        (birth.round, member, sum(m == member and i < incarnation for m, i in closed))
        for (member, incarnation), birth in archive.births.items()
        if birth.cause in {Cause.EXPLOIT, Cause.ROLLBACK}
    )
    for (number, member, _), times in born.items():
        if times > 1:
            yield f"5: member {member} was born twice from round {number}"


def _hyperparameters(archive: Archive) -> Iterator[str]:
    for birth in archive.births.values():
        for hyperparameter in archive.spec.hyperparameters:
            value = birth.hyperparameters.get(hyperparameter.name)
            if value is None or not hyperparameter.space.contains(value):
                yield f"6: {_name(birth)} has {hyperparameter.name} = {value!r}, outside its space"
    for report in archive.reports.values():
        told = archive.births.get(report.life)
        if told is not None and told.hyperparameters != report.hyperparameters:
            yield f"6: {report.key} speaks of other hyperparameters than its birth"


def _name(birth: Birth) -> str:
    return keys.life(birth.member, birth.incarnation)
