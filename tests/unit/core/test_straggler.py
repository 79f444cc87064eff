"""A member that reports a round after it was decided without it is thrown back by that round once."""

from unittest.mock import patch

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core import quorum
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Round
from pbt_operator.manifest.population import to_core
from pbt_operator.manifest.settled_spec import settled

SPEC = to_core(settled(spec(DETERMINISTIC), None))
STEP = SPEC.schedule.step_of(2)
VALUES = {"rate": 0.05, "depth": 1}


def born(cause: Cause, incarnation: int, **fields: object) -> Birth:
    return Birth(
        member=0, incarnation=incarnation, cause=cause, hyperparameters=VALUES, reason="a test", **fields
    )


def late(*births: Birth) -> tuple[Report, Round, History]:
    """The newest life of member 0 reports round 2, in which nobody has a finite score, after round 3."""
    history = History()
    for birth in births:
        history.add_birth(birth)
    own = Round(number=2, step=STEP, spec=1, entries=[], decisions=[])
    history.add_round(own)
    history.add_round(Round(number=3, step=SPEC.schedule.step_of(3), spec=1, entries=[], decisions=[]))
    report = Report(
        member=0,
        incarnation=births[-1].incarnation,
        step=STEP,
        round=2,
        metrics={SPEC.objective.metric: "NaN"},
        hyperparameters=VALUES,
        checkpoint="checkpoints/",
        files=[],
        seconds=1.0,
    )
    history.add_record(report)
    return report, own, history


def is_judged(*births: Birth) -> bool:
    report, own, history = late(*births)
    with patch.object(quorum, "judge", return_value=None) as judge:
        quorum.judge_straggler(report, own=own, history=history, spec=SPEC)
    return judge.called


FIRST = born(Cause.INITIAL, 1)
THROWN_BACK = born(Cause.ROLLBACK, 2, round=2, seed_round=2, previous_step=STEP)


@pytest.mark.parametrize(
    ("births", "judged"),
    [
        ([FIRST], True),
        ([FIRST, THROWN_BACK], False),
        ([FIRST, THROWN_BACK, born(Cause.REPLACE, 3, seed_round=2, crashes=2, blamed=1)], False),
        ([FIRST, born(Cause.REPLACE, 2, seed_round=0, crashes=2, blamed=1)], True),
    ],
)
def test_a_line_that_begins_again_after_crashes_is_still_the_one_that_a_round_began(
    births: list[Birth], judged: bool
) -> None:
    assert is_judged(*births) is judged
