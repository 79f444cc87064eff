"""Training scripts drawn from a seed: what they build, with constants and with what follows from hyperparameters."""

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch.optim import lr_scheduler as schedules

from unit.trainer.own_optimizers import Counting, Sharpened, Slow
from unit.trainer.training import Objects, kept

Hyperparameters = dict[str, Any]
Number = Callable[[Mapping[str, Any]], float]


class Draw:
    """Numbers, each a constant or what follows from a hyperparameter in one of many ways."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def number(self, low: float, high: float) -> Number:
        """Within the bounds, whatever the hyperparameters are; these lie in 0..1."""
        random = self.random
        name, constant = random.choice("abc"), random.random()
        ways: list[Number] = [
            lambda _hp: constant,
            lambda hp: hp[name],
            lambda hp: hp[name] * constant,
            lambda hp: 1 - hp[name],
            lambda hp: hp[name] ** 0.5,
            lambda hp: min(hp[name], constant),
            lambda hp: max(hp[name], constant),
            lambda hp: hp[name] * hp["b"],
            lambda _hp: 0.0 if constant < 0.5 else 1.0,
        ]
        way = random.choice(ways)
        return lambda hp: low + (high - low) * way(hp)

    def whole(self, low: int, high: int) -> Callable[[Mapping[str, Any]], int]:
        if self.random.random() < 0.5:
            return lambda hp: max(low, min(high, hp["n"]))
        constant = self.random.randint(low, high)
        return lambda _hp: constant


def networks(random: Random) -> dict[str, Callable[[], torch.nn.Module]]:
    def of(width: int) -> Callable[[], torch.nn.Module]:
        return lambda: torch.nn.Sequential(
            torch.nn.Linear(3, width), torch.nn.Tanh(), torch.nn.Dropout(0.1), torch.nn.Linear(width, 2)
        )

    return {f"net{number}": of(random.randint(2, 4)) for number in range(random.choice([1, 1, 2]))}


Options = Callable[[Mapping[str, Any]], dict[str, Any]]


def _options(draw: Draw, **numbers: tuple[float, float]) -> Options:
    drawn = {name: draw.number(*bounds) for name, bounds in numbers.items() if draw.random.random() < 0.7}
    return lambda hp: {name: number(hp) for name, number in drawn.items()}


def _betas(draw: Draw) -> Options:
    first, second = draw.number(0.5, 0.95), draw.number(0.9, 0.999)
    return lambda hp: {"betas": (first(hp), second(hp))}


def _with(*parts: Options) -> Options:
    return lambda hp: {key: value for part in parts for key, value in part(hp).items()}


def _implementation(random: Random, *, fused: bool) -> Options:
    """Flags that depend on the machine, not on hyperparameters: `machine` stands for it."""
    choices: list[dict[str, Any]] = [{}, {"foreach": False}, {"foreach": True}, *[{"fused": True}] * fused]
    first = random.randrange(len(choices))
    return lambda hp: choices[(first + hp.get("machine", 0)) % len(choices)]


def optimizer(draw: Draw) -> tuple[str, Callable[[Any, Mapping[str, Any]], Any]]:
    """The name of a class, and what makes one of groups and hyperparameters."""
    random = draw.random
    decay = _options(draw, weight_decay=(0, 0.1))
    momentum = _options(draw, momentum=(0, 0.95))
    flags, fusing = _implementation(random, fused=False), _implementation(random, fused=True)
    lr = draw.number(1e-4, 0.05)
    kinds: dict[str, tuple[Any, Options]] = {
        "SGD": (torch.optim.SGD, _with(decay, momentum, fusing)),
        "Adam": (torch.optim.Adam, _with(decay, _betas(draw), fusing)),
        "AdamW": (torch.optim.AdamW, _with(decay, lambda _hp: {"amsgrad": True}, flags)),
        "RMSprop": (torch.optim.RMSprop, _with(decay, momentum, _options(draw, alpha=(0.9, 0.99)), flags)),
        "Adagrad": (torch.optim.Adagrad, _with(decay, _options(draw, lr_decay=(0, 0.1)))),
        "Adadelta": (torch.optim.Adadelta, _with(decay, _options(draw, rho=(0.5, 0.95)), flags)),
        "Adamax": (torch.optim.Adamax, _with(decay, _betas(draw))),
        "NAdam": (torch.optim.NAdam, _with(decay, _options(draw, momentum_decay=(1e-3, 1e-2)))),
        "RAdam": (torch.optim.RAdam, decay),
        "ASGD": (torch.optim.ASGD, _with(_options(draw, alpha=(0.5, 0.9)))),
        "Rprop": (torch.optim.Rprop, lambda _hp: {}),
        "Adafactor": (torch.optim.Adafactor, decay),
        "Counting": (Counting, _with(decay)),
        "Sharpened": (Sharpened, _with(decay, _decay(draw))),
    }
    name = random.choice([*kinds, "SGD", "Adam", "AdamW"])
    kind, of = kinds[name]
    tensor = name in {"SGD", "Adam"} and random.random() < 0.15
    pull, around = draw.number(0.2, 0.8), random.choice([True, False])
    wrapped = random.random() < 0.15 and not tensor

    def make(groups: Any, hp: Mapping[str, Any]) -> Any:
        options = {**of(hp), "lr": lr(hp)}
        if tensor:
            options |= {"lr": torch.tensor(options["lr"]), "foreach": False, "fused": False}
        made = kind(groups, **options)
        return Slow(made, pull=pull(hp), around=around) if wrapped else made

    return f"Slow({name})" if wrapped else name, make


def _decay(draw: Draw) -> Options:
    number = draw.number(0, 1)
    return lambda hp: {"decay": number(hp)}


def grouped(draw: Draw, nets: list[str]) -> Callable[[Objects, Mapping[str, Any]], list[dict[str, Any]]]:
    """Param groups over whole layers, some with options of their own."""
    random = draw.random
    layers = [(net, layer) for net in nets for layer in (0, 3)]
    random.shuffle(layers)
    cut = random.choice([0, 0, 1])
    parts = [layers[:cut], layers[cut:]] if cut else [layers]
    own = [_options(draw, lr=(1e-4, 0.05)) if random.random() < 0.4 else lambda _hp: {} for _ in parts]
    named = random.random() < 0.2

    def groups(objects: Objects, hp: Mapping[str, Any]) -> list[dict[str, Any]]:
        found = []
        for part, of in zip(parts, own, strict=True):
            params = [
                (f"{net}.{layer}.{name}", each)
                for net, layer in part
                for name, each in objects[net][layer].named_parameters()
            ]
            found.append({"params": params if named else [each for _, each in params], **of(hp)})
        return found

    return groups


Schedule = Callable[[Any, Mapping[str, Any]], Any]


def simple(draw: Draw) -> tuple[str, Schedule]:
    """A schedule that may stand in a chain."""
    whole, number = draw.whole, draw.number
    few, some, share, factor = whole(1, 6), whole(4, 20), number(0.1, 1.0), number(0.8, 0.99)
    floor = number(0, 1e-4)
    ways: dict[str, Schedule] = {
        "LambdaLR": lambda opt, hp: schedules.LambdaLR(opt, _warm(few(hp), share(hp))),
        "MultiplicativeLR": lambda opt, hp: schedules.MultiplicativeLR(opt, _warm(few(hp), factor(hp))),
        "StepLR": lambda opt, hp: schedules.StepLR(opt, few(hp), gamma=factor(hp)),
        "MultiStepLR": lambda opt, hp: schedules.MultiStepLR(opt, [few(hp), some(hp)], gamma=share(hp)),
        "ConstantLR": lambda opt, hp: schedules.ConstantLR(opt, share(hp), few(hp)),
        "LinearLR": lambda opt, hp: schedules.LinearLR(opt, share(hp), 1.0, some(hp)),
        "ExponentialLR": lambda opt, hp: schedules.ExponentialLR(opt, factor(hp)),
        "CosineAnnealingLR": lambda opt, hp: schedules.CosineAnnealingLR(opt, some(hp), eta_min=floor(hp)),
        "PolynomialLR": lambda opt, hp: schedules.PolynomialLR(opt, some(hp), power=1 + share(hp)),
        "CosineAnnealingWarmRestarts": lambda opt, hp: schedules.CosineAnnealingWarmRestarts(opt, few(hp), 2),
    }
    name = draw.random.choice(list(ways))
    return name, ways[name]


def _warm(steps: int, share: float) -> Callable[[int], float]:
    return lambda step: share + (1 - share) * min(1.0, (step + 1) / (steps + 1))


def schedule(draw: Draw, *, momentum: bool) -> tuple[str, Schedule]:
    """Any schedule of torch, or a chain of them."""
    random = draw.random
    parts = [simple(draw) for _ in range(random.choice([2, 2, 3]))]
    few, top, share = draw.whole(2, 9), draw.number(0.01, 0.1), draw.number(0.2, 0.9)
    names = "+".join(name for name, _ in parts)

    def sequential(opt: Any, hp: Mapping[str, Any]) -> Any:
        marks = [few(hp) * (number + 1) for number in range(len(parts) - 1)]
        return schedules.SequentialLR(opt, [make(opt, hp) for _, make in parts], marks)

    ways: dict[str, Schedule] = {
        f"Sequential({names})": sequential,
        f"Chained({names})": lambda opt, hp: schedules.ChainedScheduler([make(opt, hp) for _, make in parts]),
        "OneCycleLR": lambda opt, hp: schedules.OneCycleLR(
            opt, top(hp), total_steps=60 + few(hp), cycle_momentum=momentum
        ),
        "CyclicLR": lambda opt, hp: schedules.CyclicLR(
            opt, 1e-3, top(hp), step_size_up=few(hp), cycle_momentum=momentum, mode="triangular2"
        ),
        "ReduceLROnPlateau": lambda opt, hp: schedules.ReduceLROnPlateau(
            opt, factor=share(hp), patience=few(hp) % 3, threshold=0.3
        ),
    }
    name, make = simple(draw)
    chosen = random.choice([name, name, name, *ways])
    return chosen, {name: make, **ways}[chosen]


@dataclass(frozen=True)
class Script:
    """What a script builds and how it trains.

    Attributes:
        kinds: the classes in it, for people.
        build: makes the tracked objects.
        every: after how many steps each schedule steps, by name.
        schedules: of each optimizer, by name.
        by_hand: the optimizers without a schedule whose rates the loop lowers itself.
    """

    seed: int
    kinds: str
    build: Callable[[Mapping[str, Any]], Objects]
    every: Mapping[str, int]
    schedules: Mapping[str, list[str]]
    by_hand: frozenset[str]


def script(seed: int) -> Script:
    """The script of a seed."""
    random = Random(f"script {seed}")
    draw = Draw(random)
    nets = networks(random)
    owners = [[net] for net in nets] if random.random() < 0.6 else [list(nets)]
    makers: dict[str, Any] = {}
    every: dict[str, int] = {}
    kinds = []
    for number, own in enumerate(owners):
        kind, make = optimizer(draw)
        makers[f"opt{number}"] = (make, grouped(draw, own))
        kinds.append(kind)
        for part in range(random.choice([0, 1, 1, 1, 2])):
            momentum = kind in {"SGD", "Adam", "AdamW", "RMSprop"} and kind != "RMSprop" and part == 0
            name, scheduled = schedule(draw, momentum=momentum)
            makers[f"schedule{number}{part}"] = (f"opt{number}", scheduled)
            every[f"schedule{number}{part}"] = random.choice([1, 1, 1, 2, 5])
            kinds.append(name)
    owned = {
        name: [each for each in every if makers[each][0] == name] for name in makers if name.startswith("opt")
    }
    by_hand = frozenset(name for name, own in owned.items() if not own and random.random() < 0.5)

    def build(hp: Mapping[str, Any]) -> Objects:
        objects: Objects = {name: kept(name, make) for name, make in nets.items()}
        for name, (first, second) in makers.items():
            made = second(objects[first], hp) if isinstance(first, str) else first(second(objects, hp), hp)
            objects[name] = made
        return objects

    return Script(seed, " ".join(kinds), build, every, owned, by_hand)


def hyperparameters(seed: int) -> tuple[Hyperparameters, Hyperparameters, Hyperparameters]:
    """The donor's, the loser's until now, and what explore makes of the donor's."""
    random = Random(f"hyperparameters {seed}")

    def some() -> Hyperparameters:
        return {"a": random.random(), "b": random.random(), "c": random.random(), "n": random.randint(1, 12)}

    donor, loser = some(), some()
    for name in loser:
        if random.random() < 0.4:
            loser[name] = donor[name]
    now = dict(donor)
    for name in "abc":
        if random.random() < 0.5:
            now[name] = min(1.0, now[name] * random.choice([0.8, 1.25]))
    if random.random() < 0.3:
        now["n"] = random.randint(1, 12)
    donor["machine"] = random.choice([0, 0, 1])
    return donor, loser, now | {"machine": 0}


