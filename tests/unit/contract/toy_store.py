"""A kind of store that the registry doesn't know until a test names it there."""

from urllib.parse import SplitResult

from pbt_contract.stores import Store
from simulation.memory_store import MemoryStore

KEPT = MemoryStore()


def at(parts: SplitResult) -> Store | None:
    """The one store of every bucket."""
    return KEPT if parts.netloc else None
