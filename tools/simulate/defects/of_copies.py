"""Defects of copies: who is copied, when, and whether the copy is a twin."""

from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from pbt_operator.core import births, exploit, outcome, quorum
from pbt_operator.core.rules import RoundView
from pbt_operator.core.search import Schedule
from simulate.defects.patches import both


def _exploits_are_not_seeded_anew() -> Any:
    decided = births.decided
    return patch.object(births, "decided", lambda *a, **o: replace(decided(*a, **o), seed_round=None))


def _a_resume_is_seeded_like_an_exploit() -> Any:
    resumed = births.resumed
    return patch.object(
        births, "resumed", lambda *a, **o: replace(resumed(*a, **o), seed_round=a[0].seed_round or 0)
    )


def _min_gap_is_ignored() -> Any:
    def is_better(self: RoundView, donor: Any, entry: Any) -> bool:
        if donor.score is None or entry.score is None:
            return donor.score is not None
        return self.objective.utility(donor.score) > self.objective.utility(entry.score)

    return patch.object(RoundView, "is_better", is_better)


def _burn_in_is_ignored() -> Any:
    return patch.object(Schedule, "decides", lambda self, n: self.step_of(n) < self.total_steps)


def _losers_are_replaced_in_the_last_round() -> Any:
    return patch.object(Schedule, "decides", lambda self, n: self.burn_in_steps < self.step_of(n))


def _a_stragglers_donor_is_of_its_own_round() -> Any:
    def behind(straggler: Any, *, recorded: Any, newest: Any, **options: Any) -> Any:
        return exploit.judge(straggler, recorded=recorded, newest=recorded, **options)

    return patch.object(quorum, "judge", behind)


def _the_worst_are_copied() -> Any:
    def best(self: RoundView, percent: float) -> Any:
        return list(reversed(self.finite))[: max(1, len(self.finite) // 2)]

    return both(patch.object(RoundView, "best", best), patch.object(RoundView, "is_better", lambda *_: True))


def _one_lucky_report_reaches_the_target() -> Any:
    def lucky(reports: Any, spec: Any) -> Any:
        metric = spec.objective.metric
        scored = ((one, one.score(metric)) for one in reports)
        return next(
            (one for one, score in scored if score is not None and spec.objective.reached(score)), None
        )

    return patch.object(outcome, "target_report", lucky)


MADE = (
    _exploits_are_not_seeded_anew,
    _a_resume_is_seeded_like_an_exploit,
    _min_gap_is_ignored,
    _burn_in_is_ignored,
    _losers_are_replaced_in_the_last_round,
    _a_stragglers_donor_is_of_its_own_round,
    _the_worst_are_copied,
    _one_lucky_report_reaches_the_target,
)