def steps_of(seed: int) -> tuple[int, int, int]:
    """How long the donor trains, the loser before it is replaced, and both afterwards."""
    random = Random(f"steps {seed}")
    return random.choice([0, 1, 3, 8, 14]), random.choice([0, 2, 6]), random.randint(1, 5)


def train(objects: Objects, drawn: Script, steps: int, *, seed: int, begin: int = 0) -> None:
    """Trains on numbers of a seed."""
    torch.manual_seed(seed)
    nets = [value for value in objects.values() if isinstance(value, torch.nn.Module)]
    optimizers = [value for value in objects.values() if isinstance(value, torch.optim.Optimizer)]
    for step in range(begin + 1, begin + steps + 1):
        for each in optimizers:
            each.zero_grad()
        losses = [(net(torch.randn(4, 3)) - 1).square().mean() for net in nets]
        torch.stack(losses).sum().backward()
        for each in optimizers:
            each.step()
        for name in drawn.by_hand:
            for group in objects[name].param_groups if step % 3 == 0 else ():
                group["lr"] *= 0.9
        step_schedules(objects, drawn, step, float(losses[0].detach()))


def step_schedules(objects: Objects, drawn: Script, step: int, loss: float) -> None:
    """What the loop does with its schedules at the end of a step."""
    for name, every in drawn.every.items():
        if step % every == 0:
            if isinstance(objects[name], schedules.ReduceLROnPlateau):
                objects[name].step(loss)
            else:
                objects[name].step()


