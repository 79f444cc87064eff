"""The lives of a population, each with its reports and its first ancestor: what the page draws and tells."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pbt_contract.errors import RecordRefused
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Report, Value
from pbt_operator.core.lineage import first_ancestor
from pbt_operator.records.archive import Archive


@dataclass(slots=True)
class Incarnation:
    """One incarnation with what it recorded.

    Attributes:
        ancestor: the life that its weights come from in the end; None where the chain of births is broken.
        reports: those that count, by step; saves are left out.
        discarded: those that don't.
        end: the last recorded step that counts.
        reached: the last recorded step.
    """

    birth: Birth
    ancestor: Life | None
    reports: list[Report] = field(default_factory=list)
    discarded: list[Report] = field(default_factory=list)
    end: int = 0
    reached: int = 0

    @property
    def key(self) -> Life:
        """Its member and incarnation."""
        return self.birth.life

    @property
    def parent(self) -> Life | None:
        """The life that it took its checkpoint from."""
        source = self.birth.source
        return source.life if source else None


class Incarnations:
    """All incarnations of a population.

    Attributes:
        metric: the objective.
        all: by member and incarnation, in the order of their births.
        current: those that members live now, by member; members that were scaled away or failed have none.
    """

    def __init__(self, archive: Archive) -> None:
        self.metric = archive.spec.objective.metric
        real = [birth for birth in archive.births.values() if not birth.cause.closes]
        real.sort(key=lambda birth: (birth.start_step, birth.round or 0, birth.member, birth.incarnation))
        self.all: dict[Life, Incarnation] = {}
        for birth in real:  # a parent starts earlier than those who descend from it
            life = Incarnation(birth, None, end=birth.start_step, reached=birth.start_step)
            parent = self.all.get(life.parent) if life.parent else None
            life.ancestor = parent.ancestor if parent else _ancestor(archive, birth)
            self.all[life.key] = life
        for report in sorted(
            [*archive.reports.values(), *archive.saves.values()], key=lambda r: (r.step, r.round is None)
        ):
            writer = self.all.get(report.life)
            if writer is not None:  # a line that was closed has no life to write anything
                _add(writer, report, counts=archive.counts(report))
        self.current: dict[int, Incarnation] = {}
        for member in archive.history.members:
            newest = archive.history.newest_birth(member)
            if newest is not None and not newest.cause.closes:
                self.current[member] = self.all[newest.life]

    def score(self, report: Report) -> float | None:
        """A report's score."""
        return report.score(self.metric)

    def origin(self, life: Incarnation, *, metric: str | None = None) -> tuple[int, float] | None:
        """The point that a life's curve goes on from: the last finite score of those it descends from.

        Args:
            life: which one.
            metric: of the curve; the objective where None.
        """
        end, seen = life.birth.start_step, {life.key}
        parent = life.parent
        while parent in self.all and parent not in seen:
            seen.add(parent)
            ancestor = self.all[parent]
            recorded = sorted([*ancestor.discarded, *ancestor.reports], key=lambda report: report.step)
            for report in reversed(recorded):
                score = report.score(metric or self.metric)
                if score is not None and report.step <= end:
                    return report.step, score
            parent, end = ancestor.parent, min(end, ancestor.birth.start_step)
        return None

    def replaced(self, life: Incarnation) -> bool:
        """Whether the member's next life began with something else than this one's end."""
        member, incarnation = life.key
        following = self.all.get(Life(member, incarnation + 1))
        return following is not None and not following.birth.cause.resumes

    def before(self, life: Incarnation) -> Mapping[str, Value]:
        """The hyperparameters of the life that this one goes on from; empty where there is none."""
        member, incarnation = life.key
        began_again = Life(member, incarnation - 1) if life.birth.cause.resumes else None
        before = self.all.get(life.parent or began_again or life.key)
        return before.birth.hyperparameters if before and before is not life else {}

    def ancestors(self) -> dict[Life, int]:
        """How many current members descend from each first ancestor: the most first, then by trained steps."""
        steps: Counter[Life] = Counter()
        for life in self.all.values():
            if life.ancestor is not None:
                steps[life.ancestor] += life.end - life.birth.start_step
        descended = Counter(life.ancestor for life in self.current.values())
        ranked = sorted(steps, key=lambda key: (-descended[key], -steps[key], key))
        return {key: descended[key] for key in ranked}

    def surviving(self) -> set[Life]:
        """The lives that a current member descends from, its own included."""
        kept: set[Life] = set()
        for life in self.current.values():
            key: Life | None = life.key
            while key in self.all and key not in kept:
                kept.add(key)
                key = self.all[key].parent
        return kept


def _ancestor(archive: Archive, birth: Birth) -> Life | None:
    try:
        return first_ancestor(archive.births, member=birth.member, incarnation=birth.incarnation)
    except RecordRefused:
        return None


def _add(life: Incarnation, report: Report, *, counts: bool) -> None:
    life.reached = max(life.reached, report.step)
    if counts:
        life.end = max(life.end, report.step)
    if report.round is not None:
        (life.reports if counts else life.discarded).append(report)
