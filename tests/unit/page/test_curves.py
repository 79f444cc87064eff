"""All reported metrics are on the page: which, as which curves, and how many."""

import math

import pytest

from pbt_contract.scores import wire_metrics
from pbt_operator.core import births
from pbt_operator.page import curves, page
from pbt_operator.page.chart_data import chart_data
from pbt_operator.page.curves import usual
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.records.archive import read_archive
from simulation.memory_store import MemoryStore
from unit.page.parsed import parse
from unit.page.populations import Recorder, record_simulated, record_small, spec_of


@pytest.fixture
def store():
    return MemoryStore()


def others(store):
    archive = read_archive(store)
    data = chart_data(archive, Incarnations(archive))
    return data, {metric["name"]: metric for metric in data["others"]}


def test_each_metric_has_a_curve_for_each_life_that_branches_off_at_its_own_value(store):
    recorder = Recorder(store, spec_of(members=2, total_steps=30, interval_steps=10))
    winner, loser = (recorder.bear(births.first(recorder.spec, member=m)) for m in range(2))
    recorder.report(winner, 10, 0.9, metrics={"val_accuracy": 0.9, "loss": 2.0, "returns": [1.0, 3.0]})
    recorder.report(loser, 10, 0.1, metrics={"val_accuracy": 0.1})
    [copy] = recorder.decide(1)
    recorder.report(loser, 20, 0.1, metrics={"val_accuracy": 0.1, "loss": 9.0})
    recorder.report(copy, 20, 0.8, metrics=wire_metrics({"val_accuracy": 0.8, "loss": math.nan}))
    recorder.report(copy, 30, 0.8, metrics={"val_accuracy": 0.8, "loss": 1.0})
    data, found = others(store)
    assert list(found) == ["loss", "returns"]
    lives = [(life["m"], life["i"]) for life in data["lives"]]
    assert dict(zip(lives, found["loss"]["curves"], strict=True)) == {
        winner.life: {"origin": None, "points": [[10, 2.0]], "discarded": []},
        loser.life: {"origin": None, "points": [], "discarded": [[20, 9.0]]},
        copy.life: {"origin": [10, 2.0], "points": [[20, None], [30, 1.0]], "discarded": []},
    }
    returns = dict(zip(lives, found["returns"]["curves"], strict=True))
    assert returns[winner.life]["points"] == [[10, 2.0]]
    assert returns[copy.life] == {"origin": [10, 2.0], "points": [], "discarded": []}
    assert (copy.member, copy.source.member) == (loser.member, winner.member)


def test_of_many_metrics_those_that_most_reports_have_are_shown(store, monkeypatch):
    recorder = record_small(store)
    recorder.raise_total(30)
    for member, names in ((0, "abc"), (1, "bc")):
        metrics = {"val_accuracy": 0.5, **dict.fromkeys(names, 1.0)}
        recorder.report(recorder.history.newest_birth(member), 30, 0.5, metrics=metrics)
    assert list(others(store)[1]) == ["a", "b", "c"]
    assert "not shown: " not in page(read_archive(store))
    monkeypatch.setattr(curves, "MAX_CURVES", 2 * 3 + 2)  # there are three lives
    data, found = others(store)
    assert list(found) == ["b", "c"]
    assert data["shown"]["ofOthers"] == 3
    [told] = [e.text for e in parse(page(read_archive(store))).all("span") if "not shown: " in e.text]
    assert told == "not shown: 1 metric of fewer reports; pbt export has all"


def test_all_metrics_that_a_report_may_have_are_shown(store):
    recorder = record_small(store)
    recorder.raise_total(30)
    metrics = {"val_accuracy": 0.5, **{f"m{number}": 1.0 for number in range(255)}}
    recorder.report(recorder.history.newest_birth(0), 30, 0.5, metrics=metrics)
    data, found = others(store)
    assert len(found) == data["shown"]["ofOthers"] == 255


def test_too_many_values_are_thinned_in_each_life_but_for_its_ends(store, monkeypatch):
    recorder = record_simulated(store, members=1, num_rounds=40, exploit={"none": {}}, crashes=0, nans=0)
    recorder.raise_total(16_000)
    birth = recorder.history.newest_birth(0)
    for step in range(8200, 16_001, 200):
        recorder.report(birth, step, 0.5, metrics={"val_accuracy": 0.5, "loss": 1.0, "norm": 2.0})
    monkeypatch.setattr(curves, "MAX_VALUES", 20)
    for metric in others(store)[1].values():
        [curve] = metric["curves"]
        assert (curve["points"][0][0], curve["points"][-1][0]) == (8200, 16_000)
        assert len(curve["points"]) == 11


def test_the_axis_of_a_metric_is_not_flattened_by_a_few_far_values():
    values = [1.0 + i / 100 for i in range(100)]
    assert usual(values) == (1.0, 1.99, 0)
    low, high, outside = usual([*values, 1e9, -1e9])
    assert -1 < low < 1
    assert 2 < high < 4
    assert outside == 2
    assert usual([]) == (0.0, 1.0, 0)
    assert usual([2.0, 2.0]) == (1.8, 2.2, 0)
    assert usual([0.0] * 20 + [5.0]) == (0.0, 5.0, 0)


def test_the_page_offers_the_metrics_by_name_and_no_choice_where_there_is_none(store):
    recorder = record_small(store)
    assert not parse(page(read_archive(store))).all("select")[1:]
    recorder.raise_total(30)
    name = "</script><b>\u202e&"
    recorder.report(recorder.history.newest_birth(0), 30, 0.5, metrics={"val_accuracy": 0.5, name: 1.0})
    written = page(read_archive(store))
    assert name not in written
    choice, *_ = [e for e in parse(written).all("select") if e.attributes.get("id") == "metric"]
    assert "val_accuracy" in choice.text
    assert "\\u202e" in choice.text
