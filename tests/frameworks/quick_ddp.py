"""A member of the recipe for torchrun, in two forks of this process for each life: saved, resumed, swapped in place."""

import time
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets  # noqa: F401  (for the forks)
import torch.nn.parallel  # noqa: F401
from torch.distributed import TCPStore

from frameworks.lives import EXAMPLES, PATIENCE_SECONDS, Lives, lives
from frameworks.recipes import RECIPES
from pbt_contract.records import Cause, Started
from unit.trainer.population import population_in, until

RANKS = ("0", "1")
VALUES = {"lr": 0.1, "momentum": 0.9, "dropout": 0.1}
CHANGED = {"lr": 0.03, "momentum": 0.8, "dropout": 0.3}


class Pair:
    """Two ranks of one life. As those of torchrun, they find each other by a store of the process that starts them."""

    def __init__(self, found: Lives, **given: Any) -> None:
        self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        shared = {
            "WORLD_SIZE": str(len(RANKS)),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self._store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": "0",
        }
        self._found = found
        self._pids = [found.start(variables=shared | {"RANK": rank}, **given) for rank in RANKS]

    def end(self) -> None:
        """Both must end well."""
        assert [self._found.end(pid) for pid in self._pids] == [0] * len(RANKS), self._found.errors()


def swap(found: Lives, incarnation: int, *, at: int, number: int) -> None:
    """The member's next life: it copies member 1's report of that number, while the former is held at a step."""
    population, here = (
        found.population,
        {"what": "report", "member": 0, "incarnation": incarnation - 1, "step": at},
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(here.items() <= fact.items() for fact in found.facts):
        assert time.monotonic() < deadline, found.errors()
        time.sleep(0.02)
    source = population.reported(number, member=1)
    told = {"cause": Cause.EXPLOIT, "seed_round": incarnation, "round": incarnation}
    population.birth(incarnation, source=source, hyperparameters=CHANGED, **told)
    claim = until(lambda: population.claim(incarnation=incarnation))
    assert claim.started is Started.IN_PLACE


def test_two_ranks_go_back_and_forward_in_place(tmp_path: Path) -> None:
    given = {"total_steps": 12, "interval_steps": 2, "objective": "accuracy"}
    script = EXAMPLES / "ddp_digits.py"
    with population_in(tmp_path) as population, lives(population, script, **given) as found:
        population.birth(member=1, hyperparameters=VALUES)
        Pair(found, member=1).end()
        population.birth(hyperparameters=VALUES)
        Pair(found, end=[[0, 1, 5]]).end()
        (saved,) = population.saves()
        assert saved.step == 6  # ranks stop together where a report is due
        population.resume(saved)
        pair = Pair(found, incarnation=2, in_place=True, hold=[[0, 2, 10], [0, 3, 8]])
        swap(found, 3, at=10, number=2)
        swap(found, 4, at=8, number=5)
        pair.end()
        assert_trained(found)


def assert_trained(found: Lives) -> None:
    """Each rank did and reported each step once, counted as its run did, and drew numbers of its own."""
    (example,) = (each for each in RECIPES if each.name == "ddp_digits")
    for rank in map(int, RANKS):
        steps = {
            life: [fact["step"] for fact in found.reports(member=0, incarnation=life, rank=rank)]
            for life in range(1, 5)
        }
        assert steps == {1: [2, 4, 6], 2: [8, 10], 3: [6, 8], 4: [12]}
    for fact in found.counted:
        assert fact["counter"] == fact["step"], fact
        assert fact["rate"] == pytest.approx(example.rate(fact, total_steps=12), rel=1e-5), fact
    begins = [fact["draws"] for fact in found.facts if fact["what"] in {"began", "swapped"}]
    assert len(begins) == len(set(begins)) == 5 * len(RANKS)
