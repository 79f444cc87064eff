"""What the charts draw: lives, forks, ancestors, what counts, and how it is thinned out."""

import math

import pytest

from pbt_contract.records import Birth, Cause
from pbt_operator.core.search import Goal
from pbt_operator.page import chart_data as chart
from pbt_operator.page.chart_data import chart_data, domain, keep, lineage_keys
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import changes_text, origin_text
from pbt_operator.records.archive import read_archive
from simulation.memory_store import MemoryStore
from unit.page.populations import record_simulated, record_small


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def drawn(store):
    read = read_archive(store)
    lives = Incarnations(read)
    return read, lives, chart_data(read, lives)


def test_a_copy_branches_off_its_donors_point_and_takes_its_ancestor(store):
    record_small(store)
    _, _, data = drawn(store)
    lives = {(life["m"], life["i"]): life for life in data["lives"]}
    copy = lives[1, 2]
    assert copy["origin"] == [10, 0.75]
    assert copy["parent"] == [0, 1]
    assert copy["ancestor"] == [0, 1]
    assert copy["points"] == [[20, 0.875]]
    assert copy["colour"] == lives[0, 1]["colour"] == 0
    assert lives[1, 1]["colour"] == 1
    assert [(k, life["replaced"], life["current"]) for k, life in sorted(lives.items())] == [
        ((0, 1), False, True),
        ((1, 1), True, False),
        ((1, 2), False, True),
    ]
    assert data["best"] == [1, 2, 20, 0.875]


def test_reports_that_do_not_count_and_scores_that_are_not_finite_are_kept_apart(store):
    recorder = record_small(store)
    loser = recorder.history.birth(1, 1)
    recorder.report(loser, 20, 0.99)
    recorder.raise_total(30)
    recorder.report(recorder.history.newest_birth(0), 30, math.nan)
    _, _, data = drawn(store)
    lives = {(life["m"], life["i"]): life for life in data["lives"]}
    assert lives[1, 1]["points"] == [[10, 0.25]]
    assert lives[1, 1]["discarded"] == [[20, 0.99]]
    assert (lives[1, 1]["end"], lives[1, 1]["reached"]) == (10, 20)
    assert lives[0, 1]["points"][-1] == [30, None]
    assert data["best"] == [1, 2, 20, 0.875]


def test_a_life_that_resumes_from_a_save_goes_on_from_the_last_score(store):
    recorder = record_small(store)
    first = recorder.history.newest_birth(0)
    save = recorder.report(first, 25, save=True)
    resumed = Birth(
        member=0,
        incarnation=2,
        cause=Cause.RESUME,
        hyperparameters=first.hyperparameters,
        start_step=25,
        previous_step=25,
        source=save.source,
        reason="goes on",
    )
    recorder.bear(resumed)
    _, lives, _ = drawn(store)
    assert lives.origin(lives.all[0, 2]) == (20, 0.5)
    assert lives.all[0, 2].ancestor == (0, 1)


def test_a_life_that_began_again_changed_nothing(store):
    recorder = record_small(store)
    first = Birth(member=2, incarnation=1, cause=Cause.SCALE, hyperparameters={"lr": 0.1}, reason="grew")
    again = Birth(member=2, incarnation=2, cause=Cause.CRASH, hyperparameters={"lr": 0.1}, reason="crashed")
    recorder.bear(first)
    recorder.bear(again)
    _, lives, _ = drawn(store)
    assert lives.before(lives.all[2, 1]) == {}
    assert changes_text(again, lives.before(lives.all[2, 2]), names=["lr"]) == ""
    assert origin_text(again) == "began again after a crash"
    assert lives.all[2, 2].ancestor == (2, 1)


def test_members_that_left_have_no_current_life(store):
    recorder = record_small(store)
    last = recorder.history.newest_birth(0)
    end = Birth(
        member=0,
        incarnation=2,
        cause=Cause.REMOVED,
        hyperparameters=last.hyperparameters,
        start_step=20,
        previous_step=20,
        reason="scaled away",
    )
    recorder.bear(end)
    _, lives, data = drawn(store)
    assert list(lives.current) == [1]
    assert [(life["m"], life["i"]) for life in data["lives"]] == [(0, 1), (1, 1), (1, 2)]


def test_a_loop_of_births_does_not_hang_the_page(store):
    recorder = record_small(store)
    source = recorder.history.newest_record(1).source
    store.delete(["births/00000-000001.json"])
    recorder.bear(
        Birth(
            member=0,
            incarnation=1,
            cause=Cause.INITIAL,
            hyperparameters={"lr": 0.5},
            source=source,
            reason="",
        )
    )
    lives = Incarnations(read_archive(store))
    assert lives.all[0, 1].ancestor is None
    assert lives.surviving() <= set(lives.all)


def test_too_many_lives_are_thinned_to_those_that_survive_and_a_sample(store, monkeypatch):
    record_simulated(store, members=12, num_rounds=30)
    read = read_archive(store)
    lives = Incarnations(read)
    winner = lineage_keys(read)
    needed = lives.surviving() | set(winner)
    limit = len(needed) + 10
    assert limit < len(lives.all)
    monkeypatch.setattr(chart, "MAX_LIVES", limit)
    kept = {life.key for life in keep(lives, winner=winner)}
    assert needed <= kept
    assert len(kept) == limit
    assert chart_data(read, lives)["shown"]["lives"] == limit


def test_too_many_points_are_thinned_in_each_life_but_for_its_ends(store, monkeypatch):
    record_simulated(store, members=2, num_rounds=50, exploit={"none": {}}, crashes=0, nans=0)
    monkeypatch.setattr(chart, "MAX_POINTS", 20)
    _, _, data = drawn(store)
    assert data["shown"]["everyReport"] == 5
    for life in data["lives"]:
        assert [life["points"][0][0], life["points"][-1][0]] == [200, 10_000]
        assert len(life["points"]) == 11


@pytest.mark.parametrize(
    ("goal", "scores", "expected"),
    [
        (Goal.MAXIMIZE, [], (0.0, 1.0, 0)),
        (Goal.MAXIMIZE, [0.5], (0.45, 0.55, 0)),
        (Goal.MAXIMIZE, [0.0, 0.0], (-1.0, 1.0, 0)),
        (Goal.MAXIMIZE, [0.1, 0.5, 0.9], (0.1, 0.9, 0)),
        (Goal.MINIMIZE, [1.0] * 10 + [2.0] * 10 + [1e9], (1.0, 4.0, 1)),
        (Goal.MAXIMIZE, [-1e9] + [1.0] * 10 + [2.0] * 10, (-1.0, 2.0, 1)),
        (Goal.MAXIMIZE, [1.0] * 10 + [2.0] * 10 + [1e9], (1.0, 1e9, 0)),
    ],
)
def test_a_diverged_member_does_not_flatten_the_picture_but_a_good_one_may(goal, scores, expected):
    assert domain(scores, goal=goal) == expected
