"""What a changed number of members asks for: first births, ends, and the rescue of the best."""

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core import scaling
from pbt_operator.core.history import History
from pbt_operator.manifest.population import to_core

FOUR, THREE = to_core(spec(DETERMINISTIC, members=4)), to_core(spec(DETERMINISTIC, members=3))
INTERVAL = FOUR.schedule.interval_steps


def trained(scores: list[float]) -> History:
    """Each member has made its first report."""
    history = History()
    for birth in scaling.first_births(History(), FOUR)[: len(scores)]:
        history.add_birth(birth)
    for member, score in enumerate(scores):
        history.add_record(
            Report(
                member=member,
                incarnation=1,
                step=INTERVAL,
                round=1,
                metrics={FOUR.objective.metric: score},
                hyperparameters=history.line(member)[0].hyperparameters,
                checkpoint=f"checkpoints/{member:05}-000001/{INTERVAL:012}-x/",
                files=[],
                seconds=1.0,
            )
        )
    return history


def test_every_member_is_born_once():
    history = History()
    first, *others = scaling.first_births(history, FOUR)
    assert [birth.member for birth in (first, *others)] == [0, 1, 2, 3]
    history.add_birth(first)
    assert scaling.first_births(history, FOUR) == others


def test_the_highest_numbers_leave_and_each_once():
    history = trained([1.0, 2.0, 3.0, 4.0])
    assert scaling.leaving(history, FOUR) == []
    assert scaling.leaving(history, THREE) == [3]
    end = scaling.removed(history, 3)
    assert (end.cause, end.start_step) == (Cause.REMOVED, INTERVAL)
    history.add_birth(end)
    assert scaling.leaving(history, THREE) == []


def test_the_worst_that_stays_takes_over_from_the_best_that_leaves_and_only_once():
    history = trained([2.0, 1.0, 3.0, 4.0])
    rescue = scaling.rescue(history, THREE, leaving=[3])
    assert isinstance(rescue, Birth)
    assert (rescue.member, rescue.cause) == (1, Cause.SCALE)
    assert rescue.source is not None
    assert rescue.source.member == 3
    history.add_birth(rescue)
    assert scaling.rescue(history, THREE, leaving=[3]) is None


def test_nobody_takes_over_from_a_leaving_member_that_is_not_the_best():
    assert scaling.rescue(trained([5.0, 1.0, 3.0, 4.0]), THREE, leaving=[3]) is None
