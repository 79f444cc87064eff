"""Whatever breaks: hundreds of seeds keep all laws, each deliberate defect is caught, and a seed is a whole story."""

import json
import logging
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from unittest.mock import patch

import pytest

from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Looks, Reconciler
from pbt_operator.core.allowance import Allowance, Cursor
from simulate.defects import of_parts, of_pieces, of_turns
from simulate.defects.planted import DEFECTS, is_caught, planted
from simulate.experiment import Experiment, run
from simulate.misfortune import DEEDS
from simulate.weather import LATER_RATES, PIECE_RATES, RATES
from simulate.world import ROOM_FROM

SEEDS, GROUPS = 400, 8
WITH_ROOM = 80
MOST = 1000
ONCE_BROKEN = (
    7_002_597, 7_002_663, 7_002_717, 9_000_207, 9_000_373, 9_000_672, 9_001_403, 9_501_886, 9_502_374,
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


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_law_is_broken(group: int) -> None:
    """`make simulate` runs thousands more."""
    seeds = [*range(group, SEEDS, GROUPS), *range(ROOM_FROM + group, ROOM_FROM + WITH_ROOM, GROUPS)]
    outcomes = [run(seed) for seed in seeds]
    broken = {o.seed: o.wrong for o in outcomes if o.wrong}
    assert not broken, f"make simulate SEEDS=1 TRACE=1 FIRST={next(iter(broken))} shows all: {broken}"
    assert {o.ended for o in outcomes} <= {"Complete", "Failed", "Deleted"}


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
    first = ROOM_FROM if DEFECTS[defect] in {*of_turns.MADE, *of_parts.MADE, *of_pieces.MADE} else 0
    with planted(defect):
        seeds: Iterable[int] = range(first, first + MOST)
        if (
            DEFECTS[defect] in of_pieces.MADE
        ):  # few worlds have pieces, and few of these tell of what is read of them
            seeds = (seed for seed in range(first + 500, first + MOST) if Experiment(seed).sizes)
        caught = next((seed for seed in seeds if is_caught(defect, run(seed).wrong)), None)
    assert caught is not None, f"{MOST} seeds don't show that {defect}"


def test_every_fault_happens() -> None:
    happened: Counter[str] = Counter()
    for seed in range(150):
        happened.update(run(seed).faults)
    assert set(happened) >= {*RATES, *LATER_RATES, *DEEDS}


def test_rounds_lie_in_pieces_some_of_which_are_spoilt_on_their_way() -> None:
    happened: Counter[str] = Counter()
    for seed in range(ROOM_FROM, ROOM_FROM + WITH_ROOM):
        if Experiment(seed).sizes:
            happened.update(run(seed).faults)
    assert set(happened) >= set(PIECE_RATES)


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
