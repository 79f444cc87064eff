"""What Ray's schedulers ask of a trial and of Tune's controller, without a cluster: all train in this process.

The schedulers' classes are Ray's own, unchanged. They ask a trial for its status, configuration and checkpoint, and the
controller for the trials, to pause one and to save one. A checkpoint is a copy of the state in memory.
"""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from ray.train._internal.session import _FutureTrainingResult, _TrainingResult
from ray.tune.experiment import Trial

from learning.peers.trainee import Checkpoint, Trainee


class Saved(_FutureTrainingResult):
    """A checkpoint that is there already, where Ray expects one that is being written."""

    def __init__(self, result: _TrainingResult) -> None:
        self._result = result

    def resolve(self, block: bool = True) -> _TrainingResult:
        return self._result


class FakeTrial:
    """A trainee as Ray's schedulers see it.

    Attributes:
        trainee: what trains.
        config: what the scheduler reads and sets.
        status: one of Ray's.
    """

    def __init__(self, trainee: Trainee, config: dict[str, Any]) -> None:
        self.trainee, self.config = trainee, config
        self.trial_id = self.experiment_tag = f"driven_{trainee.number:05d}"
        self.status = Trial.RUNNING
        self.evaluated_params: dict[str, Any] = {}
        self.last_result: dict[str, Any] = {}
        self.temporary_state = SimpleNamespace(saving_to=None)
        manager = SimpleNamespace(
            checkpoint_config=SimpleNamespace(num_to_keep=None), _latest_checkpoint_result=None
        )
        self.run_metadata = SimpleNamespace(checkpoint_manager=manager)

    def __str__(self) -> str:
        """As PB2 tells trials apart."""
        return self.trial_id

    @property
    def checkpoint(self) -> Checkpoint:
        """Of a paused trial."""
        return self.trainee.checkpoint()

    def is_finished(self) -> bool:
        return self.status in {Trial.TERMINATED, Trial.ERROR}

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def take_over(self) -> bool:
        """Continues from the checkpoint that an exploit gave it; whether there was one."""
        manager = self.run_metadata.checkpoint_manager
        given, manager._latest_checkpoint_result = manager._latest_checkpoint_result, None
        if given is None:
            return False
        self.trainee.restore(given.checkpoint)
        return True


class FakeController:
    """Tune's controller, as far as the schedulers know it."""

    search_alg = None

    def __init__(self, trials: Sequence[FakeTrial]) -> None:
        self._trials = trials

    def get_trials(self) -> list[FakeTrial]:
        return list(self._trials)

    def get_live_trials(self) -> list[FakeTrial]:
        return [trial for trial in self._trials if not trial.is_finished()]

    def pause_trial(self, trial: FakeTrial, should_checkpoint: bool = True) -> None:
        trial.status = Trial.PAUSED

    def _schedule_trial_save(self, trial: FakeTrial, result: dict[str, Any]) -> Saved:
        return Saved(_TrainingResult(checkpoint=trial.trainee.checkpoint(), metrics=dict(result)))
