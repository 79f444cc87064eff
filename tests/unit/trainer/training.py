"""Tiny training runs that the tests of the state side share."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.optim import lr_scheduler as schedules

from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked
from pbt_trainer.state.tracked_object import kind_of

torch.set_num_threads(1)

Objects = dict[str, Any]
Build = Callable[[Mapping[str, Any]], Objects]
_live: Objects = {}


def kept(name: str, make: Callable[[], Any]) -> Any:
    """What lies outside of a script's build function: made once, and there when the function is called again."""
    return _live[name] if name in _live else make()


@contextmanager
def building_again(objects: Objects) -> Iterator[None]:
    """Within it `kept` gives these objects."""
    _live.update(objects)
    try:
        yield
    finally:
        _live.clear()


class Net(torch.nn.Module):
    """Two layers, dropout that draws random numbers, and an output tied to the input layer."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.first = torch.nn.Linear(4, width)
        self.drop = torch.nn.Dropout(0.2)
        self.norm = torch.nn.BatchNorm1d(width)
        self.last = torch.nn.Linear(width, 4)
        self.tied = torch.nn.Linear(4, width)
        self.tied.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.drop(torch.tanh(self.first(x) + self.tied(x)))))


def groups(model: Net, lr: float, **options: Any) -> list[dict[str, Any]]:
    """Two param groups: the second with a tenth of the learning rate, and without weight decay."""
    second = {"lr": lr * 0.1} | ({"weight_decay": 0.0} if "weight_decay" in options else {})
    return [
        {
            "params": [*model.first.parameters(), *model.norm.parameters(), model.tied.bias],
            "lr": lr,
            **options,
        },
        {"params": list(model.last.parameters()), **options, **second},
    ]


def sgd(hp: Mapping[str, Any]) -> Objects:
    model = kept("model", Net)
    options = {"momentum": hp.get("momentum", 0.9), "weight_decay": hp.get("weight_decay", 0.0)}
    return {"model": model, "optimizer": torch.optim.SGD(groups(model, hp["lr"], **options), lr=hp["lr"])}


def adam(hp: Mapping[str, Any]) -> Objects:
    model = kept("model", Net)
    return {"model": model, "optimizer": torch.optim.Adam(model.parameters(), lr=hp["lr"])}


def adamw(hp: Mapping[str, Any]) -> Objects:
    model = kept("model", Net)
    parts = groups(model, hp["lr"], weight_decay=hp.get("weight_decay", 0.01))
    return {"model": model, "optimizer": torch.optim.AdamW(parts, lr=hp["lr"])}


def scheduled(base: Build, make: Callable[[torch.optim.Optimizer, Mapping[str, Any]], Any]) -> Build:
    """The objects of `base` and a scheduler."""

    def build(hp: Mapping[str, Any]) -> Objects:
        objects = base(hp)
        return objects | {"scheduler": make(objects["optimizer"], hp)}

    return build


def scaled(hp: Mapping[str, Any]) -> Objects:
    scaler = kept("scaler", lambda: torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3))
    return adam(hp) | {"scaler": scaler}


def averaged(hp: Mapping[str, Any]) -> Objects:
    objects = adam(hp)
    average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    make = functools.partial(torch.optim.swa_utils.AveragedModel, objects["model"], multi_avg_fn=average)
    return objects | {"ema": kept("ema", make)}


def _warm_up(optimizer: torch.optim.Optimizer, _hp: Mapping[str, Any]) -> Any:
    parts = [
        schedules.LinearLR(optimizer, start_factor=0.1, total_iters=4),
        schedules.CosineAnnealingLR(optimizer, T_max=30),
    ]
    return schedules.SequentialLR(optimizer, parts, milestones=[4])


def _one_cycle(optimizer: torch.optim.Optimizer, hp: Mapping[str, Any]) -> Any:
    return schedules.OneCycleLR(optimizer, max_lr=[hp["lr"], hp["lr"] * 0.1], total_steps=40)


def _chained(optimizer: torch.optim.Optimizer, _hp: Mapping[str, Any]) -> Any:
    parts = [schedules.ConstantLR(optimizer, 0.5, total_iters=9), schedules.ExponentialLR(optimizer, 0.97)]
    return schedules.ChainedScheduler(parts)


SCHEDULED: dict[str, Build] = {
    "multi-step": scheduled(sgd, lambda opt, _hp: schedules.MultiStepLR(opt, [3, 9, 15, 20], gamma=0.5)),
    "cosine": scheduled(adamw, lambda opt, _hp: schedules.CosineAnnealingLR(opt, T_max=40)),
    "one-cycle": scheduled(sgd, _one_cycle),
    "one-cycle-adam": scheduled(adamw, _one_cycle),
    "warm-up": scheduled(adamw, _warm_up),
    "chained": scheduled(sgd, _chained),
    "restarts": scheduled(sgd, lambda opt, _hp: schedules.CosineAnnealingWarmRestarts(opt, T_0=5)),
    "lambda": scheduled(sgd, lambda opt, _hp: schedules.LambdaLR(opt, lambda step: min(1.0, step / 25))),
    "cyclic": scheduled(
        sgd,
        lambda opt, hp: schedules.CyclicLR(
            opt, [hp["lr"] / 4, hp["lr"] / 40], [hp["lr"], hp["lr"] / 10], step_size_up=5
        ),
    ),
}
PLATEAU: Build = scheduled(
    sgd, lambda opt, _hp: schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1, threshold=0.5)
)
ALL: dict[str, Build] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
    "scaler": scaled,
    "ema": averaged,
    "plateau": PLATEAU,
    **SCHEDULED,
}


def train(objects: Objects, steps: int) -> list[list[float]]:
    """Trains on random numbers; returns the learning rates in use, by step and group."""
    model, optimizer = objects["model"], objects["optimizer"]
    scheduler, scaler, ema = (objects.get(name) for name in ("scheduler", "scaler", "ema"))
    rates = []
    for _ in range(steps):
        rates.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.zero_grad()
        loss = (model(torch.randn(8, 4)) - 1.0).square().mean()
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        if isinstance(scheduler, schedules.ReduceLROnPlateau):
            scheduler.step(loss.item())
        elif scheduler is not None:
            scheduler.step()
        if ema is not None:
            ema.update_parameters(model)
    return rates


class Member:
    """The objects of one build, tracked, with a staging of their own.

    Args:
        build: makes them; it takes from `kept` what isn't made again for a takeover in place.
        hp: that it reads.
        seed: of the random generators while it does.
        rebuilds: whether the script has the optimizers and schedulers built by a function, so that they can be made
            again.
        total_steps: that the run has.
    """

    def __init__(
        self,
        build: Build,
        hp: Mapping[str, Any],
        *,
        seed: int,
        rebuilds: bool = True,
        total_steps: int = 40,
    ) -> None:
        torch.manual_seed(seed)
        self.build, self.rebuilds = build, rebuilds
        self.hp = dict(hp)
        self.objects = build(hp)
        self.tracked = Tracked(total_steps=total_steps)
        self.staging = Staging.create()
        for name, value in self.objects.items():
            self.tracked.add(name, value, built=rebuilds and _is_built(value))

    def built_again(self) -> Objects:
        """What the build function returns when it is called once more."""
        if not self.rebuilds:
            return {}
        with building_again({name: item for name, item in self.objects.items() if not _is_built(item)}):
            return {name: value for name, value in self.build(self.hp).items() if _is_built(value)}

    def train(self, steps: int) -> list[list[float]]:
        return train(self.objects, steps)

    def bytes(self) -> tuple[bytes, bytes]:
        """All of the state, random generators included."""
        captured = self.tracked.capture(self.staging)
        with open(f"/proc/self/fd/{self.staging.fd}", "rb") as file:  # noqa: PTH123
            return captured.tree, file.read(captured.num_bytes)

    def save(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        tree, tensors = self.bytes()
        (folder / "state.json").write_bytes(tree)
        if tensors:
            (folder / "state.safetensors").write_bytes(tensors)
        return folder

    def resume(self, folder: Path, *, in_place: bool = False) -> list[str]:
        return self._restore(folder, exploit=False, random_state="restore", in_place=in_place)

    def exploit(self, folder: Path, now: Mapping[str, Any], *, in_place: bool, seed: int = 5) -> list[str]:
        self.hp = dict(now)
        return self._restore(folder, exploit=True, random_state=(7, seed, 0, 0), in_place=in_place)

    def _restore(self, folder: Path, *, exploit: bool, random_state: Any, in_place: bool) -> list[str]:
        if not in_place:
            return self.tracked.restore(folder, exploit=exploit, random_state=random_state)
        plan = self.tracked.plan(folder, exploit=exploit, rebuilt=self.built_again())
        plan.apply(random_state)
        return plan.notes

    @property
    def groups(self) -> list[dict[str, Any]]:
        return self.objects["optimizer"].param_groups


def _is_built(value: Any) -> bool:
    return kind_of(value) in {"optimizer", "scheduler"}
