"""`pbt lineage`: the chain of lives behind the winner or a member, and how many ancestors are left."""

from pbt_contract.keys import Life
from pbt_contract.records import Cause, Count, IncarnationNumber, MemberNumber, Record, Value
from pbt_operator.cli.output import Mistake, read_population, say, say_json
from pbt_operator.core.ancestry import Diversity
from pbt_operator.core.lineage import lineage
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.learned_words import diversity_of, warning_text
from pbt_operator.page.words import (
    changes_text,
    counted,
    life_text,
    origin_text,
    score_text,
    values_text,
)
from pbt_operator.records.archive import Archive


class LineageSegment(Record, frozen=True, kw_only=True):
    """One life's part of a lineage, with its score at `end_step` if there was a ready report."""

    member: MemberNumber
    incarnation: IncarnationNumber
    cause: Cause
    start_step: Count
    end_step: Count
    score: float | None
    hyperparameters: dict[str, Value]
    operations: dict[str, str]
    reason: str


class Ancestor(Record, frozen=True, kw_only=True):
    """A life that began without a checkpoint, and the current members that descend from it."""

    member: MemberNumber
    incarnation: IncarnationNumber
    members: list[MemberNumber]


class RoundDiversity(Record, frozen=True, kw_only=True):
    """What the members that a round compared descend from, as they go on after it.

    Attributes:
        ancestors: how many different first ancestors they have.
        largest: how many members descend from the one with the most.
    """

    round: Count
    step: Count
    members: Count
    ancestors: Count
    largest: Count


class LineageView(Record, frozen=True, kw_only=True):
    """A lineage, the first ancestor first, and the diversity of the population: now, and after each round.

    Attributes:
        warning: that one start took over early; empty where none did.
    """

    member: MemberNumber
    incarnation: IncarnationNumber
    step: Count
    score: float | None
    segments: list[LineageSegment]
    ancestors: list[Ancestor]
    diversity: list[RoundDiversity]
    warning: str


def show_lineage(location: str, *, member: int | None, as_json: bool) -> None:
    """Prints the lineage of the best checkpoint, or of a member's newest one.

    Raises:
        Mistake: there is no such member, or nobody has a finite score.
    """
    archive = read_population(location)
    lives = Incarnations(archive)
    view = lineage_view(archive, lives, member=member)
    if as_json:
        say_json(view)
        return
    _print(archive, lives, view)


def lineage_view(archive: Archive, lives: Incarnations, *, member: int | None) -> LineageView:
    """The lineage of the best checkpoint, or of what `member` reached."""
    life, step = _end(archive, lives, member)
    segments = [
        LineageSegment(
            member=segment.member,
            incarnation=segment.incarnation,
            cause=segment.cause,
            start_step=segment.start_step,
            end_step=segment.end_step,
            score=_score_at(lives, segment.life, segment.end_step),
            hyperparameters=segment.hyperparameters,
            operations=segment.operations,
            reason=segment.reason,
        )
        for segment in lineage(archive.births, member=life[0], incarnation=life[1], step=step)
    ]
    descendants: dict[tuple[int, int], list[int]] = {}
    for number, current in lives.current.items():
        if current.ancestor is not None:
            descendants.setdefault(current.ancestor, []).append(number)
    found = diversity_of(archive, lives)
    return LineageView(
        member=life[0],
        incarnation=life[1],
        step=step,
        score=segments[-1].score if segments else None,
        segments=segments,
        ancestors=[
            Ancestor(member=key[0], incarnation=key[1], members=descendants[key])
            for key in lives.ancestors()
            if key in descendants
        ],
        diversity=[_round_diversity(each) for each in found],
        warning=warning_text(archive, found),
    )


def _round_diversity(of: Diversity) -> RoundDiversity:
    fields = of._asdict()
    return RoundDiversity(round=fields.pop("number"), **fields)


def _end(archive: Archive, lives: Incarnations, member: int | None) -> tuple[tuple[int, int], int]:
    if member is None:
        if archive.best is None:
            raise Mistake(
                f"no member has reported a finite {archive.spec.objective.metric} yet; name one with --member"
            )
        return archive.best.life, archive.best.step
    own = [key for key in lives.all if key[0] == member]
    if not own:
        numbers = archive.history.members
        raise Mistake(
            f"there is no member {member}; there are {numbers[0]} to {numbers[-1]}"
            if numbers
            else "no member was born yet"
        )
    newest = max(own)
    return newest, lives.all[newest].end


def _score_at(lives: Incarnations, life: tuple[int, int], step: int) -> float | None:
    reports = lives.all[life].reports if life in lives.all else []
    return next((lives.score(report) for report in reports if report.step == step), None)


def _print(archive: Archive, lives: Incarnations, view: LineageView) -> None:
    metric = archive.spec.objective.metric
    score = f", {metric} {score_text(view.score)}" if view.score is not None else ""
    say(f"member {life_text(view.member, view.incarnation)} at step {view.step:,}{score}")
    say()
    names = [h.name for h in archive.spec.hyperparameters]
    for index, segment in enumerate(view.segments):
        life = lives.all[Life(segment.member, segment.incarnation)]
        reached = f"  {metric} {score_text(segment.score)}" if segment.score is not None else ""
        steps = f"steps {segment.start_step + 1:,} to {segment.end_step:,}"
        say(f"{life_text(segment.member, segment.incarnation)}  {steps}{reached}")
        say(f"     {segment.cause.value}: {origin_text(life.birth)}")
        if index == 0:
            say(
                f"     {values_text({n: segment.hyperparameters[n] for n in names if n in segment.hyperparameters})}"
            )
        elif changes := changes_text(life.birth, lives.before(life), names=names):
            say(f"     {changes}")
    if not view.segments:
        say("no step was recorded yet")
    say()
    told = ", ".join(f"{life_text(a.member, a.incarnation)} ({len(a.members)})" for a in view.ancestors[:12])
    more = f" and {len(view.ancestors) - 12} more" if view.ancestors[12:] else ""
    members = counted(len(lives.current), "current member")
    say(f"{members}, {counted(len(view.ancestors), 'first ancestor')}: {told}{more}")
    if view.diversity:
        shown = view.diversity[:: max(1, len(view.diversity) // 6)]
        say(
            f"first ancestors alive: {', '.join(f'{each.ancestors} after step {each.step:,}' for each in shown)}"
        )
    if view.warning:
        say(f"warning: {view.warning}")
