"""Memory is judged within each life of the operator, once it is warm; growth is seen, and so is a life too short."""

import pytest

from soak.memory import MIB, Sample, growths, quarters
from soak.tally import Tally

EXPOSED = """\
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 9.5e+07
process_start_time_seconds 1.76e+09
"""


def life(sizes: list[float], *, began: float = 0.0, start: float = 1.0, every: float = 10.0) -> list[Sample]:
    """Samples of one process, in MiB."""
    return [Sample(began + every * n, start, size * MIB) for n, size in enumerate(sizes)]


def test_a_sample_is_read_from_what_the_operator_exposes() -> None:
    assert Sample.read(EXPOSED, at=3.0) == Sample(3.0, 1.76e9, 9.5e7)


def test_growth_while_a_process_warms_up_is_none() -> None:
    [growth] = growths(life([50, 60, 70, 80, 90, 95, *[100] * 60]))
    assert growth.flat
    assert growth.early == growth.late == 100 * MIB


@pytest.mark.parametrize(("last", "flat"), [(105, True), (140, False)])
def test_steady_growth_is_judged_by_the_medians_of_the_first_and_the_last_quarter(
    last: float, flat: bool
) -> None:
    [growth] = growths(life([100 + (last - 100) * n / 99 for n in range(100)]))
    assert growth.flat is flat


def test_each_life_is_judged_by_itself_and_a_short_one_not_at_all() -> None:
    samples = [
        *life([100] * 60, start=1.0),
        *life([10] * 20, start=2.0, began=600),
        *life([120] * 60, start=3.0, began=800),
    ]
    assert [growth.early / MIB for growth in growths(samples)] == [100, 120]


def test_a_soak_whose_operator_grows_or_is_never_seen_for_long_is_violated() -> None:
    growing, unseen, flat = Tally(), Tally(), Tally()
    growing.samples = life([100 + n for n in range(100)])
    flat.samples = life([100] * 100)
    for tally in (growing, unseen, flat):
        tally.conclude(calm=100.0)
    assert "memory grew from" in growing.wrong[0]
    assert "no operator lived long enough" in unseen.wrong[0]
    assert flat.wrong == []


def test_quarters_tell_the_median_of_each_and_where_nobody_could_look() -> None:
    samples = life([10, 12, 14, 40], every=20.0)
    assert quarters(samples, seconds=100.0) == [11 * MIB, 14 * MIB, 40 * MIB, None]
