"""A Trainer's loop as a member's: entered anew after each takeover, in the same process.

A callback alone can't do it. It is called before a step's evaluation, or before a batch that is trained whatever it
says; and epochs are a local variable of the loop, so one that jumps back runs out of them. So three methods of the
Trainer are replaced while it trains: where it begins, where it runs an epoch, and what it does after a step.
"""

import os
from typing import Any

from accelerate import skip_first_batches
from transformers import TrainerCallback

from pbt_contract.errors import UsageError
from pbt_contract.limits import MAX_METRICS
from pbt_trainer.loop import Advance
from pbt_trainer.run import Run
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.state.random_state import reseed
from pbt_trainer.state.trainable import trainable
from pbt_trainer.transformers.arguments import refuse, take_over


def train(trainer: Any, run: Run, metric: str, **tracked: Any) -> Any:
    """Trains a member, in the place of `trainer.train()`.

        run = pbt_trainer.join({"learning_rate": 1e-4}, total_steps=4000, interval_steps=200)
        trainer = Trainer(model, TrainingArguments(save_strategy="no"), train_dataset=..., eval_dataset=...)
        pbt_trainer.transformers.train(trainer, run, "eval_accuracy")

    A step is an optimizer step, `state.global_step`. Hyperparameters with the name of an argument in
    `arguments.IN_PLACE` are set there, and change in place. Tracked are the model, its optimizer and schedule, and the
    gradient scaler; of a model with frozen parameters, as with LoRA, what trains. The Trainer evaluates at each due
    step, beside its own evaluations. Where the loop ended early, this ends the process, as `Run.end` does.

    Args:
        trainer: a Trainer, or one of TRL's, before it has trained.
        run: this process's.
        metric: of the objective, as the evaluation names it; without an `eval_dataset`, as the logs of training do. All
            others go along.
        tracked: more to track, by name, as of `Run.track`.

    Returns:
        What `trainer.train()` returned the last time.

    Raises:
        UsageError: the Trainer has checkpoints, early stopping or a seed of its own in the way, or the metric is
            missing.
        SystemExit: the loop ended early.
    """
    world = Ranks.from_environment(os.environ).world
    refuse(trainer, world=world)
    member = _Member(trainer, run, metric, tracked)
    trainer.add_callback(member)
    try:
        output = member.enter()
        while member.swapped:
            output = member.enter()
    finally:
        trainer.remove_callback(member)
        for name in _REPLACED:
            vars(trainer).pop(name, None)
    run.end()
    return output


_REPLACED = ("_init_training_state", "_run_epoch", "_maybe_log_save_evaluate")


