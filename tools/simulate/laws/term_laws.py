"""The laws of ends before the last step: a target is reached twice, a deadline counts what is active (12)."""

from collections.abc import Iterator

from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase, Result
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge

LATE_SECONDS = 400.0
"""How long after its deadline a population may end, with a working operator."""


class TermLaws(Judge):
    """Targets and deadlines."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._active_from = 0.0  # at least since then
        self._suspended_at: float | None = None

    @property
    def active_seconds(self) -> float:
        """How long it has been active at the most."""
        return self.now - self._active_from

    def on_write(self, key: str, before: bytes | None) -> None:
        """A suspension that was shown starts the deadline again: from its end, at the earliest from its beginning."""
        facts = self.facts
        spec = facts.in_force
        if not key.startswith("specs/") or spec is None:
            return
        if len(facts.specs) == 1:
            self._active_from = self.now
        elif self._suspended_at is not None and self._shows_suspension():
            self._active_from = self._suspended_at
        self._suspended_at = self.now if spec.suspend else None

    def _shows_suspension(self) -> bool:
        """Whether an operator has made a pass since: one that comes later knows nothing of it."""
        bodies = self.facts.server.populations.values()
        return any(body["status"].get("phase") == PopulationPhase.SUSPENDED for body in bodies)

    def on_result(self, result: Result) -> None:
        """It tells the truth about why it ended."""
        if self.facts.is_lawless:
            return
        spec = self.facts.spec(result.spec)
        reached = set(self._on_target(spec))
        if result.reason == "TargetReached" and not reached:
            self.blame("12: TargetReached, and nobody has reached it twice in a row")
        if result.reason == "AllStepsDone" and reached & set(range(spec.members)):
            self.blame(f"12: AllStepsDone, and members {sorted(reached)} have reached the target")
        deadline, active = spec.active_deadline_seconds, self.active_seconds
        if result.reason == "DeadlineExceeded" and (deadline is None or active < deadline - 1.0):
            self.blame(f"12: DeadlineExceeded after {active:.1f} s, activeDeadlineSeconds is {deadline}")

    def on_tick(self) -> None:
        """With a working operator, a population ends soon after its deadline."""
        facts, spec = self.facts, self.facts.in_force
        if spec is None or spec.active_deadline_seconds is None or not facts.is_at_work:
            return
        since = max(facts.calm_since, facts.written[facts.specs[max(facts.specs)].key])
        if self.now > since + spec.active_deadline_seconds + LATE_SECONDS:
            self.blame(f"12: it is active for longer than its deadline, {spec.active_deadline_seconds} s")

    def _on_target(self, spec: Spec) -> Iterator[int]:
        """The members that have reached the target: by the mean of a list, or twice in a row."""
        if spec.objective.target is None:
            return
        for member in {birth.member for birth in self.facts.births.values()}:
            before = False
            for report in self.facts.line_records(member):
                if report.round is None:
                    continue
                score = report.score(spec.objective.metric)
                reached = score is not None and spec.objective.reached(score)
                is_list = isinstance(report.metrics.get(spec.objective.metric), list)
                if reached and (before or is_list):
                    yield member
                    break
                before = reached
