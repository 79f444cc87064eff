"""Median, spread and the file of a result."""

from random import Random
from statistics import median

import pytest

from bench.figures import Figure, Results, Spell, collect, interval
from bench.sample import Sample


def figure(*values: float, **changes) -> Figure:
    return Figure(
        **{"name": "gap.x", "unit": "s", "exact": False, "better": "less", **changes}, values=values
    )


def test_the_interval_of_the_median_holds_it_and_lies_within_the_extremes():
    values = (3.0, 1.0, 7.0, 2.0, 9.0, 4.0)
    low, high = interval(values)
    assert min(values) <= low <= median(values) <= high <= max(values)
    assert low < high


def test_the_interval_covers_the_true_median_about_as_often_as_it_says():
    random = Random(5)
    covered = 0
    for _ in range(100):
        low, high = interval(tuple(random.gauss(10, 2) for _ in range(15)))
        covered += low <= 10 <= high
    assert 88 <= covered <= 100


def test_more_values_make_the_interval_narrower():
    random = Random(1)
    values = tuple(random.gauss(10, 2) for _ in range(400))
    few, many = interval(values[:10]), interval(values)
    assert many[1] - many[0] < (few[1] - few[0]) / 3


def test_the_same_values_have_the_same_interval():
    values = tuple(Random(2).random() for _ in range(9))
    assert interval(values) == interval(values)


def test_of_two_values_the_interval_is_all_that_is_known():
    assert interval((4.0, 2.0)) == (2.0, 4.0)


def test_samples_of_one_name_are_one_figure_in_their_order():
    samples = [Sample("a", 2, "s"), Sample("b", 9, "MB"), Sample("a", 1, "s")]
    found = collect(samples)
    assert {name: one.values for name, one in found.items()} == {"a": (2, 1), "b": (9,)}


def test_samples_that_disagree_on_what_a_figure_is_are_refused():
    with pytest.raises(ValueError, match="samples of a differ"):
        collect([Sample("a", 2, "s"), Sample("a", 1, "MB")])


def test_a_result_is_read_back_as_it_was_written(tmp_path):
    results = Results(
        "2026-01-01T00:00:00+00:00",
        {"cpu": "x", "cores": 2},
        quick=False,
        rounds=3,
        scenarios={"gap": Spell(12.5, 0.1, 0.9, None, "it broke", ["no peer"])},
        figures={"gap.x": figure(1.5, 2.5, 1.0), "n": figure(4, name="n", unit="count", exact=True)},
    )
    path = tmp_path / "deep" / "result.json"
    results.write(path)
    assert Results.read(path) == results


def test_a_file_of_another_format_is_refused(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"format": 99}')
    with pytest.raises(ValueError, match="no result"):
        Results.read(path)
