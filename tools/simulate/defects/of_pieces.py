"""Defects of rounds in pieces: when pieces are written, and whether somebody looks at what comes of them."""

from typing import Any
from unittest.mock import patch

from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_operator.core import pieces
from pbt_operator.records import large_records, round_log


class _Late:
    """A store that writes pieces only after what names them."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._kept: list[tuple[str, bytes]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def create(self, key: str, data: bytes) -> bytes:
        if key.startswith(keys.PIECES):
            self._kept.append((key, data))
            return data
        stored: bytes = self._store.create(key, data)
        for piece in self._kept:
            self._store.create(*piece)
        return stored


def _a_round_is_written_before_its_pieces() -> Any:
    write = large_records.write_large
    return patch.object(
        round_log, "write_large", lambda store, *args, **more: write(_Late(store), *args, **more)
    )


def _pieces_are_not_checked() -> Any:
    def items_in(kind: Any, piece: Any, data: bytes) -> list[Any]:
        of: Any = pieces.Items[pieces.LISTS[kind].items[piece.of]]  # type: ignore[misc]
        items: list[Any] = decode(of, data, key=piece.place).items
        return items

    return patch.object(pieces, "items_in", items_in)


MADE = (_a_round_is_written_before_its_pieces, _pieces_are_not_checked)
