"""Whatever breaks: hundreds of seeds keep all laws, each deliberate defect is caught, and a seed is a whole story."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import pytest

from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Looks, Reconciler
from pbt_operator.core.allowance import Allowance, Cursor
from simulate.defects import planted as defects
from simulate.defects.caught_at import NOTED
from simulate.defects.planted import DEFECTS, MOST, seeds_of, shown_by
from simulate.experiment import Outcome, run
from simulate.misfortune import DEEDS
from simulate.weather import LATER_RATES, PIECE_RATES, RATES
from simulate.world import READS_FROM, ROOM_FROM

ENOUGH = range(150)  # for all that may happen
MORE = (range(150, 275), range(275, 400))
WITH_ROOM = range(ROOM_FROM, ROOM_FROM + 80)
OF_FEW_READS = range(READS_FROM, READS_FROM + 80)
ONCE_BROKEN = (
    7_002_597, 7_002_663, 7_002_717, 9_000_207, 9_000_373, 9_000_672, 9_001_403, 9_501_886, 9_502_374, 9_505_335,
    12_000_053, 14_001_132,
)  # fmt: skip
ROOT = Path(__file__).parents[3]
PATHS = f"{ROOT / 'tools'}:{ROOT / 'tests'}"
# A defect that is never caught runs through all seeds.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def lawful(seeds: Iterable[int]) -> list[Outcome]:
    """What became of these seeds, none of which breaks a law."""
    outcomes = [run(seed) for seed in seeds]
    broken = {o.seed: o.wrong for o in outcomes if o.wrong}
    assert not broken, f"make simulate SEEDS=1 TRACE=1 FIRST={next(iter(broken))} shows all: {broken}"
    assert {o.ended for o in outcomes} <= {"Complete", "Failed", "Deleted"}
    return outcomes


def happened(outcomes: Iterable[Outcome]) -> set[str]:
    """The faults of these seeds."""
    return {fault for outcome in outcomes for fault in outcome.faults}


@pytest.mark.parametrize("seeds", MORE, ids=str)
def test_no_law_is_broken(seeds: range) -> None:
    """`make simulate` runs thousands more."""
    lawful(seeds)


def test_no_law_is_broken_though_every_fault_happens() -> None:
    assert happened(lawful(ENOUGH)) >= {*RATES, *LATER_RATES, *DEEDS}


def test_no_law_is_broken_where_room_lacks_and_pieces_of_rounds_are_spoilt() -> None:
    assert happened(lawful(WITH_ROOM)) >= set(PIECE_RATES)


def test_no_law_is_broken_where_a_pass_may_have_few_reads() -> None:
    lawful(OF_FEW_READS)


@pytest.mark.parametrize("seed", ONCE_BROKEN)
def test_seeds_that_broke_a_law_once_keep_them(seed: int) -> None:
    assert not run(seed).wrong


def test_no_law_is_broken_where_a_pass_may_read_two_records_only() -> None:
    """What is left unread decides nothing, whatever fails in between."""
    run_once, cursors = Reconciler.run_once, list[Cursor]()

    def in_pieces(self: Reconciler, looks: Looks = Looks.LISTS, _: Allowance | None = None) -> PassResult:
        done = run_once(self, looks, Allowance(reads=2))
        cursors.extend([done.cursor] if done.cursor is not None else [])
        return done

    with patch.object(Reconciler, "run_once", in_pieces):
        outcomes = [run(seed) for seed in range(20)]
    assert not {o.seed: o.wrong for o in outcomes if o.wrong}
    assert len(cursors) > 100


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_deliberate_defect_is_caught(defect: str) -> None:
    caught = shown_by(defect)
    assert caught is not None, f"{MOST} seeds don't show that {defect}"
    assert caught in seeds_of(defect)


def test_the_seeds_that_are_noted_are_some_of_those_that_a_defect_has() -> None:
    """Else one could be caught by a seed that is none of its thousand."""
    assert set(NOTED) <= set(DEFECTS)
    assert {defect for defect, seed in NOTED.items() if seed not in seeds_of(defect)} == set()


def test_a_defect_that_its_seed_does_not_show_any_more_is_looked_for_in_all_others(monkeypatch) -> None:
    monkeypatch.setitem(NOTED, "nothing is claimed", 7)
    tried: list[int] = []

    def run_seed(seed: int) -> Outcome:
        tried.append(seed)
        return Outcome(seed, ["1.0 s: 1: wrong"] * (seed == 2), "", 0.0, 0, 0)

    monkeypatch.setattr(defects, "run", run_seed)
    assert shown_by("nothing is claimed") == 2
    assert tried == [7, 0, 1, 2]


@pytest.mark.process
def test_the_command_tells_the_seed_that_shows_a_defect() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulate.defects", "nothing is claimed"],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r'    "nothing is claimed": \d+,\n', done.stdout)


@pytest.mark.process
def test_a_seed_is_the_same_in_every_process() -> None:
    """Else a failure couldn't be seen again."""
    program = "import json; from simulate.experiment import run; print(json.dumps([run(s).digest for s in range(5)]))"
    found = [
        json.loads(
            subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "PYTHONPATH": PATHS, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for hash_seed in ("0", "1")
    ]
    assert found[0] == found[1]
    assert len(set(found[0])) == len(found[0])


@pytest.mark.process
def test_the_command_tells_how_to_see_a_failure_again() -> None:
    program = (
        "import sys; from simulate import __main__ as m; from simulate.defects.planted import planted\n"
        "with planted('nothing is claimed'): sys.exit(m._run_all(range(3), jobs=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert re.search(r"make simulate SEEDS=1 FIRST=[012] TRACE=1\n", done.stdout)
