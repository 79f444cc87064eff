"""The forms of a task: as it is, annealed by its script, evaluated with noise, and failing in a region of its space."""

import math
from random import Random
from typing import Any

from learning.task import Task, Values

NAN = float("nan")


class Form(Task):
    """A task within another one, which it passes everything on to.

    Attributes:
        inner: that task.
    """

    def __init__(self, inner: Task) -> None:
        self.inner = inner
        self.instance, self.published = inner.instance, inner.published
        self.name, self.total_steps, self.interval_steps = inner.name, inner.total_steps, inner.interval_steps
        self.space, self.defaults, self.rates = inner.space, inner.defaults, inner.rates
        self.start, self.optimum, self.noise, self.draws = (
            inner.start,
            inner.optimum,
            inner.noise,
            inner.draws,
        )

    def initial(self, member: int, rng: Random) -> Values:
        return self.inner.initial(member, rng)

    def build(self, rng: Random) -> Any:
        return self.inner.build(rng)

    def copy(self, state: Any) -> Any:
        return self.inner.copy(state)

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        self.inner.advance(state, hyperparameters, start, stop, rng)

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return self.inner.true_score(state, hyperparameters, rng)

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return self.inner.evaluate(state, hyperparameters, rng)

    def schedule(self, step: int) -> Values:
        return self.inner.schedule(step)

    def fails(self, hyperparameters: Values) -> bool:
        return self.inner.fails(hyperparameters)


class Annealed(Form):
    """The script multiplies its rates by half a cosine, from 1 to 0. Explore sees the values before that."""

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        middle = (start + stop) / 2
        share = (1 + math.cos(math.pi * middle / self.total_steps)) / 2
        annealed = {name: share * hyperparameters[name] for name in self.rates}
        self.inner.advance(state, {**hyperparameters, **annealed}, start, stop, rng)


class Noisy(Form):
    """Evaluations whose mean differs from the truth by about what an interval gains.

    They are four, so that a rule can tell how far they vary; a task with several of its own keeps their number.
    """

    def __init__(self, inner: Task) -> None:
        super().__init__(inner)
        self.draws = inner.draws | {"evaluate"}

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        found = self.inner.evaluate(state, hyperparameters, rng)
        found = found * 4 if len(found) == 1 else found
        deviation = self.noise * math.sqrt(len(found))
        return [score + rng.gauss(0, deviation) for score in found]


class Failing(Form):
    """In a region of the space training gives NaN, and weights that are NaN stay so until others replace them."""

    def build(self, rng: Random) -> dict[str, Any]:
        return {"inner": self.inner.build(rng), "failed": False}

    def copy(self, state: Any) -> dict[str, Any]:
        return {"inner": self.inner.copy(state["inner"]), "failed": state["failed"]}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        if self.inner.fails(hyperparameters):
            state["failed"] = True
        if not state["failed"]:
            self.inner.advance(state["inner"], hyperparameters, start, stop, rng)

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return [NAN] if state["failed"] else self.inner.evaluate(state["inner"], hyperparameters, rng)

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        """What failed is worth as much as what wasn't trained."""
        if state["failed"]:
            return self.start
        return self.inner.true_score(state["inner"], hyperparameters, rng)


class Scheduled(Form):
    """The schedule by hand, whatever a member was assigned: no script's own schedule changes it."""

    def __init__(self, inner: Task) -> None:
        super().__init__(inner)
        self.rates = ()

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        self.inner.advance(state, {**hyperparameters, **self.schedule(start)}, start, stop, rng)

    def fails(self, hyperparameters: Values) -> bool:
        """Who wrote the schedule knew where it fails."""
        return False


FORMS: dict[str, type[Form]] = {"constant": Form, "annealed": Annealed, "noisy": Noisy, "failing": Failing}
"""By name; `constant` is the task as it is."""


def form(task: Task, kind: str) -> Task:
    """A task in a form of it.

    Raises:
        ValueError: there is no such form.
    """
    if kind not in FORMS:
        raise ValueError(f"there is no form {kind!r}; there are {', '.join(FORMS)}")
    return task if kind == "constant" else FORMS[kind](task)


def scheduled(task: Task) -> Task:
    """A task, in whatever form, trained by its schedule."""
    return type(task)(scheduled(task.inner)) if isinstance(task, Form) else Scheduled(task)
