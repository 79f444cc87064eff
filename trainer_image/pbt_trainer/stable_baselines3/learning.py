"""Reinforcement learning of a member: `model.learn` between whose iterations the run reports, restores and swaps.

SB3 calls `on_rollout_start` before it collects, when the update of the iteration before is done, and `on_training_end`
after the last one. Nothing else is a boundary: a swap within a rollout would train one policy on another one's actions.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from pbt_contract.errors import UsageError
from pbt_trainer.loop import Advance
from pbt_trainer.run import Run
from pbt_trainer.stable_baselines3.algorithm import Hyperparameters, Replay, parts, refuse, steps_of_a_step
from pbt_trainer.state.random_state import reseed, seed_of
from pbt_trainer.window import Episode, Window


def learn(
    model: Any,
    run: Run,
    metric: str,
    *,
    window: Window | None = None,
    evaluate: Callable[[], Mapping[str, Any]] | None = None,
    replay_buffer: bool = False,
    callback: Any = None,
    tracked: Mapping[str, Any] | None = None,
    **given: Any,
) -> Any:
    """Trains a member, in the place of `model.learn(...)`.

    A step is one iteration: of PPO and its like a rollout with its update, of SAC, DQN and their like `train_freq`
    steps of the environments with the gradient steps after them. docs/recipes/stable-baselines3.md says what changes in
    place.

    Args:
        model: of SB3, with its environments in Monitors.
        run: this process's.
        metric: of the objective: the returns of the newest episodes of training, one by one.
        window: which of them; by default the newest 20, and at least 5.
        evaluate: called when a report is due; what it returns goes along, and may take the window's place.
        replay_buffer: whether checkpoints keep the replay buffer.
        callback: of the script's own, one or a list.
        tracked: more to track, by name, as of `Run.track`.
        given: to `model.learn`, such as `log_interval`.

    Returns:
        The model.

    Raises:
        UsageError: a callback or an option is in the population's way.
        SystemExit: the loop ended early, as of `Run.end`.
    """
    own = callback if isinstance(callback, list) else [each for each in [callback] if each]
    refuse(own, given)
    member = _Member(model, run, metric, window=window or Window(20, at_least=5), evaluate=evaluate)
    member.track(replay_buffer=replay_buffer, more=tracked or {})
    member.learn(own, given)
    run.end()
    return model


class _Member(BaseCallback):  # type: ignore[misc]
    """One member's learning by one algorithm.

    Attributes:
        swapped: whether another life was taken over after the last iteration.
    """

    def __init__(
        self,
        model: Any,
        run: Run,
        metric: str,
        *,
        window: Window,
        evaluate: Callable[[], Mapping[str, Any]] | None,
    ) -> None:
        super().__init__()
        self.model, self._run, self._metric = model, run, metric
        self._window, self._evaluate = window, evaluate
        self._per_step = steps_of_a_step(model)
        self._learning_starts = int(getattr(model, "learning_starts", 0))
        self._keeps_replay = self._emptied = False
        self._episodes: list[Episode] = []
        self.swapped = False

    def track(self, *, replay_buffer: bool, more: Mapping[str, Any]) -> None:
        """Names everything, and restores it where there is something to restore."""
        run, model = self._run, self.model
        if run.incarnation:
            reseed((run.rng_seed,))  # PPO(seed=...) has seeded all members alike
        objects = {**parts(model), "episodes": self._window, "counts": self}
        self._keeps_replay = replay_buffer
        if replay_buffer:
            objects["replay"] = Replay(model.replay_buffer)
        apply = run.on_restore(Hyperparameters(model).apply)
        apply(run)
        run.track(**{**objects, **more})
        self._go_to(run.step)

    def learn(self, callbacks: list[BaseCallback], given: dict[str, Any]) -> None:
        """Learns until the run ends, again where the last iteration led into another life."""
        begins = True
        while begins or self.swapped:
            begins = False
            self.model.learn(self.remaining, callback=[self, *callbacks], reset_num_timesteps=False, **given)
        if self._run.stopped is None:  # a callback of the script's has said so
            self._run.finish(self.metrics() if self._run.due else None)

    @property
    def remaining(self) -> int:
        """Steps of environments until the run's end."""
        return int(self._run.total_steps * self._per_step - self.model.num_timesteps)

    def metrics(self) -> dict[str, Any]:
        """The newest episodes, the frames, and what the script evaluates."""
        found = {self._metric: self._window, "frames": self.model.num_timesteps}
        return {**found, **(self._evaluate() if self._evaluate else {})}

    # What is tracked of counters: those that don't follow from the run's step.

    def state_dict(self) -> dict[str, Any]:
        """Counters of updates and episodes, and when learning starts."""
        names = ("_n_updates", "_n_calls", "_episode_num", "learning_starts")
        return {name: int(getattr(self.model, name)) for name in names if hasattr(self.model, name)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with them; a replay buffer that isn't tracked holds what another life has seen."""
        for name, value in state.items():
            setattr(self.model, name, value)
        self._emptied = not self._keeps_replay

    def __pbt_exploited__(self) -> None:
        """See `pbt_trainer.state.tracked.Tracked.exploited`: the transitions were another policy's."""
        self._emptied = True

    # What SB3 calls.

    def _on_training_start(self) -> None:
        if not self._episodes:
            self._episodes = [self._window.start() for _ in range(self.model.n_envs)]

    def _on_rollout_start(self) -> None:
        if self.swapped:  # after the last step of another life: this one's is named already
            self.swapped = False
            return
        self._report()
        if self._run.advance() is Advance.SWAPPED:
            self._begin_anew()

    def _on_step(self) -> bool:
        if self._run.stopped is not None:
            return False
        for number, done in enumerate(self.locals["dones"]):
            if done:
                self._end_episode(number, self.locals["infos"][number])
        return True

    def _on_training_end(self) -> None:
        if self._run.stopped is None and self.remaining <= 0:
            self._report()
            self.swapped = self._run.advance() is Advance.SWAPPED
            if self.swapped:
                self._begin_anew()

    def _report(self) -> None:
        if self._run.due:
            self._run.report(self.metrics())

    def _end_episode(self, number: int, info: Mapping[str, Any]) -> None:
        if "episode" not in info:
            raise UsageError(
                "an episode ended without its return: wrap environments in a Monitor, as make_vec_env does"
            )
        self._episodes[number].end(info["episode"]["r"])
        self._episodes[number] = self._window.start()

    def _begin_anew(self) -> None:
        """The policy was replaced between two iterations: nothing that another one has begun goes on."""
        model = self.model
        self._go_to(self._run.step - 1)
        model._last_obs = model.env.reset()
        model._last_episode_starts = np.ones((model.n_envs,), dtype=bool)
        if model.get_vec_normalize_env() is not None:
            model._last_original_obs = model.get_vec_normalize_env().get_original_obs()
        model.ep_info_buffer.clear()
        model.ep_success_buffer.clear()
        if model.action_noise is not None:
            model.action_noise.reset()
        if model.use_sde:
            (model.policy if isinstance(model, OnPolicyAlgorithm) else model.actor).reset_noise(model.n_envs)
        self._episodes = [self._window.start() for _ in range(model.n_envs)]

    def _go_to(self, done: int) -> None:
        """Sets SB3's counters to the run's step, and seeds the environments for the member."""
        model, run = self.model, self._run
        model.num_timesteps = done * self._per_step
        if self._emptied and getattr(model, "replay_buffer", None) is not None:
            model.replay_buffer.reset()
            model.learning_starts = model.num_timesteps + self._learning_starts
        self._emptied = False
        if run.incarnation:
            seed = seed_of(run.rng_seed, done) % 2**31
            model.env.seed(seed)
            model.action_space.seed(seed)
