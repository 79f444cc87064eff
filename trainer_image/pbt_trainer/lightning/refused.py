"""What of Lightning gets in a population's way: it keeps, ends or changes what belongs to the run."""

from typing import Any

from pbt_contract.errors import UsageError

_CALLBACKS = {
    "EarlyStopping": "the population says who goes on, and run.finish() ends a member",
    "Timer": "Trainer(max_time=...) is the same; the run ends at its total_steps",
    "StochasticWeightAveraging": "it changes schedules as epochs go by, which a restore can't repeat",
    "WeightAveraging": "its average is in no checkpoint of a run; keep it in the module",
    "LearningRateFinder": "the rate is the population's",
    "BatchSizeFinder": "it trains outside of the run's steps",
    "BaseFinetuning": "it changes the optimizer as epochs go by, which a restore can't repeat",
}
_STRATEGIES = ("SingleDeviceStrategy", "DDPStrategy")
_NO_EPOCHS = (-1, 1000)  # what Lightning makes of no limit


def refuse(trainer: Any, *, total_steps: int, world: int) -> None:
    """Names what has to go, and what is there in its place.

    Args:
        trainer: as its script has made it.
        total_steps: of the run.
        world: how many processes the run has.

    Raises:
        UsageError: something has to go.
    """
    if trainer.checkpoint_callbacks:
        raise UsageError("Trainer(enable_checkpointing=False), please: the run keeps the checkpoints")
    for callback in trainer.callbacks:
        for kind in type(callback).__mro__:
            if why := _CALLBACKS.get(kind.__name__):
                raise UsageError(f"Trainer(callbacks=[{type(callback).__name__}(...)]) can't be: {why}")
    given = {
        "max_epochs": None if trainer.max_epochs in _NO_EPOCHS else trainer.max_epochs,
        "max_steps": None if trainer.max_steps in {-1, total_steps} else trainer.max_steps,
        "min_steps": trainer.min_steps or None,
        "min_epochs": trainer.min_epochs or None,
    }
    for name, value in given.items():
        if value is not None:
            raise UsageError(
                f"{name}={value!r} can't be: the run resumes by itself, and ends at its total_steps"
            )
    kinds = {kind.__name__ for kind in type(trainer.strategy).__mro__}
    if kinds.isdisjoint(_STRATEGIES) or trainer.world_size != world:
        raise UsageError(
            f"Trainer(strategy=...) with a {type(trainer.strategy).__name__} over {trainer.world_size} processes can't "
            "be: a member trains on one device, or by DDP in the processes that torchrun started"
        )


def refuse_resumed(trainer: Any) -> None:
    """The same for a checkpoint of Lightning's own, which is read later.

    Raises:
        UsageError: the script gave one.
    """
    if trainer._checkpoint_connector._loaded_checkpoint:
        raise UsageError("Trainer.fit(ckpt_path=...) can't be: the run resumes by itself")
