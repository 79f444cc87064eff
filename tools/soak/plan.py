"""What a soak does, drawn from a seed: which faults come one after the other, and which populations train meanwhile."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from cluster.populations import SMALL

PAUSES = (2.0, 6.0)
"""Between two faults, in seconds."""


class Kind(StrEnum):
    """What breaks."""

    POD = "trainer pod deleted"
    TRAINER = "trainer killed"
    OPERATOR = "operator killed"
    ZOMBIE = "kubelet stopped"
    FROZEN = "node frozen"
    CUT_OFF = "node cut off"
    STORE = "MinIO stands still"
    API = "API server stands still"


WEIGHTS = {
    Kind.POD: 22,
    Kind.TRAINER: 22,
    Kind.OPERATOR: 4,
    Kind.ZOMBIE: 1,
    Kind.FROZEN: 1,
    Kind.CUT_OFF: 1,
    Kind.STORE: 1,
    Kind.API: 1,
}
LASTING = {
    Kind.ZOMBIE: (8.0, 25.0, 90.0),
    Kind.FROZEN: (8.0, 25.0, 90.0),
    Kind.CUT_OFF: (8.0, 25.0, 90.0),
    Kind.STORE: (5.0, 15.0, 40.0),
    Kind.API: (5.0, 10.0, 20.0),
}
"""For how many seconds; after the longest of a node's its pods have been given up."""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        pause: seconds after the one before.
        seconds: how long it lasts; 0 for one that is over at once.
        pick: from 0 to 1, which of all that it can strike, in the order of their names.
    """

    kind: Kind
    pause: float
    seconds: float
    pick: float


def faults(seed: int) -> Iterator[Fault]:
    """Faults without an end."""
    random = Random(f"{seed}/faults")
    while True:
        [kind] = random.choices([*WEIGHTS], weights=[*WEIGHTS.values()])
        seconds = random.choice(LASTING.get(kind, (0.0,)))
        yield Fault(kind, pause=round(random.uniform(*PAUSES), 1), seconds=seconds, pick=random.random())


class Steering(StrEnum):
    """What a user does to a population while it trains."""

    NOTHING = "left alone"
    SCALED = "scaled"
    SUSPENDED = "suspended and resumed"
    FINISHED = "finished"
    DELETED = "deleted"


@dataclass(frozen=True)
class Wish:
    """One population.

    Attributes:
        spec: without template and storage.
        step_seconds: how long its trainers take for a step.
        steering: what happens to it.
        after_round: when.
    """

    spec: dict[str, Any]
    step_seconds: float
    steering: Steering
    after_round: int

    def __str__(self) -> str:
        """In a few words."""
        spec, schedule = self.spec, self.spec["schedule"]
        return (
            f"{spec['members']} members on {spec['parallelism']} pods, {schedule['totalSteps']} steps, quorum "
            f"{schedule['quorumPercent']}, {spec['restart']}, {self.steering} after round {self.after_round}"
        )


def wishes(seed: int, slot: int) -> Iterator[Wish]:
    """The populations that follow each other in one slot, without an end."""
    random = Random(f"{seed}/slot {slot}")
    while True:
        members, steering = random.randint(2, 5), random.choice([*Steering])
        schedule = {
            "totalSteps": random.choice((40, 80, 160)),
            "intervalSteps": 10,
            "quorumPercent": random.choice((75, 100)),
        }
        spec = {
            **deepcopy(SMALL),
            "members": members,
            "parallelism": random.choice((members, max(1, members - 1), (members + 1) // 2)),
            "schedule": schedule,
            "restart": random.choice(("InPlace", "Recreate")),
            "seed": random.randrange(1000),
            "backoffLimit": 50,
            "retention": {"onDelete": "Delete" if steering is Steering.DELETED else "Retain"},
        }
        yield Wish(spec, random.choice((0.2, 0.4)), steering, after_round=random.randint(1, 3))
