"""Which lives a process has taken, by the names of their claims."""

from collections.abc import Iterator
from contextlib import suppress

from pbt_contract import keys
from pbt_contract.errors import KeyRefused
from pbt_contract.keys import Life
from pbt_contract.stores import Store


def claimed_lives(store: Store) -> Iterator[Life]:
    """The lives that were ever claimed, by one listing; no claim is read."""
    for name in store.names(keys.CLAIMS):
        with suppress(KeyRefused):  # somebody else's file
            yield keys.life_in(name)
