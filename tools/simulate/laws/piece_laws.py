"""The law of records in pieces: what decides is written last, so that nobody ever finds half of it (5)."""

from typing import Any

from pbt_contract import keys
from pbt_operator.core.pieces import pieces_of, read_head
from pbt_operator.core.round_record import Round
from pbt_operator.core.status import Result
from simulate.laws.judge import Judge

LARGE: dict[str, type[Any]] = {keys.ROUNDS: Round, keys.RESULTS: Result}


class PieceLaws(Judge):
    """Rounds and results that name pieces."""

    def on_write(self, key: str, before: bytes | None) -> None:
        """Each piece that a record names is stored before it; none is ever another one than its name says."""
        kind = LARGE.get(key[: key.find("/") + 1])
        if kind is None:
            return
        data = self.facts.bucket.objects[self.facts.base + key]
        for piece in pieces_of(read_head(kind, data, key=key), key=key):
            stored = self.facts.pieces.get(piece.place)
            if stored is None:
                self.blame(f"5: {key} names {piece.place}, which isn't stored")
            elif len(stored) != piece.size:
                self.blame(f"5: {key} names {piece.place} of {piece.size} bytes, which has {len(stored)}")
