"""Numbers and texts for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.records import Birth, Cause
from pbt_operator.core.status import PopulationPhase, Status
from pbt_operator.core.strategy import Strategy
from pbt_operator.page.html import Cell, text
from pbt_operator.page.words import (
    changes_text,
    counted,
    size_text,
    strategy_text,
    value_text,
)


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.just("<&>\"'"))
def test_no_text_can_leave_its_element_or_its_attribute(anything):
    assert not set(text(anything)) & set("<>\"'")
    assert Cell(anything, anything).html(anything).count("<td") <= 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "true"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (1e-5, "1e-05"),
        ("a\x1b", "a\\x1b"),
        (10**20, "1" + "0" * 20),
    ],
)
def test_values(value, shown):
    assert value_text(value) == shown


def test_changes_follow_the_order_of_the_manifest_and_leave_out_what_was_kept():
    birth = Birth(
        member=0,
        incarnation=2,
        cause=Cause.EXPLOIT,
        hyperparameters={"a": 1.25, "b": 2, "c": "x", "d": 3},
        operations={"a": "x1.25", "b": "kept", "c": "resampled"},
        reason="",
    )
    before = {"a": 1.0, "b": 2, "c": "x", "d": 4}
    assert (
        changes_text(birth, before, names=["c", "a", "b", "d", "e"])
        == "c x (resampled), a 1 -> 1.25 (x1.25), d 4 -> 3"
    )


@pytest.mark.parametrize(
    ("num_bytes", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_900, "1 MB"),
        (1_234_567, "1.23 MB"),
        (10**16, "1e+04 TB"),
    ],
)
def test_sizes(num_bytes, shown):
    assert size_text(num_bytes) == shown


def test_counts():
    assert [counted(n, "round") for n in [0, 1, 2000]] == ["0 rounds", "1 round", "2,000 rounds"]


def test_rules_are_told_in_one_line_whatever_the_order_of_their_fields():
    status = Status(
        phase=PopulationPhase.RUNNING,
        reason="",
        strategy=Strategy.EXPLICIT,
        exploit={"minGap": 0.5, "copy": "Both", "tTest": {"pValue": 0.05}},
        explore={"resamplePercent": 25, "factors": [0.5, 2]},
    )
    assert strategy_text(status) == (
        "Explicit; exploit: tTest (pValue 0.05), copy Both, minGap 0.5; explore: factors 0.5 or 2, resamplePercent 25"
    )


def test_an_operator_without_strategies_says_nothing_of_them():
    assert strategy_text(Status(phase=PopulationPhase.RUNNING, reason="")) == ""


def test_what_stands_in_a_status_is_escaped():
    status = Status(
        phase=PopulationPhase.RUNNING, reason="", strategy=Strategy.AUTO, exploit={"\x1b[2J": {"a": "\u202e"}}
    )
    assert not set(strategy_text(status)) & {"\x1b", "\u202e"}
