"""When a watch showed what of each pod: the API's own times are whole seconds."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from cluster.pods import is_live, member
from cluster.watch import Change
from pbt_operator.runners.kubernetes.pod_template import INCARNATION


class Stamped(list[Change]):
    """The changes that a watch showed, and for each the wall clock's time at which it did."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, change: Change) -> None:
        """Takes a change in."""
        self.times.append(time.time())
        super().append(change)

    def created(self, of: int, incarnation: int) -> float | None:
        """When a life's pod was there first."""
        return self._first(of, incarnation, lambda _change: True)

    def scheduled(self, of: int, incarnation: int) -> float | None:
        """When it was known to have a node."""
        return self._first(of, incarnation, lambda change: bool(change.body["spec"].get("nodeName")))

    def over(self, of: int, incarnation: int) -> float | None:
        """When its trainer was known to be over, or the pod gone."""
        return self._first(
            of, incarnation, lambda change: change.kind == "DELETED" or not is_live(change.body)
        )

    def _first(self, of: int, incarnation: int, holds: Callable[[Change], bool]) -> float | None:
        for change, at in zip(self, self.times, strict=True):
            if _life(change.body) == (of, incarnation) and holds(change):
                return at
        return None


def _life(pod: Mapping[str, Any]) -> tuple[int, int]:
    return member(pod), int(pod["metadata"]["labels"][INCARNATION])
