"""What is run in which mode, and the registered file that says so."""

import json
from random import Random

import pytest

from learning import plan, registered
from learning.arms import ARMS
from learning.forms import FORMS
from learning.judging import Cell
from learning.peers.registry import PEERS
from learning.tasks import TASKS, TOYS, make


@pytest.fixture(scope="module")
def known():
    return registered.read()


def test_what_is_registered_exists(known):
    assert {cell.task for cell in known.cells} == set(known.ranges) <= set(TASKS)
    assert {cell.form for cell in known.cells} <= set(FORMS)
    arms = {*ARMS, *PEERS}
    named = {
        known.arm,
        *known.mode.arms,
        *(arm for claim in known.claims for arm in (claim.arm, claim.against)),
    }
    assert named <= set(known.arms)
    assert {arm for of_cell in known.cells.values() for arm in of_cell} <= arms
    assert all(len(set(of_cell)) == len(of_cell) for of_cell in known.cells.values())


def test_the_registered_ranges_are_the_tasks_own(known):
    for name, found in known.ranges.items():
        task = make(name)
        assert found.optimum == pytest.approx(task.optimum, abs=1e-5)
        assert found.start == pytest.approx(task.start, abs=1e-4)
        if task in TOYS:
            assert found.start == pytest.approx(task.true_score(task.build(Random(0)), {}, Random(0)))


def test_a_field_that_the_registered_file_does_not_know_is_a_mistake(tmp_path):
    file = tmp_path / "registered.json"
    file.write_text(json.dumps({**json.loads(registered.FILE.read_text()), "margn": 0.1}))
    with pytest.raises(ValueError, match="margn"):
        registered.read(file)


def test_jobs_come_seed_by_seed_so_that_a_stopped_run_can_be_compared(known):
    jobs = list(plan.narrowed(plan.quick(), seeds=[7, 8], arms=["random", "auto"]).jobs())
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    assert len(jobs) == 2 * 2 * 2 * len(TOYS)
    assert all(job.instance == job.seed for job in jobs)


def test_the_judged_seeds_are_run_in_full_alone(known):
    judged = set(known.seeds)
    assert set(plan.full(known).seeds) == judged
    assert judged.isdisjoint(plan.quick().seeds)
    assert judged.isdisjoint(plan.normal(known).seeds)
    assert judged.isdisjoint(known.mode.seeds)


def test_what_a_peer_cannot_search_is_left_out():
    asked = plan.narrowed(plan.quick(), tasks=["mixed", "paper"], forms=["constant"], arms=["pb2"], seeds=[1])
    assert [job.task for job in asked.jobs()] == ["paper"]


def test_a_plan_can_be_narrowed_to_cells_that_it_lacks():
    asked = plan.narrowed(plan.quick(), tasks=["digits"], forms=["noisy"], members=[22])
    assert list(asked.cells) == [Cell("digits", "noisy", 22)]
    with pytest.raises(ValueError, match="name their forms"):
        plan.narrowed(plan.quick(), tasks=["digits"])
