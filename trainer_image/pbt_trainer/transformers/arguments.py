"""What of TrainingArguments the run decides, and what gets in a population's way."""

from typing import Any

from pbt_contract.errors import UsageError
from pbt_trainer.run import Run

IN_PLACE = (
    "learning_rate",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "warmup_steps",
    "lr_scheduler_type",
)
"""Arguments that the Trainer reads when it makes an optimizer or a schedule, or with each step."""
_CALLBACKS = {
    "EarlyStoppingCallback": "the population says who goes on, and run.finish() ends a member",
    "JITCheckpointCallback": "TrainingArguments(enable_jit_checkpoint=True) is the same; the run saves at SIGTERM",
}
_SHARDED = "a member trains on one device, or by DDP in the processes that torchrun started"


def take_over(args: Any, run: Run) -> None:
    """Sets those arguments that have the name of a hyperparameter, as the run has them now."""
    for name in IN_PLACE:
        if name in run.hp and hasattr(args, name):
            setattr(args, name, run.hp[name])


def refuse(trainer: Any, *, world: int) -> None:
    """Names what has to go, and what is there in its place.

    Args:
        trainer: as its script has made it.
        world: how many processes the run has.

    Raises:
        UsageError: something has to go.
    """
    args = trainer.args
    wrong = {
        'save_strategy="no", please': str(getattr(args.save_strategy, "value", args.save_strategy)) != "no",
        "load_best_model_at_end=False, please": args.load_best_model_at_end,
        "enable_jit_checkpoint=False, please": getattr(args, "enable_jit_checkpoint", False),
        "resume_from_checkpoint=None, please": args.resume_from_checkpoint is not None,
    }
    for argument in (argument for argument, is_wrong in wrong.items() if is_wrong):
        raise UsageError(
            f"TrainingArguments({argument}: the run keeps the checkpoints, and resumes by itself"
        )
    if args.auto_find_batch_size:
        raise UsageError(
            "TrainingArguments(auto_find_batch_size=True) can't be: it begins anew within a life"
        )
    for callback in trainer.callback_handler.callbacks:
        for kind in type(callback).__mro__:
            if why := _CALLBACKS.get(kind.__name__):
                raise UsageError(f"Trainer(callbacks=[{type(callback).__name__}(...)]) can't be: {why}")
    if trainer.model_init is not None:
        raise UsageError(
            "Trainer(model_init=...) can't be: it makes all members alike. Trainer(model=...), please"
        )
    if trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled or args.world_size != world:
        raise UsageError(
            f"TrainingArguments for {args.world_size} processes, or sharded, can't be: {_SHARDED}"
        )
