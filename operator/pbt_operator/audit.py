"""Checks the invariants of a population from its store alone; what it returns is what is wrong.

Numbers as in the design: one writer for each incarnation (1), births without gaps whose sources exist (2), nobody but a
loser thrown back (3), the best survives (4), decisions replay bit for bit and are carried out once (5), hyperparameters
in their spaces and from the donor's own report (6).
"""

from collections import Counter
from collections.abc import Iterator

from pbt_operator import specs
from pbt_operator.api.population import recorded, to_core
from pbt_operator.core.exploit import choose
from pbt_operator.core.round import Decision, Round
from pbt_operator.core.spec import Spec
from pbt_operator.story import Story
from pbt_trainer import keys
from pbt_trainer.records import Birth, Cause
from pbt_trainer.stores import Store


def violations(store: Store, story: Story) -> list[str]:
    """What is wrong with a population, a sentence for each."""
    return [
        *_lives(story),
        *_sources(story),
        *_progress(store, story),
        *_best(store, story),
        *_decisions(store, story),
        *_hyperparameters(story),
    ]


def _lives(story: Story) -> Iterator[str]:
    for member in story.history.members:
        incarnations = sorted(i for m, i in story.births if m == member)
        if incarnations != list(range(1, len(incarnations) + 1)):
            yield f"2: member {member} has the incarnations {incarnations}"
    for report in [*story.reports.values(), *story.saves.values()]:
        if (report.member, report.incarnation) not in story.claimed:
            yield f"1: {report.key} was written by a process that had no claim"


def _sources(story: Story) -> Iterator[str]:
    recorded = {**story.reports, **story.saves}
    for birth in story.births.values():
        if birth.source is None or birth.cause.closes:
            continue
        source = recorded.get(birth.source.record)
        if source is None:
            yield f"2: {_name(birth)} starts from {birth.source.record}, which doesn't exist"
        elif source.source != birth.source or birth.start_step != source.step:
            yield f"2: {_name(birth)} starts from something else than {source.key} says"


def _progress(store: Store, story: Story) -> Iterator[str]:
    """A member that was not chosen never falls behind its newest record.

    Once a location has been adopted, the former owner's trainers may have written on for a while: such zombies' records
    don't count, and nothing says when they were written, so resumes can't be judged.
    """
    adopted = sum(1 for _ in store.names(keys.OWNERS)) > 1
    for (member, incarnation), birth in story.births.items():
        previous = story.births.get((member, incarnation - 1))
        if previous is None or not birth.cause.resumes or (adopted and birth.cause is Cause.RESUME):
            continue
        own = [
            record.step
            for record in [*story.reports.values(), *story.saves.values()]
            if (record.member, record.incarnation) == (member, incarnation - 1)
        ]
        newest = max(own, default=previous.start_step)
        if birth.start_step < newest:
            yield f"3: {_name(birth)} resumed at step {birth.start_step}, its newest record is at {newest}"


def _best(store: Store, story: Story) -> Iterator[str]:
    best = story.best
    scores = [
        score
        for report in story.reports.values()
        if story.counts(report) and (score := report.score(story.spec.objective.metric)) is not None
    ]
    if not scores:
        return
    utility = story.spec.objective.utility
    if best is None or utility(best.score) < max(map(utility, scores)):
        yield f"4: the best is {best and best.score}, though a report has {max(scores, key=utility)}"
    elif (
        not any(True for _ in store.names(best.source.checkpoint)) and story.reports[best.source.record].files
    ):
        yield f"4: the checkpoint of the best, {best.source.checkpoint}, is gone"


def replay(decided: Round, spec: Spec) -> list[Decision]:
    """The decisions that follow from what a round recorded."""
    return choose(decided.entries, spec=spec, round_number=decided.number)


def _decisions(store: Store, story: Story) -> Iterator[str]:
    for decided in story.rounds:
        spec = to_core(recorded(specs.read(store, decided.spec)))
        if replay(decided, spec) != decided.decisions:
            yield f"5: round {decided.number} doesn't replay to its decisions"
    closed = [life for life, birth in story.births.items() if birth.cause.closes]
    born = Counter(
        # A member that was scaled away and came back begins anew, and may lose the same round again.
        (birth.round, member, sum(m == member and i < incarnation for m, i in closed))
        for (member, incarnation), birth in story.births.items()
        if birth.cause in {Cause.EXPLOIT, Cause.ROLLBACK}
    )
    for (number, member, _), times in born.items():
        if times > 1:
            yield f"5: member {member} was born twice from round {number}"


def _hyperparameters(story: Story) -> Iterator[str]:
    for birth in story.births.values():
        for hyperparameter in story.spec.hyperparameters:
            value = birth.hyperparameters.get(hyperparameter.name)
            if value is None or not hyperparameter.space.contains(value):
                yield f"6: {_name(birth)} has {hyperparameter.name} = {value!r}, outside its space"
    for report in story.reports.values():
        told = story.births.get((report.member, report.incarnation))
        if told is not None and told.hyperparameters != report.hyperparameters:
            yield f"6: {report.key} speaks of other hyperparameters than its birth"


def _name(birth: Birth) -> str:
    return keys.life(birth.member, birth.incarnation)
