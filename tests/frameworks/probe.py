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
from pathlib import Path
from typing import Any

import torch

from pbt_trainer.loop import Advance
from pbt_trainer.run import Run
from pbt_trainer.session.session import Session
from pbt_trainer.session.verdict import Verdict

running = sys.modules["pbt_trainer.run"]
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


COUNTS = {
    "lightning_": lightning_counts,
    "transformers_": transformers_counts,
    "stable_baselines3_": stable_baselines3_counts,
}


def tracked(run: Run, name: str) -> Any:
    assert run._tracked is not None
    return run._tracked._entries[name].value


def rate_of(hp: dict[str, Any]) -> Any:
    return next((hp[name] for name in ("lr", "learning_rate") if name in hp), None)


def note(run: Run, what: str, **more: Any) -> None:
    path = os.environ.get("PROBE_FACTS")
    if not path:
        return
    script = Path(sys.argv[0]).name
    counts = next(found for start, found in COUNTS.items() if script.startswith(start))(run)
    draws = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()
    life = {"member": run.member, "incarnation": run.incarnation, "step": run.step}
    fact = {
        "what": what,
        **life,
        **counts,
        "lr": rate_of(run.hp.peek()),
        "draws": draws,
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
