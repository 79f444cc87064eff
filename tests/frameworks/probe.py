"""What a script's run and its framework count, as facts in a file: one JSON object for each step and each report.

`python probe.py SCRIPT` runs a script with it; `install` does so in this process. Where `PROBE_FACTS` isn't set,
nothing is noted. `PROBE_HOLD` is a JSON list of [member, incarnation, step]: there a process waits for its next birth;
`PROBE_END` likewise: there it gets SIGTERM.
"""

import hashlib
import json
import os
import runpy
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pbt_trainer.loop import Advance
from pbt_trainer.run import Run
from pbt_trainer.session.session import Session
from pbt_trainer.session.verdict import Verdict

running = import_module("pbt_trainer.run")
advance, report, consult = Run.advance, Run.report, running.consult  # type: ignore[attr-defined]


def lightning_counts(run: Run) -> dict[str, Any]:
    """What Lightning says of itself."""
    turns = tracked(run, "loop")
    trainer = turns._trainer
    schedule = trainer.lr_scheduler_configs[0].scheduler if trainer.lr_scheduler_configs else None
    return {
        "counter": trainer.global_step,
        "epoch": trainer.current_epoch,
        "batch": turns.state_dict()["batch"],
        "rate": trainer.optimizers[0].param_groups[0]["lr"],
        "scheduled": schedule and schedule.last_epoch,
    }


def transformers_counts(_: Run) -> dict[str, Any]:
    """What a Trainer says of itself."""
    trainer = caller()._trainer
    return {
        "counter": trainer.state.global_step,
        "epoch": trainer.state.epoch,
        "rate": trainer.optimizer.param_groups[0]["lr"],
        "scheduled": trainer.lr_scheduler.last_epoch,
    }


def stable_baselines3_counts(_: Run) -> dict[str, Any]:
    """What an algorithm says of itself."""
    member = caller()
    model, buffers = member.model, {}
    for name in ("rollout_buffer", "replay_buffer"):
        if getattr(model, name, None) is not None:
            buffers[name] = getattr(model, name)
    optimizer = getattr(model, "critic", model.policy).optimizer
    return {
        "counter": model.num_timesteps / member._per_step,
        "rate": optimizer.param_groups[0]["lr"],
        "gammas": [model.gamma, *(each.gamma for name, each in buffers.items() if name == "rollout_buffer")],
        "stored": [each.size() for name, each in buffers.items() if name == "replay_buffer"],
        "starts": getattr(model, "learning_starts", 0),
        "returns": member._window.values(),
    }


def caller() -> Any:
    """The member whose turn it is: it has called the run."""
    frame = sys._getframe()
    while type(frame.f_locals.get("self")).__name__ != "_Member":
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_locals["self"]


def torch_counts(run: Run) -> dict[str, Any]:
    """Epochs by the updates that the schedule has counted."""
    schedule = tracked(run, "schedule")
    return {"counter": schedule.last_epoch / 4, "rate": schedule.optimizer.param_groups[0]["lr"]}


def ppo_counts(run: Run) -> dict[str, Any]:
    """Iterations by Adam's own count: 2 epochs of 4 minibatches each."""
    optimizer = tracked(run, "optimizer")
    steps = {int(state["step"]) for state in optimizer.state.values()} or {0}
    (counted,) = steps
    rate = optimizer.param_groups[0]["lr"]
    return {"counter": counted / 8, "rate": rate, "returns": tracked(run, "returns").values()}


def ddp_counts(run: Run) -> dict[str, Any]:
    """Epochs as the schedule counts them."""
    schedule = tracked(run, "schedule")
    return {"counter": schedule.last_epoch, "rate": schedule.optimizer.param_groups[0]["lr"]}


def jax_counts(_: Run) -> dict[str, Any]:
    """Updates as the optimizer of nnx counts them."""
    jax, script = sys.modules["jax"], script_locals()
    optimizer = script["net"].optimizer
    key = str(jax.random.key_data(script["key"])) if "key" in script else None
    rate = float(optimizer.opt_state.hyperparams["learning_rate"][...])
    return {"counter": int(optimizer.step[...]), "rate": rate, "draws": key}


