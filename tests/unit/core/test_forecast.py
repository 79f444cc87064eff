"""What is left at the pace of the newest reports."""

from msgspec import UNSET
from msgspec.structs import replace

from fixtures.hypothesis_strategies import make_spec
from fixtures.lives import born, recorded
from pbt_contract.records import Cause, Report
from pbt_operator.core.forecast import forecast_of
from pbt_operator.core.history import History
from pbt_operator.core.search import Schedule
from pbt_operator.core.status import Forecast

SCHEDULE = Schedule(total_steps=100, interval_steps=10)


def spec_of(members: int, **changes):
    return make_spec(members=members, schedule=SCHEDULE, **changes)


def timed(member: int, step: int, seconds: float, **more) -> Report:
    return replace(recorded(member, 1, step), seconds=seconds, **more)


def history_of(members: int, *records: Report) -> History:
    history = History()
    for member in range(members):
        history.add_birth(born(member, 1, Cause.INITIAL, 0, 0))
    for record in records:
        history.add_record(record)
    return history


def test_before_the_first_report_there_is_none():
    assert forecast_of(history_of(2), spec_of(2), [0, 1]) is UNSET
    assert forecast_of(history_of(2, timed(0, 10, 0.0)), spec_of(2), [0, 1]) is UNSET


def test_it_is_the_slowest_members_time_at_its_newest_pace_waiting_included():
    history = history_of(
        2, timed(0, 10, 99.0), timed(0, 20, 10.0), timed(1, 20, 20.0, waited=20.0, starting=500.0)
    )
    assert forecast_of(history, spec_of(2), [0, 1]) == Forecast(seconds=80 * 2)


def test_a_pace_is_over_the_steps_since_the_record_before():
    saved = timed(0, 15, 4.0)
    assert forecast_of(history_of(1, timed(0, 10, 5.0), saved), spec_of(1), [0]) == Forecast(
        seconds=round(85 * 0.8)
    )


def test_who_has_no_pace_is_taken_for_a_usual_one():
    history = history_of(3, timed(0, 10, 10.0), timed(1, 10, 20.0))
    assert forecast_of(history, spec_of(3), [0, 1, 2]) == Forecast(seconds=180)
    only_new = history_of(3, timed(0, 100, 100.0))
    assert forecast_of(only_new, spec_of(3), [1, 2]) is UNSET


def test_members_that_take_turns_take_longer():
    history = history_of(4, *(timed(member, 10, 10.0) for member in range(4)))
    assert forecast_of(history, spec_of(4), [0, 1, 2, 3]) == Forecast(seconds=90)
    assert forecast_of(history, spec_of(4, parallelism=2), [0, 1, 2, 3]) == Forecast(seconds=180)


def test_gpu_hours_are_those_of_all_pods():
    history = history_of(2, timed(0, 10, 3600.0), timed(1, 50, 5 * 3600.0))
    found = forecast_of(history, spec_of(2, devices={"nvidia.com/gpu": 2}), [0, 1])
    assert found == Forecast(seconds=9 * 3600, gpu_hours=2 * (9 + 5))
