"""Records that are too large for one object: their lists lie in pieces, which the record itself names with checksums.

Only rounds and results can be so large: those of thousands of members, or with long lists of evaluations. Such a record
is written in format 2, with all its long lists empty; whatever else it holds is in it, for those who need no more. Its
pieces are stored first, each under the checksum of its bytes. So whoever writes the same record writes the same pieces,
and those that no record names, since another operator was first or the writer was killed, harm nobody.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UnsetType
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.encoding import canonical, decode, format_of
from pbt_contract.errors import RecordRefused
from pbt_contract.limits import MAX_BYTES_IN_PIECES, MAX_RECORD_BYTES, PIECE_BYTES
from pbt_contract.records import FORMAT, IN_PIECES, Count, Record
from pbt_contract.text import quoted
from pbt_operator.core.lineage import Segment
from pbt_operator.core.round_record import Beaten, Crashed, Decision, Entry, ProposedMove, Round
from pbt_operator.core.status import MemberStatus, Result

T = TypeVar("T")
R = TypeVar("R", Round, Result)


class Piece(Record, frozen=True, kw_only=True):
    """A run of items of one of a record's lists.

    Attributes:
        of: which list, by its place in the record.
        count: how many items.
        size: of the stored bytes, `sha256` their checksum in lower-case hexadecimal.
    """

    of: str
    count: Count
    size: Count
    sha256: str

    @property
    def place(self) -> str:
        """Where its items are stored."""
        return keys.piece(self.sha256)


class Items(Record, Generic[T], frozen=True, kw_only=True):
    """What is stored as a piece."""

    format: int = FORMAT
    items: list[T]


class RoundHead(Round, frozen=True, kw_only=True):
    """A round whose lists are in pieces."""

    format: int = IN_PIECES
    pieces: list[Piece]


class ResultHead(Result, frozen=True, kw_only=True):
    """A result whose lists are in pieces."""

    format: int = IN_PIECES
    pieces: list[Piece]


class Lists(NamedTuple):
    """How a kind of record is taken apart.

    Attributes:
        head: what is left of it.
        items: of each list that may be long, the place and the kind of its items; stored in this order.
    """

    head: type[Any]
    items: Mapping[str, type]


ROUND_LISTS = {
    "entries": Entry,
    "decisions": Decision,
    "crashed": Crashed,
    "recorded.exploit.beaten": Beaten,
    "recorded.explore": ProposedMove,
}
RESULT_LISTS = {"members": MemberStatus, "lineage": Segment, "schedule": Segment}
LISTS: dict[type, Lists] = {
    Round: Lists(RoundHead, ROUND_LISTS),
    Result: Lists(ResultHead, RESULT_LISTS),
}


class Stored(NamedTuple):
    """A piece, and its bytes."""

    piece: Piece
    data: bytes


def is_large(record: Round | Result, *, most: int = MAX_RECORD_BYTES) -> bool:
    """Whether it takes more than `most` bytes: then it goes in pieces. To find out, no more are made at once."""
    size = 0
    for path in LISTS[type(record)].items:
        for item in _at(record, path) or ():
            size += len(msgspec.json.encode(item)) + 1
            if size > most:
                return True
    return len(canonical(record)) > most


def cut(record: Round | Result, *, size: int = PIECE_BYTES) -> Iterator[Stored]:
    """The pieces of a record in their order, one after the other: nobody needs all of them at once.

    Args:
        record: all its numbers are finite.
        size: what the items of a piece take at most, unless one alone takes more.
    """
    for path in LISTS[type(record)].items:
        for run in _runs(_at(record, path) or (), size):
            data = canonical(Items(items=run))
            digest = hashlib.sha256(data).hexdigest()
            yield Stored(Piece(of=path, count=len(run), size=len(data), sha256=digest), data)


def head_of(record: R, pieces: Sequence[Piece]) -> R:
    """What is stored of the record itself: its lists are empty, and it names the pieces that hold them."""
    kind = LISTS[type(record)]
    bare: Any = record
    for path in kind.items:
        if _at(record, path) is not None:
            bare = _with(bare, path.split("."), [])
    fields = {name: getattr(bare, name) for name in bare.__struct_fields__ if name != "format"}
    head: R = kind.head(**fields, pieces=list(pieces))
    return head


def read_head(kind: type[R], data: bytes, *, key: str) -> R:
    """A record as it is stored: whole, or a head that names pieces.

    Raises:
        NewerFormat: only a newer version can read it.
        RecordRefused: it is malformed.
    """
    in_pieces = format_of(data, key=key) == IN_PIECES
    return decode(LISTS[kind].head if in_pieces else kind, data, key=key, known=IN_PIECES)


def pieces_of(head: Round | Result, *, key: str) -> list[Piece]:
    """The pieces that a head names, none of a whole record.

    Raises:
        RecordRefused: they can't be the pieces of such a record.
    """
    if not isinstance(head, RoundHead | ResultHead):
        return []
    places = LISTS[Round if isinstance(head, RoundHead) else Result].items
    if not head.pieces:
        raise RecordRefused(f"{key}: it has format {IN_PIECES} and names no pieces")
    for piece in head.pieces:
        if piece.of not in places or _at(head, piece.of) != []:
            raise RecordRefused(f"{key}: it has no empty list '{quoted(piece.of)}' for a piece")
        if len(piece.sha256) != 64 or set(piece.sha256) - set("0123456789abcdef"):
            raise RecordRefused(f"{key}: '{quoted(piece.sha256)}' is no SHA-256")
    size = sum(piece.size for piece in head.pieces)
    if size > MAX_BYTES_IN_PIECES:
        raise RecordRefused(f"{key}: its pieces have {size} bytes, they may have {MAX_BYTES_IN_PIECES}")
    return head.pieces


def items_in(kind: type[Round | Result], piece: Piece, data: bytes) -> list[Any]:
    """The items of a piece.

    Raises:
        RecordRefused: the bytes are not those that the record names.
    """
    key, digest = piece.place, hashlib.sha256(data).hexdigest()
    if len(data) != piece.size or digest != piece.sha256:
        raise RecordRefused(
            f"{key}: {len(data)} bytes with SHA-256 {digest}, its record says {piece.size} bytes"
        )
    of: Any = Items[LISTS[kind].items[piece.of]]  # type: ignore[misc]
    items: list[Any] = decode(of, data, key=key).items
    if len(items) != piece.count:
        raise RecordRefused(f"{key}: {len(items)} items, its record says {piece.count}")
    return items


def joined(kind: type[R], head: R, pieces: Iterable[tuple[Piece, bytes]]) -> R:
    """The record whose head and pieces these are, as if it had been stored whole.

    Raises:
        RecordRefused: a piece is not what the head names.
    """
    lists: dict[str, list[Any]] = {}
    for piece, data in pieces:
        lists.setdefault(piece.of, []).extend(items_in(kind, piece, data))
    whole: Any = head
    for path, items in lists.items():
        whole = _with(whole, path.split("."), items)
    record: R = kind(**{name: getattr(whole, name) for name in kind.__struct_fields__ if name != "format"})
    return record


def _runs(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Neighbours that take so many bytes together."""
    run: list[T] = []
    taken = 0
    for item in items:
        needed = len(msgspec.json.encode(item)) + 1
        if run and taken + needed > size:
            yield run
            run, taken = [], 0
        run.append(item)
        taken += needed
    if run:
        yield run


def _at(record: Any, path: str) -> list[Any] | None:
    """The list at a place; None where the record hasn't got one."""
    found = record
    for name in path.split("."):
        found = getattr(found, name)
        if isinstance(found, UnsetType):
            return None
    items: list[Any] = found
    return items


def _with(record: Any, path: Sequence[str], items: list[Any]) -> Any:
    """The record with another list at that place."""
    name, *rest = path
    return replace(record, **{name: _with(getattr(record, name), rest, items) if rest else items})
