"""Members that Stable-Baselines3 trains, in forks of this process, as for Lightning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stable_baselines3
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.callbacks import CheckpointCallback, StopTrainingOnMaxEpisodes
from stable_baselines3.common.env_util import make_vec_env

import pbt_trainer
from frameworks.lives import EXAMPLES, SCRIPTS, Lives, lives
from pbt_trainer.stable_baselines3 import learn
from unit.trainer.population import population_in

HP = {"learning_rate": 1e-3, "gamma": 0.99, "gae_lambda": 0.95, "ent_coef": 0.01, "clip_range": 0.2}
TOTAL = 18
assert stable_baselines3.__version__.startswith("2.9."), "the version that the docs state"


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lives]:
    """Member 1 trains to the end. Member 0 is saved within an interval, resumes, copies 1 back, and then forward."""
    script = EXAMPLES / "stable_baselines3_cartpole.py"
    with (
        population_in(tmp_path_factory.mktemp("cartpole")) as population,
        lives(population, script, total_steps=TOTAL, interval_steps=3, objective="return") as found,
    ):
        population.birth(member=1, hyperparameters=HP)
        found.run(member=1)
        population.birth(hyperparameters=HP | {"learning_rate": 3e-3})
        found.run(end=[[0, 1, 8]])
        (saved,) = population.saves()
        population.resume(saved)
        births = {
            (3, 2): HP | {"learning_rate": 5e-3, "gamma": 0.98},
            (4, 4): HP | {"learning_rate": 7e-3, "gamma": 0.97},
        }
        found.swap(births, hold=[[0, 2, 14], [0, 3, 7]])
        yield found


def test_each_due_step_is_reported_once_whatever_the_process_goes_through(cartpole: Lives) -> None:
    steps = {
        life: [fact["step"] for fact in cartpole.reports(member=0, incarnation=life)] for life in range(1, 5)
    }
    assert steps == {1: [3, 6], 2: [9, 12], 3: [], 4: [15, 18]}
    assert [fact["step"] for fact in cartpole.facts if fact["what"] == "swapped"] == [7, 13]
    assert all(fact["metrics"] == ["frames", "return"] for fact in cartpole.reports())


def test_counters_rates_and_copies_of_gamma_are_those_of_the_runs_step(cartpole: Lives) -> None:
    gammas = {3: 0.98, 4: 0.97}
    for fact in cartpole.counted:
        assert fact["counter"] == fact["step"]
        assert fact["rate"] == pytest.approx(fact["lr"] * (1 - fact["step"] / TOTAL))
        assert fact["gammas"] == [gammas.get(fact["incarnation"], 0.99)] * 2


def test_no_two_lives_draw_the_same_though_the_algorithm_is_seeded(cartpole: Lives) -> None:
    assert cartpole.first_draws() == 5


def test_a_rollout_has_one_policy_and_an_episode_one_life(tmp_path: Path) -> None:
    script, given = (
        SCRIPTS / "stable_baselines3_episodes.py",
        {"total_steps": 12, "interval_steps": 2, "objective": "return"},
    )
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        found.through({"learning_rate": 0.01, "gamma": 0.9}, changed={"learning_rate": 0.05})
        assert {fact["reported"]["policies"] for fact in found.reports()} == {1}
        for fact in found.reports():
            # A resume brings the window back, an exploit empties it; 25 steps are an episode.
            known = {1: {25.0}, 2: {25.0, 50.0}, 3: {75.0}}[fact["incarnation"]]
            assert set(fact["returns"]) <= known, fact
        assert found.reports(incarnation=3)[-1]["returns"] == [75.0] * 6  # two in 80 steps, three times
        assert [fact["step"] for fact in found.reports(incarnation=3)] == [6, 8, 10, 12]


@pytest.mark.parametrize("name", ["sac", "dqn"])
def test_a_replay_buffer_is_kept_if_it_is_tracked_and_never_after_an_exploit(
    name: str, tmp_path: Path
) -> None:
    script, given = (
        SCRIPTS / f"stable_baselines3_{name}.py",
        {"total_steps": 12, "interval_steps": 2, "objective": "return"},
    )
    own = {"sac": {"tau": 0.01}, "dqn": {"exploration_fraction": 0.5}}[name]
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        found.through({"learning_rate": 0.01, **own}, changed={"learning_rate": 0.05})
        for fact in found.counted:
            done = fact["step"]
            # A resume at 5, and an exploit from 4; a step takes 4 steps of two environments.
            emptied = {1: 0, 2: 0 if name == "dqn" else 5, 3: 4}[fact["incarnation"]]
            assert fact["counter"] == done
            assert fact["stored"] == [4 * (done - emptied)]
            assert fact["starts"] == 8 * emptied + 10
            if done > emptied + 1:  # it has learned since
                assert fact["rate"] == pytest.approx(fact["lr"])
        assert [fact["step"] for fact in found.reports(incarnation=3)] == [6, 8, 10, 12]


def fitted(model: Any, **given: Any) -> None:
    """A script alone."""
    learn(model, pbt_trainer.join({"ent_coef": 0.1}, total_steps=4, interval_steps=2), "return", **given)


def test_what_gets_in_the_way_is_refused_by_its_name(tmp_path: Path) -> None:
    ppo = PPO("MlpPolicy", make_vec_env("CartPole-v1", 1), n_steps=8, batch_size=8, device="cpu")
    for given, named in (
        ({"callback": CheckpointCallback(9, str(tmp_path))}, "CheckpointCallback"),
        ({"callback": [StopTrainingOnMaxEpisodes(3)]}, "StopTrainingOnMaxEpisodes"),
        ({"total_timesteps": 100}, "total_timesteps"),
    ):
        with pytest.raises(pbt_trainer.UsageError, match=named):
            fitted(ppo, **given)
    with pytest.raises(pbt_trainer.UsageError, match="train_freq"):
        fitted(DQN("MlpPolicy", make_vec_env("CartPole-v1", 1), train_freq=(1, "episode"), buffer_size=9))
    with pytest.raises(pbt_trainer.UsageError, match="ent_coef"):
        fitted(SAC("MlpPolicy", make_vec_env("Pendulum-v1", 1), buffer_size=9))
