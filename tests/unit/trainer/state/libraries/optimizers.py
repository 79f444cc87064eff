"""Every optimizer of some libraries: a resume is torch's own reload, an exploit brings the options that were built.

Each trains a small network, is saved after `BEFORE` steps, and is taken over in three ways: by torch's own
`load_state_dict`, by a resume, and by an exploit with other hyperparameters, in a new process and in place. What is
found is the table of docs/optimizers.md, which `make optimizers` writes.
"""

import copy
import inspect
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import bitsandbytes
import numpy as np
import prodigyopt
import pytest
import pytorch_optimizer
import schedulefree
import torch
from transformers.optimization import Adafactor

from pbt_contract.errors import StateError
from pbt_trainer.state.optimizer_options import options, snapshot
from unit.trainer.training import Member, kept

PAGE = Path(__file__).parents[5] / "docs" / "optimizers.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
BEFORE, AFTER = 12, 5
DONOR: dict[str, Any] = {"lr": 0.01, "max_lr": 0.01, "weight_decay": 0.01, "momentum": 0.9, "factor": 1.0}
NOW: dict[str, Any] = {"lr": 0.02, "max_lr": 0.02, "weight_decay": 0.03, "momentum": 0.8, "factor": 0.9}
"""The hyperparameters; `factor` multiplies the first of the default betas."""

Hyperparameters = Mapping[str, Any]
Make = Callable[[torch.nn.Module, Hyperparameters], Any]


class Case(NamedTuple):
    """One optimizer."""

    library: str
    name: str
    make: Make


class Found(NamedTuple):
    """What became of it.

    Attributes:
        reload: the greatest difference of a parameter between torch's own reload and the run that went on.
        resume: between the resume and torch's own reload.
        exploit: whether each option that the two scripts built differently is the newborn's, and each other one the
            donor's.
        lost: between a run that went on without the optimizer's state and torch's own reload.
        in_place: whether a takeover in place ended in the same bits as that of a new process; None where it is refused,
            and the process starts anew.
    """

    reload: float
    resume: float
    exploit: bool
    in_place: bool | None
    lost: float


# what is compared


def arguments(kind: Any, hp: Hyperparameters) -> dict[str, Any]:
    """Those of the hyperparameters that a class takes."""
    known = inspect.signature(kind.__init__).parameters
    taken = {name: hp[name] for name in ("lr", "max_lr", "weight_decay", "momentum") if name in known}
    if "betas" in known:
        default = known["betas"].default
        default = (0.9, 0.999) if default in {None, inspect.Parameter.empty} else default
        taken["betas"] = (default[0] * hp["factor"], *default[1:])
    if "min_8bit_size" in known:  # bitsandbytes: smaller tensors have 32 bits
        taken["min_8bit_size"] = 0
    if "relative_step" in known:  # Adafactor of transformers: its own schedule excludes a rate
        taken |= {"relative_step": False, "scale_parameter": False}
        taken.pop("momentum", None)
    return taken


def plain(kind: Any, **fixed: Any) -> Make:
    def make(net: torch.nn.Module, hp: Hyperparameters) -> Any:
        first = net if next(iter(inspect.signature(kind).parameters)) == "model" else parameters(net, kind)
        return kind(first, **{**arguments(kind, hp), **fixed})

    return make


def parameters(net: torch.nn.Module, kind: Any) -> list[Any]:
    """As the class wants them: all, matrices only, or matrices apart from the others."""
    matrices = [each for each in net.parameters() if each.ndim == 2]
    if kind is torch.optim.Muon or kind.__name__ == "SpectralSphere":
        return matrices
    if kind.__name__ in {"AdaGO", "AdaMuon", "Muon", "MuonClip", "NorMuon"}:
        others = [each for each in net.parameters() if each.ndim != 2]
        return [{"params": matrices, "use_muon": True}, {"params": others, "use_muon": False}]
    return list(net.parameters())


def wrapped(kind: Any, inner: Any = torch.optim.AdamW, **fixed: Any) -> Make:
    return lambda net, hp: kind(
        inner(net.parameters(), lr=hp["lr"], weight_decay=hp["weight_decay"]), **fixed
    )


def perturbing(kind: Any, **fixed: Any) -> Make:
    def make(net: torch.nn.Module, hp: Hyperparameters) -> Any:
        model = (net,) if next(iter(inspect.signature(kind).parameters)) == "model" else ()
        inner = {"base_optimizer": torch.optim.SGD, "lr": hp["lr"], "momentum": hp["momentum"]}
        return kind(*model, net.parameters(), **inner, **fixed)

    return make


