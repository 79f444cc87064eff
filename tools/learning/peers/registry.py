"""The peers by the names of their arms. It can be imported anywhere; a peer is imported when it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from learning.peers.scale import scale_of
from learning.population import Outcome
from learning.task import Task
from pbt_operator.core.rules import Perturb

PB2_ROUNDS = 20
"""PB2 takes about a second of CPU for each exploit, and more the more there were: longer tasks are left out."""


class Unsupported(Exception):
    """The peer can't search the task; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A tool with its settings.

    Attributes:
        module: of this package; its `run(task, members, seed, **settings)` trains.
        settings: its arm's.
        refusal: why the tool can't search a task; None where it can.
    """

    module: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    refusal: Callable[[Task], str | None] = lambda task: None

    def run(self, task: Task, members: int, seed: int) -> Outcome:
        """Trains with as many steps as so many members take.

        Raises:
            Unsupported: the tool can't search the task.
        """
        why = self.refusal(task)
        if why is not None:
            raise Unsupported(why)
        found: Outcome = import_module(f"learning.peers.{self.module}").run(
            task, members, seed, **self.settings
        )
        return found


def without_pb2(task: Task) -> str | None:
    """Why Ray's PB2 can't search a task."""
    choices = [h.name for h in task.space if scale_of(h) is None]
    if choices:
        return f"PB2 searches numbers only, and {', '.join(choices)} is a choice"
    rounds = -(-task.total_steps // task.interval_steps)
    if rounds > PB2_ROUNDS:
        return f"{rounds} rounds would take PB2 minutes; {PB2_ROUNDS} at most are run"
    return None


FACTORS = Perturb(factors=(0.8, 1.25))
PEERS: dict[str, Peer] = {
    "ray-async": Peer("ray_pbt"),
    "ray-async-factors": Peer("ray_pbt", {"rule": FACTORS}),
    "ray-async-unbounded": Peer("ray_pbt", {"bounded": False}),
    "ray-synchronous": Peer("ray_pbt", {"synchronous": True}),
    "ray-synchronous-factors": Peer("ray_pbt", {"synchronous": True, "rule": FACTORS}),
    "pb2": Peer("ray_pb2", refusal=without_pb2),
    "asha": Peer("asha"),
    "tpe": Peer("tpe"),
}
