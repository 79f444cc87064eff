"""Reports that a person should look at (trap 19): the donor's value came back, or the trainer has something to say."""

import pytest

from pbt_contract.records import Birth, Cause, Report
from pbt_operator.control.notices import remarks
from pbt_operator.core.news import news_of


def report(member: int, assigned: dict, **changes: object) -> Report:
    fields = {"effective": {}, "notes": [], **changes}
    return Report(
        member=member,
        incarnation=2,
        step=20,
        round=2,
        metrics={"score": 1.0},
        hyperparameters=assigned,
        checkpoint="checkpoints/x/",
        files=[],
        **fields,
    )


BIRTH = Birth(
    member=0, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={"lr": 0.1, "wd": 0.5}, reason="r"
)
DONOR = report(1, {"lr": 0.08, "wd": 0.5})


@pytest.mark.parametrize(
    ("effective", "flagged"),
    [
        ({"lr": 0.1}, False),
        ({"lr": 0.08}, True),
        ({"lr": [0.08, 0.08]}, True),
        ({"lr": 0.033}, False),  # annealed
        ({"lr": [0.1, 0.01]}, False),  # groups of their own
        ({"wd": 0.5}, False),  # the donor has the same
        ({}, False),
    ],
)
def test_trap_19_a_value_of_the_donor_that_came_back_is_flagged(effective, flagged):
    events = list(
        remarks(news_of(report(0, BIRTH.hyperparameters, effective=effective), BIRTH), BIRTH, DONOR)
    )
    assert [event.reason for event in events] == ["HyperparameterMismatch"] * flagged


def test_notes_of_the_trainer_are_told():
    noted = report(0, BIRTH.hyperparameters, notes=["optimizer starts fresh"])
    events = list(remarks(news_of(noted, BIRTH), BIRTH, None))
    assert [event.message for event in events] == ["member 0 at step 20: optimizer starts fresh"]