FIXED: dict[str, dict[str, Any]] = {
    "BSAM": {"num_data": 64},
    "DAdaptLion": {"d0": 10.0},  # with less no sign changes in so few steps
    "Ranger21": {"num_iterations": 100},
}
LEFT_OUT = {
    "LOMO": "it steps inside of backward and has no state",
    "AdaLOMO": "it steps inside of backward",
    "DistributedMuon": "it needs several processes",
    "DeMo": "it needs several processes",
    "AdEMAMix32bit": "it takes no matrices on a CPU",
    "PagedAdEMAMix32bit": "it takes no matrices on a CPU",
    "Conda": "refused: its state holds an object of its own (`GaLoreProjector`)",
    "ScalableShampoo": "refused: its state holds an object of its own (`PreConditioner`)",
}
"""What can't be compared here, and why."""


def cases() -> Iterator[Case]:
    """All of them, by library."""
    for name, kind in optimizers_in(torch.optim):
        yield Case("torch", name, plain(kind))
    yield from of_pytorch_optimizer()
    for name, kind in optimizers_in(schedulefree):
        yield Case("schedulefree", name, plain(kind))
    yield Case(
        "schedulefree", "ScheduleFreeWrapper(SGD)", wrapped(schedulefree.ScheduleFreeWrapper, torch.optim.SGD)
    )
    yield Case("prodigyopt", "Prodigy", plain(prodigyopt.Prodigy))
    yield Case("transformers", "Adafactor", plain(Adafactor))
    for name, kind in optimizers_in(bitsandbytes.optim):
        yield Case("bitsandbytes", name, plain(kind))


def of_pytorch_optimizer() -> Iterator[Case]:
    found = {pytorch_optimizer.load_optimizer(name) for name in pytorch_optimizer.get_supported_optimizers()}
    for kind in sorted(found, key=lambda kind: kind.__name__):
        if not kind.__module__.startswith("torch."):
            make = wrapped(kind) if kind.__name__ == "Magma" else plain(kind, **FIXED.get(kind.__name__, {}))
            yield Case("pytorch-optimizer", kind.__name__, make)
    for name in ("Lookahead", "OrthoGrad", "ScheduleFreeWrapper", "TRAC"):
        yield Case("pytorch-optimizer", f"{name}(AdamW)", wrapped(getattr(pytorch_optimizer, name)))
    for name in ("FriendlySAM", "LookSAM", "SAM", "WSAM"):
        yield Case("pytorch-optimizer", f"{name}(SGD)", perturbing(getattr(pytorch_optimizer, name)))


def optimizers_in(module: Any) -> Iterator[tuple[str, Any]]:
    for name, kind in sorted(vars(module).items()):
        if (
            isinstance(kind, type)
            and issubclass(kind, torch.optim.Optimizer)
            and kind is not torch.optim.Optimizer
        ):
            yield name, kind


CASES = [case for case in cases() if case.name not in LEFT_OUT]
STATELESS = {"Fromage", "ROSE", "SCIONLight", "SaRA"}
"""Those that keep nothing from step to step."""


# how it is compared


