"""The laws of limits and plateaus: such an end is true, and comes soon once it is due; time is counted right (12)."""

from collections.abc import Iterator

from msgspec import UnsetType

from pbt_contract.records import Report
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.term_laws import TermLaws

LATE_SECONDS = 400.0
"""How long after it has reached a limit a population may end, with a working operator."""
NEAR_SECONDS = 1.0
"""How much of each share of the time is lost by rounding."""


class BudgetLaws(Judge):
    """What has been used, by the records as they were written."""

    def __init__(self, facts: Facts, terms: TermLaws) -> None:
        """Asks the laws of terms how long the population has been active."""
        super().__init__(facts)
        self._terms = terms
        self._reached_at: tuple[int, float] | None = None  # under which spec, and when

    def on_result(self, result: Result) -> None:
        """It tells the truth about what was used."""
        facts = self.facts
        if facts.is_lawless:
            return
        spec = facts.spec(result.spec)
        if result.reason == "LimitReached" and not any(self._over(spec)):
            self.blame(f"12: LimitReached, and no limit is: {result.message}")
        if result.reason == "Plateau" and not self._stands_still(spec):
            self.blame(f"12: Plateau, and it got better: {result.message}")
        self._judge_seconds(result)

    def on_tick(self) -> None:
        """With a working operator, a population ends soon after it has reached a limit."""
        facts, spec = self.facts, self.facts.in_force
        if spec is None or not facts.is_at_work or not (any(self._over(spec)) or self._stands_still(spec)):
            self._reached_at = None
            return
        newest = max(facts.specs)
        if self._reached_at is None or self._reached_at[0] != newest:
            self._reached_at = (newest, self.now)
        ended = any(result.spec == newest for result in facts.results.values())
        if not ended and self.now > self._reached_at[1] + LATE_SECONDS:
            self.blame("12: a limit is reached, or it stands still, and it doesn't end")

    def _records(self) -> list[Report]:
        return [record for records in self.facts.records.values() for record in records]

    def _over(self, spec: Spec) -> Iterator[str]:
        """The limits that are reached."""
        steps, limits = 0, spec.limits
        for life, records in self.facts.records.items():
            start = self.facts.births[life].start_step if life in self.facts.births else 0
            steps += max((record.step for record in records), default=start) - start
        if limits.total_member_steps is not None and steps >= limits.total_member_steps:
            yield "totalMemberSteps"
        if limits.active_seconds is not None and self._terms.active_seconds >= limits.active_seconds - 1.0:
            yield "activeSeconds"
        hours = sum(map(_seconds, self._records())) * spec.gpus / 3600
        if limits.gpu_hours is not None and hours >= limits.gpu_hours - 1e-6:
            yield "gpuHours"

    def _stands_still(self, spec: Spec) -> bool:
        rounds = [decided for _, decided in sorted(self.facts.rounds.items())]
        if spec.plateau is None or len(rounds) <= spec.plateau.rounds:
            return False
        before, now = rounds[-1 - spec.plateau.rounds].best, rounds[-1].best
        if before is None or now is None:
            return False
        return (
            spec.objective.utility(now.score) - spec.objective.utility(before.score) <= spec.plateau.min_gain
        )

    def _judge_seconds(self, result: Result) -> None:
        """What is productive is the time of the records that count; the rest of the training was discarded."""
        spent = result.seconds
        if isinstance(spent, UnsetType):
            self.blame("12: a result doesn't tell what the time went to")
            return
        kept = sum(record.seconds for record in self.facts.counting())
        whole = sum(map(_seconds, self._records()))
        # Else trainers are at work, and may have recorded more since it was counted.
        is_exact = result.reason == "AllStepsDone" and not self.facts.had_zombies
        for what, told, really in (("productive", spent.productive, kept), ("recorded", spent.total, whole)):
            if told > really + NEAR_SECONDS or (is_exact and told < really - NEAR_SECONDS):
                self.blame(f"12: {told} s are called {what}, {really} s are")


def _seconds(record: Report) -> float:
    more = [part for part in (record.waited, record.starting) if not isinstance(part, UnsetType)]
    return record.seconds + sum(more)
