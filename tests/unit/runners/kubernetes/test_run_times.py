"""The times of a status: what passes after an end isn't counted, and one that failed begins again once."""

from dataclasses import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_operator.runners.kubernetes.run_times import Times
from simulation import Simulation


def test_a_population_that_goes_on_after_its_end_was_active_for_as_long_as_before():
    ended = Simulation(spec(DETERMINISTIC, members=2), Deterministic()).run().passes()
    times = Times(start=100.0)
    times.keep(ended, now=150.0)
    times.keep(ended, now=1000.0)
    assert times == Times(start=100.0, completion=150.0)
    times.keep(replace(ended, outcome=None), now=1000.0)
    assert times == Times(start=950.0)


def test_time_begins_again_where_a_failure_is_left_and_not_again_later():
    assert Times(start=100.0, completion=150.0).taken_up(retries=True) == Times()
    assert Times(start=100.0).taken_up(retries=True) == Times(start=100.0)
    assert Times(start=100.0, completion=150.0).taken_up(retries=False) == Times(100.0, 150.0)