class Table(torch.nn.Module):
    """Its gradients are sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = torch.nn.Embedding(10, 4, sparse=True)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.rows((inputs[:, 0].abs() * 3).long() % 10)


def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 4))


def building(case: Case) -> Callable[[Hyperparameters], dict[str, Any]]:
    def build(hp: Hyperparameters) -> dict[str, Any]:
        net = kept("model", Table if case.name == "SparseAdam" else network)
        return {"model": net, "optimizer": case.make(net, hp)}

    return build


def train(objects: Mapping[str, Any], steps: int, *, seed: int) -> None:
    """Steps on data that the seed draws; as each optimizer wants them."""
    for draw in (random.seed, np.random.seed, torch.manual_seed):
        draw(seed)
    net, optimizer = objects["model"], objects["optimizer"]
    data = torch.Generator().manual_seed(seed)
    second_order = type(optimizer).__name__ in {"AdaHessian", "SophiaH"}
    switch = getattr(optimizer, "train", None)
    if callable(switch):
        switch()
    for _ in range(steps):
        inputs = torch.randn(16, 6, generator=data)

        def closure(inputs: torch.Tensor = inputs) -> torch.Tensor:
            with torch.enable_grad():
                optimizer.zero_grad()
                loss = (net(inputs) - inputs.sum(dim=1, keepdim=True)).square().mean()
                loss.backward(create_graph=second_order)
            return loss

        closure()
        optimizer.step(closure)
    switch = getattr(optimizer, "eval", None)  # as a script does that evaluates before it reports
    if callable(switch):
        switch()


def values(objects: Mapping[str, Any]) -> list[torch.Tensor]:
    return [each.detach().clone() for each in objects["model"].parameters()]


def apart(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    """The greatest difference; NaN where bits differ that no difference tells."""
    if all(torch.equal(one, two) for one, two in zip(a, b, strict=True)):
        return 0.0
    return max(float((one - two).abs().max()) for one, two in zip(a, b, strict=True))


def groups(optimizer: Any) -> list[dict[str, Any]]:
    return [snapshot(options(group)) for group in optimizer.param_groups]


def as_expected(member: Member, saved: list[dict[str, Any]], theirs: Any, mine: Any) -> bool:
    """Whether each option is the newborn's where the two scripts differ, the donor's elsewhere."""
    for found, current, donor, newborn in zip(
        groups(member.objects["optimizer"]), saved, theirs, mine, strict=True
    ):
        expected = current | {key: value for key, value in newborn.items() if donor.get(key, value) != value}
        if (
            "lr" in newborn and donor["lr"] and current["lr"] != donor["lr"]
        ):  # the optimizer itself anneals it
            expected["lr"] = current["lr"] * (newborn["lr"] / donor["lr"])
        if any(found[key] != value for key, value in expected.items()):
            return False
    return True


def compare(case: Case, folder: Path) -> Found:
    build = building(case)
    donor = Member(build, DONOR, seed=1)
    theirs = groups(donor.objects["optimizer"])
    train(donor.objects, BEFORE, seed=0)
    donor.save(folder)
    saved = groups(donor.objects["optimizer"])
    states = copy.deepcopy({name: value.state_dict() for name, value in donor.objects.items()})
    torch.manual_seed(2)
    reloaded = build(DONOR)
    for name, state in states.items():
        reloaded[name].load_state_dict(state)
    resumed = Member(build, DONOR, seed=2)
    assert resumed.resume(folder) == []
    newborn = Member(build, NOW, seed=3)
    mine = groups(newborn.objects["optimizer"])
    newborn.exploit(folder, NOW, in_place=False)
    exploit = as_expected(newborn, saved, theirs, mine)
    forgetful = build(DONOR)
    forgetful["model"].load_state_dict(states["model"])
    for objects in (donor.objects, reloaded, resumed.objects, newborn.objects, forgetful):
        train(objects, AFTER, seed=4)
    return Found(
        apart(values(donor.objects), values(reloaded)),
        apart(values(resumed.objects), values(reloaded)),
        exploit,
        in_place(case, folder, newborn),
        apart(values(forgetful), values(reloaded)),
    )


def in_place(case: Case, folder: Path, fresh: Member) -> bool | None:
    loser = Member(building(case), NOW | {"lr": 0.05, "factor": 0.95}, seed=3)
    train(loser.objects, 3, seed=5)
    try:
        loser.exploit(folder, NOW, in_place=True)
    except StateError:
        return None
    train(loser.objects, AFTER, seed=4)
    return apart(values(loser.objects), values(fresh.objects)) == 0.0


@cache
def found(case: Case) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        return compare(case, Path(folder))


def lines() -> str:
    """The table: a row for each library, and what was left out."""
    rows = [
        "| library | version | optimizers | resume | exploit | in place |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for library in dict.fromkeys(case.library for case in CASES):
        own = [case for case in CASES if case.library == library]
        results = [found(case) for case in own]
        resume = f"{max(max(each.resume, each.reload) for each in results):g}"
        exploit, in_place = (
            f"{sum(column)} of {len(own)}" for column in list(zip(*results, strict=True))[2:4]
        )
        names = ", ".join(case.name for case in own)
        number = version(library).partition("+")[0]
        rows.append(f"| {library} | {number} | {len(own)}: {names} | {resume} | {exploit} | {in_place} |")
    rows += ["", "Not compared:", "", "| optimizer | why |", "| --- | --- |"]
    rows += [f"| {name} | {why} |" for name, why in sorted(LEFT_OUT.items())]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.library}-{case.name}")
def test_a_restore_is_exact(case: Case) -> None:
    result = found(case)
    assert result.resume == result.reload == 0.0
    assert result.exploit
    assert result.in_place


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.library}-{case.name}")
def test_the_comparison_would_notice_a_state_that_is_lost(case: Case) -> None:
    assert (found(case).lost > 0) == (case.name not in STATELESS)


def test_every_optimizer_that_is_left_out_exists() -> None:
    assert {case.name for case in cases()} >= set(LEFT_OUT)


def test_the_page_has_what_was_found() -> None:
    assert PAGE.read_text().partition(BEGIN)[2].partition(END)[0] == lines()


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + lines() + END + rest.partition(END)[2])
