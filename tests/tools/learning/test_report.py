"""A report judges by what is registered: verdicts, the table, the picture, and how many seeds are needed."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from msgspec.structs import replace

from learning import registered
from learning.judging import Cell
from learning.picture import svg
from learning.registered import Claim
from learning.report import compact, power_table, report_of
from learning.results import Row
from learning.table import into, markdown

ABOUT = {"auto": "what is chosen", "greedy": "what is not"}


@pytest.fixture(scope="module")
def known():
    claims = (Claim("auto", "random", (8,), "above"), Claim("auto", "ray", (8,), "nonInferior"))
    return replace(registered.read(), claims=claims, arms=("random", "auto", "greedy", "ray"))


def scores(rng, *, lift, greedy, seeds=30, level=0.5):
    random = rng.normal(level, 0.05, seeds)
    arms = {"random": random, "auto": random + lift, "greedy": random + greedy, "ray": random + lift}
    noisy = {name: values + rng.normal(0, 0.01, seeds) for name, values in arms.items()}
    return {name: dict(enumerate(values.tolist())) for name, values in noisy.items()}


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    lifts = {"a": 0.2, "b": 0.1, "c": 0.05}
    return {
        Cell(task, form, 8): scores(rng, lift=lift, greedy=-0.2 if task == "a" else 0.1)
        for task, lift in lifts.items()
        for form in ("constant", "noisy")
    } | {Cell("easy", "constant", 8): scores(rng, lift=0, greedy=0, level=0.99)}


def test_each_claim_holds_where_the_data_say_so(samples, known):
    found = report_of({}, samples, known)
    assert [holds for _, holds, _ in found.verdicts] == [True, True, True, True]
    assert found.left_out == [Cell("easy", "constant", 8)]
    assert "6 of 6 cells" in found.verdicts[0].measured


def test_a_claim_fails_where_one_cell_does(samples, known):
    cell = Cell("b", "constant", 8)
    worse = {**samples, cell: scores(np.random.default_rng(1), lift=-0.1, greedy=0)}
    found = report_of({}, worse, known)
    assert [holds for _, holds, _ in found.verdicts[:2]] == [False, True]
    assert found.verdicts[0].measured == "5 of 6 cells; not in b constant 8"
    assert found.losing["auto"] == [cell]


def test_what_was_not_measured_is_neither_shown_nor_refuted(known):
    found = report_of({}, {}, known)
    assert {holds for _, holds, _ in found.verdicts} == {None}


def test_the_mode_of_a_peer_that_was_chosen_is_the_one_to_compare_with(samples, known):
    chosen = replace(known, mode=replace(known.mode, arms=("ray", "greedy"), chosen="greedy"))
    assert "greedy's" in report_of({}, samples, chosen).verdicts[-1].claim


def test_the_table_names_the_cells_in_which_an_arm_loses(samples, known):
    told = markdown(report_of({"commit": "abc123"}, samples, known), ABOUT, "learning/gains.svg")
    assert "commit abc123" in told
    assert "- `greedy`: a constant (8), a noisy (8)" in told
    assert "- `auto`: nowhere" in told
    assert "Saturated, so not compared: easy constant (8)." in told
    row = next(line for line in told.splitlines() if line.startswith("| `greedy`"))
    assert re.search(r" \| -0\.[34]\d \| \+0\.[12]\d \| \+0\.[12]\d \| 2 of 6 \|$", row)
    page = into("before\n<!-- registered -->\nyesterday\n<!-- /registered -->\nafter\n", told, "registered")
    assert page.startswith("before\n<!-- registered -->\n")
    assert "yesterday" not in page
    with pytest.raises(ValueError, match="the page has no"):
        into("nothing", told, "registered")


def test_the_picture_is_xml_with_a_row_for_each_arm_and_red_dots_where_it_loses(samples, known):
    root = ET.fromstring(svg(report_of({}, samples, known)))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"auto", "greedy", "ray"} <= set(words)
    dots = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert (dots.count("figure"), dots.count("lost"), dots.count("task")) == (3, 1, 8)


def test_noisier_cells_need_more_seeds(samples, known):
    noisy = Cell("d", "constant", 8)
    rng = np.random.default_rng(2)
    wide = {name: dict(enumerate(rng.normal(0.5, 0.2, 30).tolist())) for name in ("random", "auto")}
    needed = {
        cell: number
        for cell, _, number in power_table({**samples, noisy: wide}, known, arm="auto", power=0.9)
    }
    assert set(needed) == {cell for cell in samples if cell.task != "easy"} | {noisy}
    assert max(needed, key=needed.__getitem__) == noisy


def test_the_committed_data_have_every_score_and_the_seeds_as_spans(samples, known):
    rows = [Row("a", "constant", 8, "auto", seed, score=0.123456789, replaced=2) for seed in (5, 6, 9)]
    data = compact(report_of({"commit": "abc"}, samples, known), {row.key: row for row in rows})
    assert data["head"] == {"commit": "abc"}
    assert data["cells"] == {
        "a/constant/8": {"auto": {"seeds": [[5, 6], [9, 9]], "scores": [0.12346] * 3, "replaced": 6}}
    }
