"""Reads and writes many records at once: an object store answers each request in tens of milliseconds."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from pbt_contract.encoding import decode
from pbt_contract.errors import NotFound, RecordRefused
from pbt_contract.records import Record
from pbt_contract.stores import Store

A = TypeVar("A")
R = TypeVar("R")
K = TypeVar("K", bound=Record)


def read_all(read: Callable[[A], R], names: Iterable[A], *, readers: int) -> list[R]:
    """What `read` returns of each, in order, read by so many threads; by this one where that is 1."""
    all_names = list(names)
    if readers == 1 or len(all_names) < 2:
        return list(map(read, all_names))
    with ThreadPoolExecutor(min(readers, len(all_names))) as pool:
        return list(pool.map(read, all_names))


def in_turn(read: Callable[[A], R], names: Iterable[A], *, readers: int) -> Iterator[R]:
    """As `read_all`, but one by one: no more than `readers` of them are held at any time."""
    all_names = list(names)
    if readers == 1 or len(all_names) < 2:
        yield from map(read, all_names)
        return
    rest = iter(all_names)
    with ThreadPoolExecutor(min(readers, len(all_names))) as pool:
        ahead = deque(pool.submit(read, name) for name in islice(rest, readers))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(read, name) for name in islice(rest, 1))


def read_each(store: Store, names: Iterable[str], *, readers: int) -> Iterator[bytes | RecordRefused | None]:
    """What is stored under each key, in order: None where nothing is, the refusal where it can't be a record.

    One by one, as they are asked for: what is read ahead is no more than `readers` records.

    Args:
        store: opened at the population's location.
        names: the keys.
        readers: how many threads read; this one does where that is 1.

    Raises:
        StoreUnavailable: the store can't be reached.
    """

    def read(key: str) -> bytes | RecordRefused | None:
        try:
            return store.read(key)
        except NotFound:
            return None
        except RecordRefused as refusal:
            return refusal

    return in_turn(read, names, readers=readers)


def decoded(kind: type[K], data: bytes | RecordRefused, *, key: str) -> K:
    """The record that `read_each` has found under a key.

    Raises:
        RecordRefused: it can't be one, or is not of that kind.
    """
    if isinstance(data, RecordRefused):
        raise data
    return decode(kind, data, key=key)


def create_each(store: Store, records: Sequence[tuple[str, bytes]], *, writers: int) -> list[bytes]:
    """Creates records, each a key and its bytes; returns what is stored under each, in order.

    Raises:
        StoreUnavailable: the store can't be reached; any of them may be stored all the same.
    """
    return read_all(lambda record: store.create(*record), records, readers=writers)


def abandon_each(store: Store, prefixes: Iterable[str], *, writers: int) -> None:
    """Drops the unfinished uploads below each prefix."""
    read_all(store.abandon_uploads, prefixes, readers=writers)
