"""Timers: reading one starts nothing."""

from pbt_operator.control.timers import Timed, Timers


def test_a_timer_runs_from_its_start():
    timers = Timers()
    assert timers.elapsed(Timed.PENDING, "a", 100.0) == 0.0
    timers.start(Timed.PENDING, "a", 101.0)
    timers.start(Timed.PENDING, "a", 105.0)  # it runs already
    assert timers.elapsed(Timed.PENDING, "a", 111.0) == 10.0
    assert timers.elapsed(Timed.PROGRESS, "a", 111.0) == 0.0
    assert timers.elapsed(Timed.PENDING, "b", 111.0) == 0.0


def test_a_timer_starts_again_where_something_has_moved_on():
    timers = Timers()
    timers.start(Timed.PROGRESS, "a", 0.0, at=10)
    timers.start(Timed.PROGRESS, "a", 5.0, at=20)
    assert timers.elapsed(Timed.PROGRESS, "a", 6.0) == 1.0


def test_what_stopped_and_what_is_not_kept_begins_anew():
    timers = Timers()
    for pod in ("a", "b", "c"):
        timers.start(Timed.YIELD, pod, 0.0)
    timers.stop(Timed.YIELD, "a")
    timers.keep({"a", "b"})
    assert [timers.elapsed(Timed.YIELD, pod, 9.0) for pod in ("a", "b", "c")] == [0.0, 9.0, 0.0]