def rates_after(drawn: Script, hp: Mapping[str, Any], steps: int) -> dict[str, list[str] | None]:
    """The rates by optimizer and group if its schedules alone decide and hadn't known other hyperparameters; else None.

    None as well where several schedules step at different times: their order is the loop's.
    """
    objects = drawn.build(hp)
    found: dict[str, list[str] | None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(1, steps + 1):
            step_schedules(objects, drawn, step, 0.0)
    for name, own in drawn.schedules.items():
        clear = own and len({drawn.every[each] for each in own}) == 1
        plateau = any(isinstance(objects[each], schedules.ReduceLROnPlateau) for each in own)
        found[name] = rates(objects[name]) if clear and not plateau else None
    return found


def rates(optimizer: Any) -> list[str]:
    """The learning rates by group, to the last bit."""
    return [float(group["lr"]).hex() for group in optimizer.param_groups]


_FLAGS = ("foreach", "fused", "capturable", "differentiable")


def flags(optimizer: Any) -> list[dict[str, Any]]:
    """Which implementation the groups use."""
    return [{key: group[key] for key in _FLAGS if key in group} for group in optimizer.param_groups]


def set_flags(optimizer: Any, own: list[dict[str, Any]]) -> None:
    """Back to these implementations: torch's own reload brings the donor's."""
    for group, kept_flags in zip(optimizer.param_groups, own, strict=True):
        group.update(kept_flags)


def reloaded(objects: Objects, saved: Mapping[str, Any]) -> None:
    """As torch's users reload without the SDK: schedules, then what they write to."""
    ordered = sorted(objects, key=lambda name: not isinstance(objects[name], schedules.LRScheduler))
    for name in ordered:
        objects[name].load_state_dict(copy.deepcopy(saved[name]))
