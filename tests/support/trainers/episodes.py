"""A trainer whose episodes say whose they are: each returns its member and incarnation, as member + incarnation / 1000.

Three environments run beside training; an episode lasts for as many steps as chance says, also beyond reports, exploits
and handovers. How many steps take long comes from the environment, so that members overtake each other.
"""

import os
import random
import time

import pbt_trainer


class Weight:
    def __init__(self) -> None:
        self.value = 0.0

    def state_dict(self) -> dict[str, float]:
        return {"value": self.value}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.value = state["value"]


run = pbt_trainer.join({"rate": 0.1, "depth": 1}, total_steps=60, interval_steps=10)
weight, returns = Weight(), pbt_trainer.Window(6, at_least=2)
run.track(weight=weight, returns=returns)
pause, lengths = float(os.environ.get("STEP_SECONDS", "0")), random.Random(run.rng_seed)


def begun() -> list[object]:
    """An episode and its last step, and whose it is."""
    whose = run.member + run.incarnation / 1000
    return [returns.start(), lengths.randint(1, 7), whose]


environments = [begun() for _ in range(3)]
for _ in run.steps():
    time.sleep(pause)
    weight.value += run.hp["rate"] * (1.0 - weight.value)
    for index, environment in enumerate(environments):
        environment[1] -= 1
        if environment[1] == 0:
            environment[0].end(environment[2])
            environments[index] = begun()
    if run.due:
        run.report({"score": weight.value, "whose": returns})
