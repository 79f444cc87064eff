"""Rounds and results in the store, however large: those that one object can't hold are stored and read in pieces.

This is the only place that reads and writes them. The object under the record's own key is the decision: it is written
after all its pieces, and the first one that is written counts.
"""

from collections.abc import Iterator
from itertools import islice
from typing import TypeVar

from msgspec import UnsetType

from pbt_contract.encoding import canonical, check_finite, encode
from pbt_contract.errors import NotFound, RecordRefused
from pbt_contract.limits import MAX_BYTES_IN_PIECES, MAX_RECORD_BYTES, PIECE_BYTES
from pbt_contract.records import Record
from pbt_contract.stores import Store
from pbt_operator.core.pieces import (
    Items,
    Piece,
    Stored,
    cut,
    head_of,
    is_large,
    items_in,
    joined,
    pieces_of,
    read_head,
)
from pbt_operator.core.round_record import Round
from pbt_operator.core.status import Result
from pbt_operator.records.parallel import create_each, read_each

R = TypeVar("R", Round, Result)
WHOLE_BYTES = MAX_RECORD_BYTES  # of a record that is stored as one object
CUT_BYTES = PIECE_BYTES  # of the items of one piece
AT_ONCE = 4
"""Pieces that are held, sent or fetched at once: a few megabytes."""


def write_large(store: Store, record: R, *, key: str, readers: int = 1) -> R:
    """Records it under `key` unless there is one; returns what is stored then.

    Raises:
        RecordRefused: a number in it isn't finite, it is too large even for pieces, or something else is stored where
            one of its pieces belongs.
    """
    check_finite(record)
    in_pieces = is_large(record, most=WHOLE_BYTES)
    if in_pieces:
        head = head_of(record, _write_pieces(store, record, key=key, writers=readers))
        data = encode(head)
    else:
        data = canonical(record)
    stored = store.create(key, data)
    if in_pieces and stored == data and not _holds_anything(record):
        return (
            record  # it shares its hyperparameters with births and reports: a copy would take as much again
        )
    return _whole(store, type(record), stored, key=key, readers=readers)


def read_large(store: Store, kind: type[R], key: str, *, readers: int = 1) -> R:
    """The record under a key, with all its lists.

    Raises:
        NotFound: there is none.
        NewerFormat: only a newer version can read it.
        RecordRefused: it is malformed, or a piece of it is missing or another one than it names.
    """
    return _whole(store, kind, store.read(key), key=key, readers=readers)


def read_head_only(store: Store, kind: type[R], key: str) -> R:
    """The record under a key; if it is a large one, without its lists.

    Raises:
        NotFound, NewerFormat, RecordRefused: as `read_large`.
    """
    return read_head(kind, store.read(key), key=key)


def forms_of(store: Store, kind: type[R], key: str) -> Iterator[tuple[Record, bytes]]:
    """The objects that a record is stored in, each with its bytes: one, or its head and its pieces.

    Raises:
        NotFound, NewerFormat, RecordRefused: as `read_large`.
    """
    data = store.read(key)
    head = read_head(kind, data, key=key)
    yield head, data
    for piece, found in _fetched(store, pieces_of(head, key=key), readers=1):
        yield Items(items=items_in(kind, piece, found)), found


def _holds_anything(record: Round | Result) -> bool:
    """Whether what it was computed from may be of other types than those that are read back."""
    return isinstance(record, Round) and not isinstance(record.recorded, UnsetType)


def _write_pieces(store: Store, record: Round | Result, *, key: str, writers: int) -> list[Piece]:
    """Stores the pieces of a record, a few at a time."""
    pieces: list[Piece] = []
    rest, size = cut(record, size=CUT_BYTES), 0
    while some := list(islice(rest, AT_ONCE)):
        size += sum(stored.piece.size for stored in some)
        if size > MAX_BYTES_IN_PIECES:
            raise RecordRefused(
                f"{key}: it would have more than {MAX_BYTES_IN_PIECES} bytes in pieces, which no reader takes: "
                "have fewer members, hyperparameters or evaluations in a list"
            )
        _store(store, some, key=key, writers=min(writers, AT_ONCE))
        pieces += [stored.piece for stored in some]
    return pieces


def _store(store: Store, some: list[Stored], *, key: str, writers: int) -> None:
    written = create_each(store, [(one.piece.place, one.data) for one in some], writers=writers)
    for one, found in zip(some, written, strict=True):
        if found != one.data:
            raise RecordRefused(
                f"{one.piece.place}: something else is stored there than the piece of {key} of that checksum: delete it"
            )


def _whole(store: Store, kind: type[R], data: bytes, *, key: str, readers: int) -> R:
    head = read_head(kind, data, key=key)
    pieces = pieces_of(head, key=key)
    if not pieces:
        return head
    try:
        return joined(kind, head, _fetched(store, pieces, readers=readers))
    except RecordRefused as refusal:
        raise type(refusal)(f"{key}: of its pieces {refusal}") from refusal


def _fetched(store: Store, pieces: list[Piece], *, readers: int) -> Iterator[tuple[Piece, bytes]]:
    names = [piece.place for piece in pieces]
    found = read_each(store, names, readers=min(readers, AT_ONCE))
    for piece, data in zip(pieces, found, strict=True):
        if data is None:
            raise RecordRefused(f"{piece.place} is missing") from NotFound(piece.place)
        if isinstance(data, RecordRefused):
            raise data
        yield piece, data
