"""Optimizers of a script's own, as libraries and users write them."""

from typing import Any

import torch


class Counting(torch.optim.SGD):
    """A warm-up of its own, which counts in the param groups from the first step on."""

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            group["seen"] = group.get("seen", torch.zeros(2)) + 1
            for parameter in group["params"]:
                if parameter.grad is not None:
                    rate = float(group["lr"]) * min(1.0, group["count"] / 7)
                    parameter.data.add_(parameter.grad, alpha=-rate)


class Sharpened(torch.optim.Adam):
    """It has an option that is an attribute, and a counter in no checkpoint."""

    def __init__(self, params: Any, *, decay: float, **options: Any) -> None:
        super().__init__(params, **options)
        self.decay = decay
        self.ticks = 0

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        self.ticks += 1
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.mul_(1 - 1e-3 * self.decay / self.ticks)


class Slow(torch.optim.Optimizer):
    """Wraps another optimizer, as lookahead does; the slow weights lie beside the inner state, or around it."""

    def __init__(self, inner: torch.optim.Optimizer, *, pull: float, around: bool) -> None:
        self.inner = inner
        self.pull = pull
        self.around = around
        self.ticks = 0
        self.slow = [each.detach().clone() for group in inner.param_groups for each in group["params"]]
        self.defaults = inner.defaults

    param_groups = property(lambda self: self.inner.param_groups)  # type: ignore[assignment]
    state = property(lambda self: self.inner.state)  # type: ignore[assignment]

    def step(self, closure: Any = None) -> None:
        self.inner.step(closure)
        self.ticks += 1
        if self.ticks % 3 == 0:
            parameters = [each for group in self.param_groups for each in group["params"]]
            for slow, parameter in zip(self.slow, parameters, strict=True):
                slow.add_(parameter.data - slow, alpha=self.pull)
                parameter.data.copy_(slow)

    def zero_grad(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        own = {"slow": list(self.slow), "ticks": self.ticks}
        inner = self.inner.state_dict()
        return {"inner": inner, **own} if self.around else {**inner, **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state["inner"] if self.around else state)
        self.ticks = state["ticks"]
        for slow, saved in zip(self.slow, state["slow"], strict=True):
            slow.copy_(saved)
