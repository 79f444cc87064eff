"""What a figure is worth: verdicts, why there is none, and the comparison with an older result."""

import json

import pytest

from bench import ranges
from bench.figures import Figure, Results, Spell
from bench.ranges import Grade, Range, judge, regressions, violations

LESS = Range("a gap", limit=0.5, aim=0.1)
MORE = Range("a throughput", limit=0.95, aim=0.99, more_is_better=True)
CALM = Spell(10.0, 0.2, 1.0, others=0.05)


def figure(*values: float, **changes) -> Figure:
    return Figure(
        **{"name": "gap.x", "unit": "ratio", "exact": False, "better": "less", **changes}, values=values
    )


def results(*figures: Figure, spell: Spell = CALM, quick: bool = False, cpu: str = "x") -> Results:
    machine = {"cpu": cpu, "cores": 2}
    return Results("", machine, quick, 3, {"gap": spell}, {one.name: one for one in figures})


def grade(wanted: Range, *values: float, spell: Spell = CALM, quick: bool = False) -> ranges.Verdict:
    one = figure(*values)
    return judge(one, wanted, results(one, spell=spell, quick=quick))


@pytest.mark.parametrize(
    ("wanted", "values", "expected"),
    [
        (LESS, (0.05, 0.06, 0.07), Grade.AIM),
        (LESS, (0.2, 0.3, 0.25), Grade.TARGET),
        (LESS, (0.6, 0.7, 0.8), Grade.SHORT),
        (LESS, (0.4, 0.45, 0.9), Grade.NONE),
        (MORE, (0.995, 0.999, 1.0), Grade.AIM),
        (MORE, (0.96, 0.97, 0.98), Grade.TARGET),
        (MORE, (0.8, 0.85, 0.9), Grade.SHORT),
        (MORE, (0.9, 0.96, 0.97), Grade.NONE),
    ],
)
def test_a_verdict_is_of_the_whole_interval(wanted, values, expected):
    assert grade(wanted, *values).grade is expected


@pytest.mark.parametrize(
    ("spell", "why"),
    [
        (Spell(10, 0.1, 9.0, others=0.3), "others kept 0.30 cores busy"),
        (Spell(10, 1.5, 9.0, others=None), "busy before"),
        (Spell(10, 0.1, 9.0, others=0.0, failed="it broke"), "scenario failed"),
    ],
)
def test_there_is_no_verdict_where_the_load_or_a_failure_forbids_it(spell, why):
    verdict = grade(LESS, 0.01, 0.01, 0.01, spell=spell)
    assert verdict.grade is Grade.NONE
    assert why in verdict.why


def test_our_own_load_forbids_nothing():
    assert grade(LESS, 0.01, 0.01, 0.01, spell=Spell(10, 0.1, 30.0, others=0.0)).grade is Grade.AIM


def test_a_quick_run_and_one_of_two_values_are_not_judged():
    assert "too short" in grade(LESS, 0.01, 0.01, 0.01, quick=True).why
    assert "2 values" in grade(LESS, 0.01, 0.01).why


def test_what_cannot_be_judged_is_no_violation_and_what_falls_short_is_one():
    busy = Spell(10, 0.1, 9.0, others=1.0)
    one = figure(0.6, 0.7, 0.8)
    assert list(violations(results(one, spell=busy), {"gap.x": LESS})) == []
    assert list(violations(results(one), {"gap.x": LESS})) == ["gap.x is 0.7 ratio, and the limit is 0.5"]


def test_a_count_is_judged_at_any_load_and_in_a_quick_run():
    busy = Spell(10, 9.0, 9.0, others=2.0)
    wanted = {"gap.n": Range("pods", exact=4)}
    right, wrong = (figure(*values, name="gap.n", exact=True) for values in ((4, 4), (4, 5)))
    assert list(violations(results(right, spell=busy, quick=True), wanted)) == []
    told = list(violations(results(wrong, spell=busy, quick=True), wanted))
    assert told == ["gap.n is 4, 5, and must be 4", "gap.n differs between rounds: 4, 5"]


def test_a_scenario_that_failed_is_a_violation():
    broken = Spell(10, 0.1, 0.1, others=0.0, failed="it broke")
    assert list(violations(results(spell=broken), {})) == ["the scenario gap failed: it broke"]


def test_a_worse_median_with_intervals_apart_is_a_regression():
    then, now = results(figure(1.0, 1.1, 1.2)), results(figure(1.5, 1.6, 1.7))
    assert list(regressions(now, then)) == ["gap.x was 1.1 ratio, and is 1.6"]
    assert list(regressions(then, now)) == []
    assert list(regressions(results(figure(1.15, 1.3, 1.5)), then)) == []


def test_less_is_a_regression_where_more_is_better():
    then, now = (results(figure(*values, better="more")) for values in ((0.9, 0.95, 0.96), (0.5, 0.6, 0.7)))
    assert list(regressions(now, then)) != []
    assert list(regressions(then, now)) == []


def test_times_of_another_machine_are_not_compared_and_its_ratios_are():
    def of(unit: str, cpu: str, *values: float) -> Results:
        return results(figure(*values, unit=unit), cpu=cpu)

    assert list(regressions(of("s", "new", 2, 2, 2), of("s", "old", 1, 1, 1))) == []
    assert list(regressions(of("s", "old", 2, 2, 2), of("s", "old", 1, 1, 1))) != []
    assert list(regressions(of("ratio", "new", 2, 2, 2), of("ratio", "old", 1, 1, 1))) != []


def test_another_count_is_a_regression_in_both_directions():
    four, five = (results(figure(count, exact=True, unit="count")) for count in (4, 5))
    assert list(regressions(five, four)) == ["gap.x was 4, and is 5"]
    assert list(regressions(four, five)) == ["gap.x was 5, and is 4"]


def test_the_ranges_that_are_checked_in_are_well_formed():
    found = ranges.load()
    assert found
    for name, wanted in found.items():
        if wanted.aim is not None:
            assert wanted.limit is not None, name
            better = wanted.aim > wanted.limit if wanted.more_is_better else wanted.aim < wanted.limit
            assert better or wanted.aim == wanted.limit, name


def test_a_range_with_two_bounds_is_refused(tmp_path):
    path = tmp_path / "ranges.json"
    path.write_text(json.dumps({"a": {"what": "x", "max": 1, "exact": 1}}))
    with pytest.raises(ValueError, match="one of max, min and exact"):
        ranges.load(path)