class _Member(TrainerCallback):  # type: ignore[misc]
    """One member's training by one Trainer.

    Attributes:
        swapped: whether the loop was left because another life was taken over.
    """

    def __init__(self, trainer: Any, run: Run, metric: str, tracked: dict[str, Any]) -> None:
        self._trainer, self._run, self._metric, self._more = trainer, run, metric, tracked
        self._original = {name: getattr(trainer, name) for name in _REPLACED}
        for name in _REPLACED:
            setattr(trainer, name, getattr(self, name))
        self.swapped = False
        self._begun = self._leaves = self._made = self._after_step = False
        self._updates, self._skipped = 1, 0  # optimizer steps of an epoch, and those of its part that is done
        self._part: tuple[int, int, int] | None = (
            None  # of an epoch: its number, batches that are done, and all
        )
        self._found: dict[str, Any] = {}
        self._logged: dict[str, Any] = {}
        trainer.args.max_steps = run.total_steps
        self._built = self._build()

    def enter(self) -> Any:
        """Trains from the run's step on, until the end or the next takeover."""
        trainer, run = self._trainer, self._run
        if run.incarnation:
            trainer.args.seed = run.rng_seed % 2**32  # samplers of TRL read it
            if not self._begun:
                reseed((run.rng_seed,))  # Trainer() has seeded all members alike
        self.swapped = self._leaves = self._made = False
        self._found, self._logged = {}, {}
        if hasattr(trainer, "_buffered_inputs"):  # what another life's policy has generated
            trainer._buffered_inputs = None
            trainer._step = self._done * trainer.args.gradient_accumulation_steps
        for logged in getattr(trainer, "_metrics", {}).values():
            logged.clear()
        return trainer.train()

    @property
    def _done(self) -> int:
        """Steps, at the start of the loop: after a takeover `advance` has named the next one."""
        return self._run.step - self._begun

    def _build(self) -> dict[str, Any]:
        """Makes optimizer and schedule as the Trainer would, or takes those that the script has given to it."""
        trainer, run = self._trainer, self._run
        if trainer.optimizer is not None:
            schedule = trainer.create_scheduler(run.total_steps, trainer.optimizer)
            trainer._created_lr_scheduler = False
            return {"optimizer": trainer.optimizer, "schedule": schedule}

        def create_optimizer_and_scheduler() -> dict[str, Any]:
            live = trainer.optimizer, trainer.lr_scheduler
            trainer.optimizer = trainer.lr_scheduler = None
            take_over(trainer.args, run)
            try:
                optimizer = trainer.create_optimizer()
                schedule = trainer.create_scheduler(run.total_steps, optimizer)
            finally:
                trainer.optimizer, trainer.lr_scheduler = live
                trainer._created_lr_scheduler = False  # else the next entry would make another one
            return {"optimizer": optimizer, "schedule": schedule}

        built = run.build(create_optimizer_and_scheduler)()
        trainer.optimizer, trainer.lr_scheduler = built["optimizer"], built["schedule"]
        return built

    # what the Trainer calls

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Has everything tracked, once the Trainer has wrapped it for its device."""
        if self._begun:
            return
        model = self._trainer.model
        frozen = any(not each.requires_grad for each in model.parameters())
        scaler = getattr(self._trainer.accelerator, "scaler", None)
        scalers = {} if scaler is None else {"scaler": scaler}
        own = {"model": trainable(model) if frozen else model, **self._built, **scalers}
        self._run.track(**{**own, **self._more})

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Has a due step evaluated, or what was logged since the newest log told."""
        self._made = self._after_step = True
        self._found = {}
        if self._part is not None:  # which the Trainer takes for a whole one
            number, done, batches = self._part
            trained = round((state.epoch - number) * (batches - done))
            state.epoch = number + (done + trained) / batches
        if self._run.due and self._trainer.eval_dataset is not None:
            control.should_evaluate = True
        elif self._run.due:
            control.should_log = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps what it came to."""
        self._found |= _numbers(kwargs["metrics"])

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps what it says."""
        self._logged |= _numbers(kwargs["logs"])

    def _init_training_state(self, max_steps: int, updates: int, *args: Any) -> tuple[int, int]:
        self._original["_init_training_state"](max_steps, updates, *args)
        self._trainer.state.global_step = self._done
        self._updates = updates
        epochs, self._skipped = divmod(self._done, updates)
        return epochs, 0

    def _run_epoch(self, **given: Any) -> None:
        """Only the rest of a restored epoch: it ends at the step where it would have ended."""
        if not self._begun:
            self._advance()
            self._begun = True
        if self._leaves:
            return
        if self._skipped:
            batches = self._skipped * self._trainer.args.gradient_accumulation_steps
            self._part = given["epoch"], batches, given["steps_in_epoch"]
            given["train_dataloader"] = skip_first_batches(given["train_dataloader"], batches)
            given["steps_in_epoch"] -= batches
            given["num_update_steps_per_epoch"] -= self._skipped
        self._original["_run_epoch"](**given)
        self._skipped, self._part = 0, None

    def _maybe_log_save_evaluate(self, *args: Any, **given: Any) -> None:
        """After a step, and once more after an epoch, which belongs to its last step."""
        if self._leaves:
            return
        self._original["_maybe_log_save_evaluate"](*args, **given)
        ends_epoch = self._after_step and self._trainer.state.global_step % self._updates == 0
        self._after_step = False
        if self._made and not ends_epoch:
            self._made = False
            self._report()
            self._advance()

    def _report(self) -> None:
        run, state = self._run, self._trainer.state
        assert run.step == state.global_step
        if self._trainer.control.should_training_stop and run.step < run.total_steps:
            run.finish(self._metrics() if run.due else None)
        elif run.due:
            run.report(self._metrics())

    def _advance(self) -> None:
        answer = self._run.advance()
        self.swapped = answer is Advance.SWAPPED
        self._leaves = answer is not Advance.GO
        if self._leaves:
            self._trainer.control.should_training_stop = True

    def _metrics(self) -> dict[str, Any]:
        found = self._logged | self._found
        if self._metric not in found:
            there = ", ".join(sorted(found)) or "nothing"
            raise UsageError(
                f"step {self._run.step} is due, and there is no {self._metric!r}: evaluation and logs have {there}"
            )
        own = found.pop(self._metric)
        return {self._metric: own, **dict(list(found.items())[: MAX_METRICS - 1])}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
