"""What a population has recorded is in Python what the commands show."""

import json
import math
import sys
from html import unescape

import pytest

import pbt_operator as pbt
from pbt_contract.stores.folder import FolderStore
from pbt_operator.api import tabular
from pbt_operator.core import births
from pbt_operator.page import page
from pbt_operator.records.archive import read_archive
from pbt_operator.records.rows import TABLES, table_of
from unit.page.populations import Recorder, spec_of


@pytest.fixture
def plain(monkeypatch):
    """Neither pandas nor polars."""
    monkeypatch.setattr(tabular, "LIBRARIES", ())


def test_a_run_is_found_by_its_name_its_folder_and_its_url(recorder, elsewhere):
    folder = elsewhere / "pbt-runs" / "digits"
    for place in ("digits", folder, str(folder), f"file://{folder}"):
        found = pbt.load(place)
        assert found.name == "digits"
        assert found.status.phase == "Complete"
    assert repr(pbt.load("digits")) == (
        "<digits: Complete (AllStepsDone: all members are at step 20), best val_accuracy 0.875 by member 1 at step 20>"
    )


def test_what_is_not_there_is_told_as_by_the_commands(recorder, elsewhere):
    with pytest.raises(pbt.PbtError, match="there is no run digit or pbt-runs/digit here"):
        pbt.load("digit")
    with pytest.raises(
        pbt.PbtError, match=r"there is no population at pbt-runs/.*; did you mean pbt-runs/digits\?"
    ):
        pbt.load("pbt-runs/")


def test_the_best_has_its_values_and_its_checkpoint(recorder):
    best = pbt.load("digits").best
    assert (best.member, best.incarnation, best.step, best.score) == (1, 2, 20, 0.875)
    assert best.hyperparameters == {"lr": 0.4}
    assert best.checkpoint().step == 20
    assert pbt.load("digits").final.checkpoint().member == 1


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_export(recorder, plain, name):
    expected = list(table_of(read_archive(recorder.store), name).rows)
    assert pbt.load("digits").table(name) == expected
    if name == "reports":
        assert pbt.load("digits").reports() == expected
        assert len(expected) == 4


def test_there_is_no_other_table(recorder):
    with pytest.raises(
        ValueError, match="there is no table 'gates'; there are reports, saves, births, ends, rounds"
    ):
        pbt.load("digits").table("gates")


def test_lineage_and_schedule_are_those_of_the_commands(recorder):
    found = pbt.load("digits")
    assert [(s.member, s.incarnation, s.start_step, s.end_step, s.score) for s in found.lineage()] == [
        (0, 1, 0, 10, 0.75),
        (1, 2, 10, 20, 0.875),
    ]
    assert [s.member for s in found.lineage(0)] == [0]
    assert [(s.first_step, s.last_step, s.hyperparameters) for s in found.schedule()] == [
        (1, 10, {"lr": 0.5}),
        (11, 20, {"lr": 0.4}),
    ]
    with pytest.raises(pbt.PbtError, match="there is no member 7; there are 0 to 1"):
        found.lineage(7)


def test_a_notebook_shows_the_page_in_a_frame_that_reaches_nothing(recorder, elsewhere):
    found = pbt.load("digits")
    document = page(read_archive(recorder.store))
    assert found.page(elsewhere / "page.html") == document
    assert (elsewhere / "page.html").read_text() == document
    shown = found._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts" ')
    assert unescape(shown.split('srcdoc="')[1].removesuffix('"></iframe>')) == document
    assert shown.count('"') == 6


def test_one_that_trains_shows_how_it_stands_and_is_read_again_when_asked(elsewhere):
    store = FolderStore(elsewhere / "pbt-runs" / "long")
    recorder = Recorder(store, spec_of(members=1, total_steps=20, interval_steps=10), name="long")
    birth = recorder.bear(births.first(recorder.spec, member=0))
    found = pbt.load("long")
    assert (found.best, found.final, found.schedule()) == (None, None, [])
    assert repr(found) == "<long: Running (NotEnded)>"
    assert ">Running<" in found.page()
    with pytest.raises(pbt.PbtError, match="no member has reported a finite val_accuracy yet"):
        found.lineage()
    recorder.report(birth, 10, 0.5)
    assert found.best is None
    assert found.refresh() is found
    assert found.best.score == 0.5
    assert json.dumps(found.best.hyperparameters)


def test_a_loaded_library_is_preferred_to_an_installed_one(monkeypatch):
    monkeypatch.setattr(tabular, "find_spec", lambda name: name == "pandas" or None)
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    monkeypatch.delitem(sys.modules, "polars", raising=False)
    assert tabular._library() == "pandas"
    monkeypatch.setitem(sys.modules, "polars", math)
    assert tabular._library() == "polars"
    monkeypatch.delitem(sys.modules, "polars")
    monkeypatch.setattr(tabular, "find_spec", lambda name: None)
    assert tabular._library() is None
