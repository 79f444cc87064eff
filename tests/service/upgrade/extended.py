"""The next version, as this one meets it: it adds fields to every record that it writes."""

import json
from typing import Any

from pbt_contract import keys
from simulation.memory_store import MemoryStore

MORE = {"since": 2, "why": ["a", {"nested": None}]}
BY_NAME = frozenset({"hyperparameters", "operations", "metrics", "effective", "template"})
"""Objects whose names are the user's: no version adds any there. `initial` is a list of such."""


def extended(data: bytes) -> bytes:
    """A record with further fields in each of its objects."""
    return json.dumps(_extended(json.loads(data)), sort_keys=True).encode()


def _extended(value: Any) -> Any:
    if isinstance(value, list):
        return [_extended(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {
        name: item if name == "initial" or (name in BY_NAME and isinstance(item, dict)) else _extended(item)
        for name, item in value.items()
    }
    return {**inner, "laterVersion": MORE}


class NextVersion(MemoryStore):
    """What a process of the next version writes through, into the objects of another store."""

    def __init__(self, shared: MemoryStore) -> None:
        super().__init__()
        self._objects, self._names, self._lock = shared._objects, shared._names, shared._lock

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        if key.startswith(keys.PROBES):  # no record
            return super().create(key, data)
        more = extended(data)
        stored = super().create(key, more)
        return data if stored == more else stored
