"""The tables that `pbt export` and the Python API give: a row for each record, and each value is its record's."""

import math
import re
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_operator.core.end_record import End
from pbt_operator.records.archive import read_archive
from pbt_operator.records.rows import (
    BIRTH_COLUMNS,
    END_COLUMNS,
    REPORT_COLUMNS,
    ROUND_COLUMNS,
    TABLES,
    table_of,
)
from simulation.memory_store import MemoryStore
from unit.page.populations import record_simulated, record_small


@pytest.fixture
def simulated():
    """A run with crashes, a diverged member, saves, ends and metrics that not every report has."""
    store = MemoryStore()
    recorder = record_simulated(store, members=6, num_rounds=8, end=False, nans=0.1)
    newest = recorder.history.newest_birth(0)
    episodes = {"val_accuracy": [0.25, 0.75], "loss": math.inf, "a.b": 3.0}
    recorder.raise_total(2000)
    recorder.report(
        newest,
        1800,
        0.5,
        metrics={**episodes, "loss": "Infinity"},
        effective={"lr": [0.1, 0.2]},
        waited=2.0,
        starting=4.0,
        notes=["once"],
    )
    recorder.report(newest, 1850, save=True)
    store.create(keys.ended(0, 1), encode(End(member=0, incarnation=1, pod="p", exit_code=137, message="x")))
    return read_archive(store)


def given(value):
    return None if value is UNSET else value


def test_every_report_and_save_is_a_row_whose_values_are_its_records(simulated):
    assert len(simulated.reports) == 6 * 8 + 1
    for name, found in (("reports", simulated.reports), ("saves", simulated.saves)):
        table = table_of(simulated, name)
        rows = list(table.rows)
        assert len(rows) == len(found) > 0
        for row, (_, report) in zip(rows, sorted(found.items()), strict=True):
            assert list(row) == table.columns
            for field in ("member", "incarnation", "round", "step", "seconds", "checkpoint", "notes"):
                assert row[field] == getattr(report, field)
            assert (row["waited"], row["starting"]) == (given(report.waited), given(report.starting))
            assert row["score"] == report.score("val_accuracy")
            assert row["counts"] is simulated.counts(report)
            birth = simulated.births[report.life]
            assert row["cause"] == birth.cause.value
            parent = birth.source and (birth.source.member, birth.source.incarnation, birth.source.step)
            assert (row["parent_member"], row["parent_incarnation"], row["parent_step"]) == (
                parent or (None, None, None)
            )
            for family in ("hyperparameters", "effective"):
                own = {
                    column.removeprefix(f"{family}."): value
                    for column, value in row.items()
                    if column.startswith(f"{family}.") and value is not None
                }
                assert own == getattr(report, family)


def test_metrics_are_numbers_and_what_a_report_lacks_is_none(simulated):
    table = table_of(simulated, "reports")
    assert table.columns[-3:] == ["metrics.val_accuracy", "metrics.a.b", "metrics.loss"]
    rows = list(table.rows)
    assert rows[-1]["metrics.val_accuracy"] == [0.25, 0.75]
    assert rows[-1]["metrics.loss"] == math.inf
    assert rows[-1]["metrics.a.b"] == 3.0
    assert rows[0]["metrics.loss"] is None
    diverged = [row for row in rows if row["score"] is None]
    assert diverged
    assert all(math.isnan(row["metrics.val_accuracy"]) for row in diverged)


def test_hyperparameters_stand_in_the_order_of_the_manifest(simulated):
    names = [f"hyperparameters.{h.name}" for h in simulated.spec.hyperparameters]
    assert [c for c in table_of(simulated, "reports").columns if c.startswith("hyperparameters.")] == names


def test_births_ends_and_rounds_have_their_records_values(simulated):
    births = list(table_of(simulated, "births").rows)
    assert len(births) == len(simulated.births)
    own = set(BIRTH_COLUMNS) - {"claimed"} - {c for c in BIRTH_COLUMNS if c.startswith("parent_")}
    for row, life in zip(births, sorted(simulated.births), strict=True):
        birth = simulated.births[life]
        assert {name: row[name] for name in own} == {name: given(getattr(birth, name)) for name in own}
        assert row["claimed"] is (life in simulated.claimed)
        assert row["parent_checkpoint"] == (birth.source.checkpoint if birth.source else None)
        values = {h.name: row[f"hyperparameters.{h.name}"] for h in simulated.spec.hyperparameters}
        assert values == birth.hyperparameters
    ends = list(table_of(simulated, "ends").rows)
    assert ends == [
        {name: given(getattr(end, name)) for name in END_COLUMNS} for end in simulated.ends.values()
    ]
    assert set(END_COLUMNS) | {"format"} == set(End.__struct_fields__)
    rounds = list(table_of(simulated, "rounds").rows)
    assert [row["round"] for row in rounds] == [record.number for record in simulated.rounds]
    for row, record in zip(rounds, simulated.rounds, strict=True):
        assert row["replaced"] == [decision.member for decision in record.decisions]
        assert row["reported"] == len(record.entries)
        assert row["best_score"] == (record.best.score if record.best else None)


def test_the_columns_are_those_of_the_contract_whatever_was_recorded():
    """They may only grow at their end: programs read them by name, and some by place."""
    store = MemoryStore()
    record_small(store)
    archive = read_archive(store)
    found = {name: table_of(archive, name).columns for name in TABLES}
    report = [
        *("member", "incarnation", "round", "step", "counts", "score", "seconds", "waited", "starting"),
        *("ending", "cause", "parent_member", "parent_incarnation", "parent_step", "sub_population"),
        *("checkpoint", "notes"),
    ]
    assert found == {
        "reports": [*report, "hyperparameters.lr", "metrics.val_accuracy"],
        "saves": report,
        "births": [
            *("member", "incarnation", "cause", "round", "start_step", "previous_step", "parent_member"),
            *("parent_incarnation", "parent_step", "parent_checkpoint", "seed_round", "crashes", "blamed"),
            *("decided", "sub_population", "claimed", "reason", "hyperparameters.lr", "operations.lr"),
        ],
        "ends": [
            *("member", "incarnation", "pod", "exit_code", "out_of_memory", "disrupted", "stopped"),
            *("hung", "node", "message", "unstarted"),
        ],
        "rounds": [
            *("round", "step", "spec", "due", "reported", "scored", "replaced", "crashed"),
            *("best_member", "best_incarnation", "best_step", "best_score"),
        ],
    }
    assert msgspec.json.encode([list(table_of(archive, name).rows) for name in TABLES])


def test_the_page_lists_the_columns_in_their_order():
    """Those of reports and saves are the same. What is no field of a record is explained in a table of its own."""
    page = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
    section = page.partition("\n## pbt export\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| [\w ,]+ \| ((?:`\w+`(?:, )?)+) \|", section, re.MULTILINE))
    fixed = {"reports": REPORT_COLUMNS, "births": BIRTH_COLUMNS, "ends": END_COLUMNS, "rounds": ROUND_COLUMNS}
    assert {name: tuple(re.findall(r"`(\w+)`", told)) for name, told in rows.items()} == fixed
    assert {*fixed, "saves"} == set(TABLES)
    assert "| `saves` | save between rounds | the same | the same |" in section
