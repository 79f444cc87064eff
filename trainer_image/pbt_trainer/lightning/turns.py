"""Where Lightning's loops are, and what happens between two of their steps.

Lightning asks each of its two loops whether it is done: the one of an epoch before each batch, the one over epochs
after all that ends with an epoch, which is validation, schedules and hooks. That is where a run's step is over, and
nowhere else. So the two loops ask `Turns` instead.
"""

from typing import Any

from lightning.pytorch.loops.fit_loop import _FitLoop, _set_sampler_epoch
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop

from pbt_contract.errors import UsageError
from pbt_contract.limits import MAX_METRICS
from pbt_trainer.loop import Advance
from pbt_trainer.run import Run


class Turns:
    """One `Trainer.fit` of a run. It is tracked, so that an epoch ends at the step where it would have ended."""

    def __init__(self, run: Run, trainer: Any, metric: str) -> None:
        """Takes the place of the loops' own limits.

        Args:
            run: that the Trainer trains.
            trainer: before its first step.
            metric: of the objective.
        """
        self._run, self._trainer, self._metric = run, trainer, metric
        self._fit, self._epoch = trainer.fit_loop, trainer.fit_loop.epoch_loop
        self._begun, self._between, self._in_epoch = False, True, False
        self._restored: dict[str, int] | None = None
        self._fit.max_epochs, self._epoch.max_steps = -1, run.total_steps
        self._fit.__class__, self._epoch.__class__ = _FitLoopByTurns, _EpochLoopByTurns
        self._fit.turns = self._epoch.turns = self

    def begin(self) -> None:
        """Training starts; a restored epoch has its number from the start."""
        self._begun = True
        if self._restored is not None:
            self._count_epochs(self._restored["epoch"])

    def end_batch(self) -> None:
        """A batch was trained, and maybe a step with it."""
        manual = not self._trainer.lightning_module.automatic_optimization
        self._between = manual or not self._epoch._should_accumulate()

    @property
    def evaluates(self) -> bool:
        """Whether a report is due after the batch that was trained."""
        return self._between and self._run.due and bool(self._trainer.enable_validation)

    def epoch_is_over(self) -> bool:
        """Asked before each batch of an epoch, and after the last one."""
        if self._epoch._num_ready_batches_reached():
            return True  # whatever ends with the epoch belongs to the step
        if self._restored is not None:
            self._go_to_batch(self._restored)
        return self._is_over(in_epoch=True)

    def training_is_over(self) -> bool:
        """Asked before each epoch, and after the last one."""
        return self._begun and self._is_over(in_epoch=False)

    def state_dict(self) -> dict[str, int]:
        """The epoch, how many of its batches are done, and of how many; -1 where a loader doesn't tell."""
        batches = self._trainer.num_training_batches
        return {
            "epoch": self._trainer.current_epoch,
            "batch": self._epoch.batch_progress.current.completed if self._in_epoch else 0,
            "batches": batches if isinstance(batches, int) else -1,
            "trained_batches": self._epoch.batch_progress.total.completed,
            "optimizer_steps": self._epoch.global_step,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The loops go on there, before their next batch."""
        self._restored = dict(state)

    def _is_over(self, *, in_epoch: bool) -> bool:
        run = self._run
        if self._between and run.stopped is None:
            self._between, self._in_epoch = False, in_epoch
            if self._trainer.should_stop and run.step:
                run.finish(self._metrics() if run.due else None)
            elif run.due:
                run.report(self._metrics())
            if run.advance() is Advance.SWAPPED:
                self._leave_behind()
            if self._restored is not None and run.stopped is None:
                self._count(self._restored)
        return run.stopped is not None

    def _metrics(self) -> dict[str, Any]:
        logged = dict(self._trainer.callback_metrics)
        if self._metric not in logged:
            there = ", ".join(sorted(logged)) or "nothing"
            raise UsageError(
                f"step {self._run.step} is due, and no {self._metric!r} was logged: validation_step calls "
                f"self.log({self._metric!r}, ...). Logged is {there}"
            )
        own = logged.pop(self._metric)
        return {self._metric: own, **dict(list(logged.items())[: MAX_METRICS - 1])}

    def _leave_behind(self) -> None:
        """Lets go of what was another life's: gradients, and the metrics of an epoch under way."""
        self._trainer.lightning_module.zero_grad(set_to_none=True)
        self._epoch._results.reset()
        self._trainer._logger_connector.reset_metrics()

    def _count(self, state: dict[str, int]) -> None:
        """Sets Lightning's counters to the run's step."""
        done = self._run.step - 1
        automatic = self._epoch.automatic_optimization.optim_progress.optimizer.step.total
        automatic.ready = automatic.completed = done
        manual = self._epoch.manual_optimization.optim_step_progress.total
        manual.ready = manual.completed = state["optimizer_steps"]
        self._epoch._batches_that_stepped = done  # what loggers call the step
        _set(self._epoch.batch_progress.total, state["trained_batches"])
        self._count_epochs(state["epoch"], begun=self._in_epoch)
        if self._in_epoch:
            self._go_to_batch(state)

    def _count_epochs(self, number: int, *, begun: bool = False) -> None:
        for progress in (self._fit.epoch_progress.current, self._fit.epoch_progress.total):
            _set(progress, number)
            progress.ready += begun
            progress.started += begun

    def _go_to_batch(self, state: dict[str, int]) -> None:
        """Only the rest of the epoch is trained: it ends, with its schedules, at the step where it would have."""
        self._restored = None
        batches, done = self._trainer.num_training_batches, state["batch"]
        if isinstance(batches, int) and batches != state["batches"] > 0:
            done = done * batches // state["batches"]  # batches of another size: the same part of the epoch
        done -= done % self._trainer.accumulate_grad_batches
        _set(self._epoch.batch_progress.current, done)
        self._epoch.batch_progress.is_last_batch = False
        fetcher = self._fit._data_fetcher
        if fetcher.fetched:  # what is left of another life's epoch may be too little
            for loader in self._fit._combined_loader.flattened:
                _set_sampler_epoch(loader, state["epoch"])
            iter(fetcher)
        fetcher.fetched += done


class _EpochLoopByTurns(_TrainingEpochLoop):  # type: ignore[misc]
    turns: Turns

    @property
    def done(self) -> bool:
        return self.turns.epoch_is_over()

    def _should_check_val_fx(self, data_fetcher: Any) -> bool:
        return bool(super()._should_check_val_fx(data_fetcher)) or self.turns.evaluates


class _FitLoopByTurns(_FitLoop):  # type: ignore[misc]
    turns: Turns

    @property
    def done(self) -> bool:
        return self.max_batches == 0 or self.turns.training_is_over()


def _set(progress: Any, number: int) -> None:
    for count in ("ready", "started", "processed", "completed"):
        setattr(progress, count, number)
