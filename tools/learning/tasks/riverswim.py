"""A reinforcement learner that must swim upstream for long before that pays: tabular Q-learning in RiverSwim."""

from random import Random
from typing import Any

from learning.task import Task, Values
from pbt_operator.core.distributions import LogUniform
from pbt_operator.core.search import Hyperparameter

STATES = 4
LEFT, RIGHT = 0, 1
SMALL, LARGE = 0.005, 1.0
DISCOUNT = 0.95
BACK, STAY = 0.05, 0.60  # chances of a stroke to the right; what is left moves on


class RiverSwim(Task):
    """RiverSwim (Strehl and Littman 2008): a small reward at the left end, a large one upstream.

    A stroke to the left always moves; one to the right moves on with 35 percent, stays with 60, drifts back with 5. Who
    explores little finds the small reward and stays with it. The report is the mean reward of the interval, exploration
    included; the true score is the mean reward of the greedy policy, exactly. The optimum swims right everywhere.
    """

    name, total_steps, interval_steps = "riverswim", 4000, 100
    rates = ("alpha", "epsilon")
    draws = frozenset({"train"})
    noise = 0.02
    space = (
        Hyperparameter("alpha", LogUniform(min=1e-3, max=0.9)),
        Hyperparameter("epsilon", LogUniform(min=1e-3, max=0.9)),
    )
    defaults = {"alpha": 0.1, "epsilon": 0.1}

    def __init__(self, instance: int = 0, *, published: bool = False) -> None:
        super().__init__(instance, published=published)
        self.start = mean_reward([LEFT] * STATES)
        self.optimum = mean_reward([RIGHT] * STATES)

    def build(self, rng: Random) -> dict[str, Any]:
        return {"values": [[0.0, 0.0] for _ in range(STATES)], "at": 0, "earned": self.start}

    def copy(self, state: Any) -> dict[str, Any]:
        return {**state, "values": [list(pair) for pair in state["values"]]}

    def advance(self, state: Any, hyperparameters: Values, start: int, stop: int, rng: Random) -> None:
        alpha, epsilon = float(hyperparameters["alpha"]), float(hyperparameters["epsilon"])
        values, at, earned = state["values"], state["at"], 0.0
        for _ in range(stop - start):
            here = values[at]
            undecided = here[RIGHT] == here[LEFT] or rng.random() < epsilon
            action = int(rng.random() < 0.5) if undecided else int(here[RIGHT] > here[LEFT])
            there, reward = stroke(at, action, rng)
            here[action] += alpha * (reward + DISCOUNT * max(values[there]) - here[action])
            at, earned = there, earned + reward
        state["at"], state["earned"] = at, earned / (stop - start)

    def evaluate(self, state: Any, hyperparameters: Values, rng: Random) -> list[float]:
        return [state["earned"]]

    def true_score(self, state: Any, hyperparameters: Values, rng: Random) -> float:
        return mean_reward([int(right > left) for left, right in state["values"]])

    def schedule(self, step: int) -> Values:
        """Explore for a third of the time, then use what was found."""
        return {"alpha": 0.2, "epsilon": 0.9 if step < self.total_steps / 3 else 1e-3}


def stroke(at: int, action: int, rng: Random) -> tuple[int, float]:
    """Where a stroke ends, and what it earns."""
    if action == LEFT:
        return max(0, at - 1), SMALL if at == 0 else 0.0
    drawn = rng.random()
    if drawn < BACK:
        return max(0, at - 1), 0.0
    if drawn < BACK + STAY:
        return at, LARGE if at == STATES - 1 else 0.0
    return min(STATES - 1, at + 1), LARGE if at == STATES - 1 else 0.0


def mean_reward(policy: list[int]) -> float:
    """What a deterministic policy earns in a step from the left end on, in the long run.

    It moves between neighbours alone, so the stationary shares follow from the balance of each pair of neighbours. The
    states that it can reach are those up to the first one where it goes left.
    """
    reached = next((s for s in range(STATES) if policy[s] == LEFT), STATES - 1) + 1
    shares = [1.0]
    for state in range(reached - 1):
        onwards = 1 - BACK - STAY
        back = 1.0 if policy[state + 1] == LEFT else BACK
        shares.append(shares[-1] * onwards / back)
    whole = sum(shares)
    earned = 0.0
    for state, share in enumerate(shares):
        if state == 0 and policy[state] == LEFT:
            earned += share * SMALL
        if state == STATES - 1 and policy[state] == RIGHT:
            earned += share * LARGE * (1 - BACK)
    return earned / whole
