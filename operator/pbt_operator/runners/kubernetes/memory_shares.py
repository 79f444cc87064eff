"""How much of the operator's memory the Populations of a namespace may take, so that one tenant can't fill it."""

from collections.abc import Mapping
from threading import Lock
from typing import Any

from pbt_operator.manifest.hyperparameters import Hyperparameter
from pbt_operator.manifest.population_spec import PopulationSpec
from pbt_operator.runners.kubernetes.admission import Rejected
from pbt_operator.runners.kubernetes.pod_template import Owner

BYTES_A_MEMBER = 9000  # its births, its newest records, its entry in a round, its pod
BYTES_A_VALUE = 150  # of a hyperparameter, in two births; a text takes two bytes for each character besides


class MemoryShares:
    """What each Population takes, by its size; used by all passes at once."""

    def __init__(self, megabytes: int) -> None:
        """Nobody takes anything yet; each namespace may take so many."""
        self._megabytes = megabytes
        self._taken: dict[str, tuple[str, int]] = {}  # by uid, the namespace and the bytes
        self._lock = Lock()

    def take(self, owner: Owner, manifest: PopulationSpec, *, is_in_force: bool) -> None:
        """Takes what a Population of this size needs, in place of what it took before.

        Args:
            owner: the Population.
            manifest: what it is to be.
            is_in_force: whether an operator has accepted it before: then it isn't refused.

        Raises:
            Rejected: the others of its namespace leave too little.
        """
        needed = memory_of(manifest)
        with self._lock:
            _, before = self._taken.get(owner.uid, ("", 0))
            others = [
                size
                for uid, (space, size) in self._taken.items()
                if space == owner.namespace and uid != owner.uid
            ]
            if not is_in_force and needed > before and sum(others) + needed > self._megabytes * 10**6:
                raise Rejected("NamespaceFull", self._told(needed, others))
            self._taken[owner.uid] = owner.namespace, needed

    def give_back(self, owner: Owner) -> None:
        """It is driven no more."""
        with self._lock:
            self._taken.pop(owner.uid, None)

    def _told(self, needed: int, others: list[int]) -> str:
        return (
            f"needs {_shown(needed)} of the operator's memory by its members and hyperparameters, and what is driven "
            f"in this namespace ({len(others)}) takes {_shown(sum(others))} of {self._megabytes} MB: it waits until "
            "some of that is deleted; or have fewer members, or let the administrator raise `namespaceMegabytes`"
        )


def memory_of(manifest: PopulationSpec) -> int:
    """About how many bytes of the operator's memory a Population takes."""
    return manifest.members * (BYTES_A_MEMBER + sum(map(_value_of, manifest.hyperparameters)))


def was_accepted(body: Mapping[str, Any]) -> bool:
    """Whether an operator has put this very spec in force."""
    told = (body.get("status") or {}).get("conditions") or []
    generation = body["metadata"]["generation"]
    return any(
        one.get("type") == "Accepted"
        and one.get("status") == "True"
        and one.get("observedGeneration") == generation
        for one in told
    )


def _value_of(hyperparameter: Hyperparameter) -> int:
    texts = (v for v in getattr(hyperparameter.distribution, "values", ()) if isinstance(v, str))
    return BYTES_A_VALUE + 2 * max(map(len, texts), default=0)


def _shown(size: int) -> str:
    return f"{size / 10**6:.3g} MB"
