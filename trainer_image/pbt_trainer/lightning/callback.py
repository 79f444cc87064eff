"""What a script hands to Lightning's Trainer: everything tracked, Lightning's own limits and handlers off."""

import os
from contextlib import ExitStack
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.core.optimizer import _init_optimizers_and_lr_schedulers

from pbt_trainer.lightning.refused import refuse, refuse_resumed
from pbt_trainer.lightning.turns import Turns
from pbt_trainer.run import Run
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.state.random_state import reseed
from pbt_trainer.state.tracked_object import kind_of


class PopulationCallback(Callback):  # type: ignore[misc]
    """Makes `Trainer.fit` train a member: it tracks, restores, evaluates when a report is due, reports and swaps.

        run = pbt_trainer.join({"lr": 1e-3}, total_steps=4000, interval_steps=200)
        trainer = Trainer(enable_checkpointing=False, callbacks=[PopulationCallback(run, "val_acc")])
        trainer.fit(Net(run.hp), train_loader, val_loader)

    A step is an optimizer step, in manual optimisation a training batch. Tracked are the module, its optimizers and
    schedules, the gradient scaler and Lightning's counters. What `configure_optimizers` reads of `run.hp` changes in
    place, for it is the build function: it makes new objects with each call, and keeps none of them. Validation runs at
    each due step, beside the script's own ones. Where the loop ended early, `fit` ends the process, as `Run.end` does.
    """

    def __init__(self, run: Run, metric: str, **tracked: Any) -> None:
        """Does nothing before `Trainer.fit`.

        Args:
            run: this process's.
            metric: of the objective, as `self.log` names it. All others that are logged are reported beside it.
            tracked: more to track, by name, as of `Run.track`; `model=pbt_trainer.trainable(module)` takes the place of
                the whole module.
        """
        self._run, self._metric, self._more = run, metric, tracked
        self._world = Ranks.from_environment(os.environ).world
        self._turns: Turns | None = None
        self._sanity = ExitStack()

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Puts the run in the place of Lightning's own limits.

        Raises:
            UsageError: the Trainer has checkpoints, early stopping or a limit of its own.
        """
        if stage != "fit":
            return
        refuse(trainer, total_steps=self._run.total_steps, world=self._world)
        pl_module.configure_optimizers = self._run.hp.reached(pl_module.configure_optimizers)
        self._turns = Turns(self._run, trainer, self._metric)
        # SIGTERM is the run's: Lightning would leave the loop before the step's report.
        trainer._signal_connector.register_signal_handlers = lambda: None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Has everything tracked, and restored where there is something to restore.

        Raises:
            UsageError: the script resumes a checkpoint of Lightning's own.
        """
        refuse_resumed(trainer)
        assert self._turns is not None
        if self._run.incarnation and self._run.parent is None:
            reseed((self._run.rng_seed,))  # seed_everything may have made all members alike
        made = _by_name(trainer.optimizers, trainer.lr_scheduler_configs)
        built = [name for name, each in made.items() if kind_of(each) != "object"]
        first = [made]

        def configure_optimizers() -> dict[str, Any]:
            found = first.pop() if first else _by_name(*_init_optimizers_and_lr_schedulers(pl_module))
            return {name: found[name] for name in built}

        self._run.build(configure_optimizers)
        others = {name: each for name, each in made.items() if name not in built}
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is not None:
            others["scaler"] = scaler
        self._run.track(**{"model": pl_module, "loop": self._turns, **others, **self._more})

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        """What it reads of the hyperparameters is read again in the loop."""
        self._sanity.enter_context(self._run.hp.reaching())

    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:
        """See `on_sanity_check_start`."""
        self._sanity.close()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """From here on there are steps."""
        assert self._turns is not None
        self._turns.begin()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes whether that was the last batch of a step."""
        assert self._turns is not None
        self._turns.end_batch()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Ends the process if the loop ended early."""
        if stage == "fit" and self._run.stopped is not None:
            self._run.end()


def _by_name(optimizers: list[Any], configs: list[Any]) -> dict[str, Any]:
    """Optimizers and schedules by the names that checkpoints have."""
    rows = {"optimizer": optimizers, "schedule": [config.scheduler for config in configs]}
    return {f"{kind}{number or ''}": each for kind, row in rows.items() for number, each in enumerate(row)}
