"""Scenarios run one after the other; what one yields is kept, whatever becomes of it."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bench import frame, ranges, table
from bench.frame import Scenario
from bench.ranges import Range
from bench.sample import Remark, Sample

pytestmark = pytest.mark.process


def fine(rounds):
    for number in range(rounds):
        yield Sample("fine.a", number, "s")
    yield Remark("no peer")


def breaks(rounds):
    yield Sample("breaks.a", 1, "s")
    raise RuntimeError("out of order")


@pytest.fixture
def results(capsys):
    scenarios = [Scenario("breaks", breaks, True), Scenario("fine", fine, False)]
    return frame.run(scenarios, rounds=3, say=lambda words: None, keep=lambda so_far: None)


def test_a_scenario_that_fails_keeps_what_it_had_and_the_next_one_runs(results):
    assert results.figures["breaks.a"].values == (1,)
    assert results.figures["fine.a"].values == (0, 1, 2)
    assert results.scenarios["breaks"].failed == "RuntimeError: out of order"
    assert results.scenarios["fine"].failed is None
    assert list(ranges.violations(results, {})) == ["the scenario breaks failed: RuntimeError: out of order"]


def test_results_are_kept_after_each_scenario():
    kept = []
    scenarios = [Scenario("fine", fine, True), Scenario("breaks", breaks, True)]
    frame.run(
        scenarios, rounds=2, say=lambda words: None, keep=lambda so_far: kept.append(sorted(so_far.figures))
    )
    assert kept == [["fine.a"], ["breaks.a", "fine.a"]]


def again(results, *scenarios):
    return frame.run(scenarios, rounds=1, say=lambda words: None, keep=lambda so_far: None, earlier=results)


def test_a_scenario_that_is_measured_later_becomes_a_part_of_an_earlier_result(results):
    found = again(results, Scenario("fine", fine, True))
    assert found.figures["fine.a"].values == (0,)
    assert found.figures["breaks.a"].values == (1,)
    assert [*found.scenarios] == ["breaks", "fine"]


def test_a_result_of_another_machine_is_not_added_to(results):
    results.machine["cores"] = 1000
    with pytest.raises(ValueError, match=r"can't be added to: cores is .*, was 1000"):
        again(results, Scenario("fine", fine, True))


def test_a_commit_that_differs_is_told_beside_the_scenario(results):
    results.machine["commit"] = "before"
    assert any(
        "on commit" in remark
        for remark in again(results, Scenario("fine", fine, True)).scenarios["fine"].remarks
    )


def test_remarks_and_the_load_stand_beside_the_figures(results):
    assert results.scenarios["fine"].remarks == ["no peer"]
    assert results.scenarios["fine"].others is None
    assert results.scenarios["breaks"].others is not None
    assert results.machine["cores"] >= 1


def test_every_scenario_that_exists_offers_what_the_frame_needs():
    found = frame.find(frame.existing())
    assert [scenario.name for scenario in found] == frame.existing()


def test_an_unknown_scenario_is_refused_by_its_name():
    with pytest.raises(ValueError, match="no scenario 'nothing'"):
        frame.find(["nothing"])


def test_the_table_of_the_documentation_has_a_row_for_each_range(results):
    wanted = {"fine.a": Range("a fine thing", limit=5, aim=3), "b": Range("another", limit=1)}
    told = table.markdown(results, {**wanted, "breaks.a": Range("a count", exact=1)})
    assert "| a fine thing | ≤ 5 | ≤ 3 | 1 s | 0 to 2 |" in told
    assert "| another | ≤ 1 |  | not measured |" in told
    assert "1 of 1 that were taken" in told
    assert "- fine: no peer" in told
    assert "FAILED: RuntimeError: out of order" in told


def test_the_terminal_shows_what_is_judged_and_all_the_rest(results):
    console = Console(width=200, record=True, file=io.StringIO())
    judged, *others = results.figures
    table.show(results, {judged: Range("a figure", limit=1)}, console)
    shown = console.export_text()
    assert all(name in shown for name in [judged, *others])
    assert shown.index("judged") < shown.index(judged) < shown.index("all others")


def test_the_table_goes_between_the_markers_of_the_page(results):
    page = (Path(__file__).parents[3] / "docs" / "performance.md").read_text()
    told = table.inserted(table.inserted(page, "old\n"), "new\n")
    assert "<!-- bench -->\nnew\n<!-- /bench -->\n" in told
    assert told.replace("new\n", "old\n") == table.inserted(page, "old\n")


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="<!-- bench -->"):
        table.inserted("# Performance\n", "new\n")
