"""Ray's and Optuna's own classes, in their environment: as many steps as ours, the same explore, no luck at the end."""

import json
import os
import subprocess
from dataclasses import replace

import pytest
from scipy.stats import ks_2samp

from fixtures.lottery_task import Lottery
from learning.forms import form
from learning.peers.job import Job
from learning.peers.launch import ROOT, environment, started
from learning.peers.registry import PEERS
from learning.population import run, spec_of
from learning.task import position
from learning.tasks import make
from pbt_operator.core.auto import auto_rules
from pbt_operator.core.explore import explore
from pbt_operator.core.transcript import Transcript

pytestmark = [pytest.mark.process, pytest.mark.slow]

MEMBERS, SEED = 4, 5000
TASK = "paper"  # of 20 rounds, so that PB2 takes part
STEPS = MEMBERS * make(TASK).total_steps


def job(arm, kind="constant", **more):
    return Job(TASK, kind, MEMBERS, SEED, arm, **more)


@pytest.fixture(scope="module")
def peers(rays, tmp_path_factory):
    with started(tmp_path_factory.mktemp("peers") / "log") as running:
        yield running


@pytest.mark.parametrize("kind", ["constant", "failing"])
@pytest.mark.parametrize("arm", PEERS)
def test_a_peer_trains_as_many_steps_as_our_members_do(peers, arm, kind):
    found = peers.run(job(arm, kind))
    assert "error" not in found
    if arm == "ray-async-unbounded":
        assert STEPS <= found["steps"] <= 1.25 * STEPS
    else:
        assert found["steps"] == STEPS
    task = make(TASK)
    assert task.start < found["score"] <= task.optimum


@pytest.mark.parametrize("arm", PEERS)
def test_the_same_seed_gives_the_same_run_and_another_one_another(peers, arm):
    chosen = Job(TASK, "noisy", MEMBERS, SEED, arm)
    first, again, other = (peers.run(one) for one in (chosen, chosen, replace(chosen, seed=SEED + 1)))
    outcome = ("score", "observed", "replaced", "curve")
    assert [first[name] for name in outcome] == [again[name] for name in outcome]
    assert first["observed"] != other["observed"]


@pytest.mark.parametrize("arm", [arm for arm in PEERS if arm.startswith("ray-s")])
def test_ray_begins_with_our_members(peers, arm):
    """Pairs: the first round has our first values, states and noise."""
    chosen = Job("triangle", "noisy", 6, SEED, arm)
    task = form(make("triangle"), "noisy")
    ours = run(task, spec_of(task, 6), SEED)
    assert peers.run(chosen)["curve"][0] == ours.curve[0]


def test_under_noise_the_score_is_not_what_the_tool_observed(peers):
    for arm in PEERS:
        found = peers.run(Job(TASK, "noisy", MEMBERS, SEED, arm))
        assert found["score"] != found["observed"]


@pytest.mark.parametrize("arm", ["ray-async", "ray-synchronous"])
def test_ray_replaces_what_has_failed(peers, arm):
    """A trial with NaN would be left out of Ray's comparison for good."""
    chosen = Job("mixed", "failing", 8, SEED, arm)
    healthy = peers.run(replace(chosen, form="constant"))
    assert peers.run(chosen)["score"] > 0.5 * healthy["score"]


def moves(rays, seeds):
    """Of Ray's PBT on the lottery: with our explore, and with Ray's own for the discount."""
    paths = f"{environment()['PYTHONPATH']}{os.pathsep}{ROOT / 'tests'}"
    done = subprocess.run(
        [str(rays), str(ROOT / "tests" / "fixtures" / "ray_moves.py"), str(seeds)],
        env=environment() | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def own(made):
    """Where our own explore leads from the same donors."""
    spec = spec_of(Lottery(), 16)
    spec = replace(spec, seed=99, explore=auto_rules(spec).explore)
    return [
        explore(before, member=0, transcript=Transcript(spec.view(number, ()), spec))[0]
        for number, (before, _) in enumerate(made)
    ]


def test_ray_moves_as_we_do_and_a_planted_difference_is_found(rays):
    """From the same donors, the positions on each scale that moves lead to: two samples, fixed seeds."""
    found = moves(rays, 6)

    def unlikely(made, h):
        theirs = [position(h, after[h.name]) for _, after in made]
        return ks_2samp([position(h, after[h.name]) for after in own(made)], theirs).pvalue

    assert len(found["ours"]) == len(found["planted"]) > 1000
    rate, discount, dropout = Lottery.space
    for h in Lottery.space:
        assert unlikely(found["ours"], h) > 0.01, h.name
    assert unlikely(found["planted"], discount) < 1e-9
    for fair in (rate, dropout):
        assert unlikely(found["planted"], fair) > 0.01