def xgboost_counts(_: Run) -> dict[str, Any]:
    """Rounds that the booster has, and what it is set to."""
    booster = script_locals()["booster"]
    learner = json.loads(booster.save_config())["learner"]
    rate = float(learner["gradient_booster"]["tree_train_param"]["eta"])
    seed = learner["generic_param"]["seed"]
    return {"counter": booster.num_boosted_rounds(), "rate": rate, "draws": seed}


def lightgbm_counts(_: Run) -> dict[str, Any]:
    """Rounds that the booster has, and what the newest was trained with."""
    booster = script_locals()["booster"]
    if booster is None:
        return {"draws": None}
    given = booster.params
    return {
        "counter": booster.current_iteration(),
        "rate": given.get("learning_rate"),
        "draws": given.get("seed"),
    }


def sklearn_counts(_: Run) -> dict[str, Any]:
    """Batches by the samples that the model has counted, and the rate that they lead to."""
    model = script_locals()["model"]
    seen = getattr(model, "t_", 1.0)
    draws = hashlib.sha256(np.random.get_state()[1].tobytes()).hexdigest()  # type: ignore[index]
    return {"counter": (seen - 1) / 64, "rate": model.eta0 / seen**model.power_t, "draws": draws}


def script_locals() -> dict[str, Any]:
    """The variables of the script's function that has called the run."""
    frame = sys._getframe()
    while frame.f_code.co_filename != sys.argv[0]:
        assert frame.f_back is not None
        frame = frame.f_back
    return frame.f_locals


COUNTS = {
    "torch_": torch_counts,
    "ppo_": ppo_counts,
    "ddp_": ddp_counts,
    "jax_": jax_counts,
    "xgboost_": xgboost_counts,
    "lightgbm_": lightgbm_counts,
    "sklearn_": sklearn_counts,
    "lightning_": lightning_counts,
    "transformers_": transformers_counts,
    "stable_baselines3_": stable_baselines3_counts,
}


def tracked(run: Run, name: str) -> Any:
    assert run._tracked is not None
    return run._tracked._entries[name].value


def rate_of(hp: dict[str, Any]) -> Any:
    return next((hp[name] for name in ("lr", "learning_rate", "eta", "eta0") if name in hp), None)


def note(run: Run, what: str, **more: Any) -> None:
    path = os.environ.get("PROBE_FACTS")
    if not path:
        return
    script = Path(sys.argv[0]).name
    counts = next(found for start, found in COUNTS.items() if script.startswith(start))(run)
    draws = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
    life = {"member": run.member, "incarnation": run.incarnation, "step": run.step, "rank": run.rank}
    if what not in {"done", "report"} and "draws" in counts:
        counts["draws"] = None  # the script sets its seed within a step
    fact = {
        "what": what,
        **life,
        "lr": rate_of(run.hp.peek()),
        "draws": draws,
        **counts,
        "pid": os.getpid(),
        **more,
    }
    with Path(path).open("a") as file:
        file.write(json.dumps(fact) + "\n")


def listed(variable: str) -> list[list[int]]:
    found: list[list[int]] = json.loads(os.environ.get(variable, "[]"))
    return found


def noted_advance(self: Run) -> Advance:
    if [self.member, self.incarnation, self.step] in listed("PROBE_END"):
        os.kill(os.getpid(), signal.SIGTERM)
    if self.step > self._start_step:
        note(self, "done")
    begins = not self.hp.looping
    answer = advance(self)
    if begins or answer is Advance.SWAPPED:
        note(self, "began" if begins else "swapped")
    return answer


def noted_report(self: Run, metrics: Any, **more: Any) -> None:
    counts = {name: value for name, value in metrics.items() if isinstance(value, int)}
    note(self, "report", metrics=sorted(metrics), reported=counts)
    report(self, metrics, **more)


def held(member: Session, *, step: int, **named: Any) -> Verdict:
    if [member.birth.member, member.birth.incarnation, step] in listed("PROBE_HOLD"):
        member.link.await_offer()
    verdict: Verdict = consult(member, step=step, **named)
    return verdict


def install() -> None:
    """From here on the process notes what it does."""
    torch.set_num_threads(1)
    Run.advance = noted_advance  # type: ignore[method-assign]
    Run.report = noted_report  # type: ignore[method-assign]
    running.consult = held  # type: ignore[attr-defined]


if __name__ == "__main__":
    install()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
