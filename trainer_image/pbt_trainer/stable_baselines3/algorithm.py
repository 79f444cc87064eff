"""An algorithm's state by name, its hyperparameters, and what of it gets in a population's way."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.common.utils import FloatSchedule, LinearSchedule

from pbt_contract.errors import UsageError
from pbt_trainer.run import Run

VALUES = (
    "gamma",
    "gae_lambda",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
    "target_kl",
    "tau",
    "n_epochs",
    "batch_size",
    "gradient_steps",
)
"""Attributes that an algorithm reads with each update."""
SCHEDULES = {"learning_rate": "lr_schedule", "clip_range": "clip_range", "clip_range_vf": "clip_range_vf"}
"""Where the schedule of a value is."""
_EXPLORATION = ("exploration_initial_eps", "exploration_final_eps", "exploration_fraction")
_CALLBACKS = {
    "CheckpointCallback": "the run keeps the checkpoints",
    "EvalCallback": "its best model is the population's; report the episodes of training, or metrics of your own",
    "StopTrainingOnMaxEpisodes": "the run ends at its total_steps",
    "StopTrainingOnRewardThreshold": "the population says who goes on",
    "StopTrainingOnNoModelImprovement": "the population says who goes on",
}


class Hyperparameters:
    """Sets an algorithm's hyperparameters by their names; a schedule that the script gave keeps its shape."""

    def __init__(self, model: Any) -> None:
        """Takes the shapes of schedules.

        Raises:
            UsageError: a schedule begins at 0.
        """
        self._model = model
        self._shapes = {
            name: _shape(name, getattr(model, attribute))
            for name, attribute in SCHEDULES.items()
            if callable(getattr(model, attribute, None))
        }

    def apply(self, run: Run) -> None:
        """Sets them as the run has them now.

        Raises:
            UsageError: the entropy coefficient is learned.
        """
        model = self._model
        for name, shape in self._shapes.items():
            if name in run.hp:
                setattr(model, SCHEDULES[name], FloatSchedule(_scaled(shape, float(run.hp[name]))))
        for name in (*VALUES, *_EXPLORATION):
            if name in run.hp and hasattr(model, name):
                setattr(model, name, run.hp[name])
        buffer = getattr(model, "rollout_buffer", None)
        if buffer is not None:  # it has copies
            buffer.gamma, buffer.gae_lambda = model.gamma, model.gae_lambda
        if any(name in run.hp for name in _EXPLORATION) and hasattr(model, "exploration_schedule"):
            model.exploration_schedule = LinearSchedule(*(getattr(model, name) for name in _EXPLORATION))
        if "ent_coef" in run.hp and hasattr(model, "ent_coef_optimizer"):
            if model.ent_coef_optimizer is not None:
                raise UsageError(
                    "ent_coef can't be a hyperparameter where SAC learns it: SAC(ent_coef=0.1), please"
                )
            model.ent_coef_tensor = torch.tensor(float(model.ent_coef), device=model.device)


def parts(model: Any) -> dict[str, Any]:
    """What a checkpoint has of an algorithm: what its own `save` calls its state, and VecNormalize's statistics."""
    names, variables = model._get_torch_save_params()
    found = {name.replace(".", "_"): _found(model, name) for name in names}
    learned = [name for name in variables if getattr(model, name).requires_grad]
    if learned:
        found["variables"] = _Variables(model, learned)
    if model.get_vec_normalize_env() is not None:
        found["normalisation"] = Normalisation(model.get_vec_normalize_env())
    return found


def steps_of_a_step(model: Any) -> int:
    """How many steps of environments one step of the run takes.

    Raises:
        UsageError: it would be one of any length.
    """
    if isinstance(model, OnPolicyAlgorithm):
        return int(model.n_steps * model.n_envs)
    model._convert_train_freq()
    if model.train_freq.unit is not TrainFrequencyUnit.STEP:
        raise UsageError(
            'train_freq=(n, "episode") can\'t be: a step would be of any length. train_freq=n, please'
        )
    return int(model.train_freq.frequency * model.n_envs)


def refuse(callbacks: Iterable[Any], given: Mapping[str, Any]) -> None:
    """Names the callbacks and the arguments of `learn` that have to go.

    Raises:
        UsageError: there is one.
    """
    for name in ("total_timesteps", "reset_num_timesteps"):
        if name in given:
            raise UsageError(
                f"learn({name}=...) can't be: the run ends at its total_steps, and resumes by itself"
            )
    for callback in callbacks:
        for kind in type(callback).__mro__:
            if why := _CALLBACKS.get(kind.__name__):
                raise UsageError(f"callback={type(callback).__name__}(...) can't be: {why}")


class Normalisation:
    """The running statistics of a VecNormalize, which belong to the policy that has seen them."""

    def __init__(self, env: Any) -> None:
        self._env = env

    def state_dict(self) -> dict[str, Any]:
        """Mean, variance and count, of observations and of returns."""
        return {
            name: {"mean": each.mean, "var": each.var, "count": float(each.count)}
            for name, each in self._statistics().items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them over."""
        for name, each in self._statistics().items():
            each.mean, each.var, each.count = (state[name][key] for key in ("mean", "var", "count"))

    def _statistics(self) -> dict[str, Any]:
        observed = getattr(self._env, "obs_rms", None)
        rows = observed if isinstance(observed, dict) else {"": observed}
        found = {f"observations {key}".strip(): each for key, each in rows.items() if each is not None}
        return found | {"returns": self._env.ret_rms}


class Replay:
    """A replay buffer, for who tracks it."""

    def __init__(self, buffer: Any) -> None:
        """Takes it.

        Raises:
            UsageError: it is of a kind with a state of its own.
        """
        if type(buffer) not in {ReplayBuffer, DictReplayBuffer}:
            kind = type(buffer).__name__
            raise UsageError(f"replay_buffer=True can't be with a {kind}: only with SB3's two plain kinds")
        self._buffer = buffer

    def state_dict(self) -> dict[str, Any]:
        """Its arrays, as far as they are filled, and its place in them."""
        buffer = self._buffer
        return {
            "place": [int(buffer.pos), int(buffer.full)],
            "arrays": {name: array[: buffer.size()] for name, array in self._arrays().items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes them over."""
        position, full = state["place"]
        self._buffer.pos, self._buffer.full = position, bool(full)
        for name, array in self._arrays().items():
            array[: self._buffer.size()] = state["arrays"][name]

    def _arrays(self) -> dict[str, Any]:
        names = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
        found = {name: getattr(self._buffer, name, None) for name in names}
        plain = {
            name: each for name, each in found.items() if each is not None and not isinstance(each, dict)
        }
        nested = {name: each for name, each in found.items() if isinstance(each, dict)}
        return plain | {
            f"{name} {key}": array for name, each in nested.items() for key, array in each.items()
        }


class _Variables:
    """Tensors that an algorithm learns outside of its policy."""

    def __init__(self, model: Any, names: list[str]) -> None:
        self._model, self._names = model, names

    def state_dict(self) -> dict[str, Any]:
        """By name."""
        return {name: getattr(self._model, name).detach() for name in self._names}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Into the tensors that are there."""
        for name in self._names:
            getattr(self._model, name).data.copy_(state[name])


def _found(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return model


def _shape(name: str, schedule: Any) -> Any:
    """A schedule relative to its beginning."""
    begin = schedule(1.0)
    if not begin:
        raise UsageError(f"{name}: a schedule that begins at 0 can't be scaled by a hyperparameter")
    return lambda remaining: schedule(remaining) / begin


def _scaled(shape: Any, value: float) -> Any:
    return lambda remaining: value * shape(remaining)
