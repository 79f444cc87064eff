"""The final checkpoint: the best of the members' newest scores, whatever rounds were decided."""

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import make_spec
from fixtures.lives import INTERVAL, line_of, lines
from pbt_contract.records import Birth, Report
from pbt_operator.core.history import History
from pbt_operator.core.retention import kept
from pbt_operator.core.round_record import Round
from pbt_operator.core.search import Goal, Objective

MEMBERS = 4
# Few different ones, so that ties are common. An empty list: it isn't scored yet.
values = st.integers(-2, 2).map(float) | st.sampled_from(["NaN", "Infinity"])
metrics = st.fixed_dictionaries({"score": values | st.lists(values, max_size=2)})
members = st.tuples(*(lines(member, metrics) for member in range(MEMBERS)))


def newest_of(births: Sequence[Birth], records: Sequence[Report]) -> Report | None:
    """A member's newest report: of the lives since its newest decision, up to the step that each passed on."""
    own: list[Report] = []
    passed_on = math.inf
    for birth in line_of(list(births)):
        own += [r for r in records if r.incarnation == birth.incarnation and r.step <= passed_on]
        passed_on = min(passed_on, birth.previous_step)
    ready = [record for record in own if record.round is not None]
    return max(ready, key=lambda record: (record.step, record.incarnation), default=None)


def score_of(report: Report) -> float | None:
    told = report.metrics["score"]
    numbers = [float(one) for one in (told if isinstance(told, list) else [told])]
    mean = sum(numbers) / len(numbers) if numbers else math.nan
    return mean if math.isfinite(mean) else None


@given(members, st.sampled_from(Goal), st.sets(st.integers(1, 9), max_size=3))
def test_it_is_the_best_of_the_newest_scores_of_all_who_are_left(told, goal: Goal, decided: set[int]):
    history, objective = History(kept_per_member=10**6), Objective("score", goal)
    for births, records in told:
        for birth in births:
            history.add_birth(birth)
        for record in records:
            history.add_record(record)
    for number in decided:
        history.add_round(Round(number=number, step=number * INTERVAL, spec=1, entries=[]))
    newest = [newest_of(births, records) for births, records in told]
    scores = [None if report is None else score_of(report) for report in newest]
    best = (max if goal is Goal.MAXIMIZE else min)((s for s in scores if s is not None), default=None)
    final = history.final(objective)
    if best is None:
        assert final is None
        return
    first = newest[scores.index(best)]
    assert final is not None
    assert first is not None
    assert (final.member, final.incarnation, final.step, final.score) == (*first.life, first.step, best)
    place = (final.member, final.incarnation, final.step)
    assert place in kept(history, make_spec(objective=objective)), "retention keeps its checkpoint"
