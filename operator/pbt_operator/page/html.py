"""Pieces of HTML. Everything that comes from a record passes through `text`."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pbt_contract.text import escaped


def text(value: object) -> str:
    """A value as text of a page, or as an attribute's value in double quotes."""
    return escape(escaped(str(value)), quote=True)


def plain(document: str) -> str:
    """A document of several lines, for a `pre`."""
    return "\n".join(map(text, document.splitlines()))


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: a first line and a smaller second one.

    Attributes:
        kind: `n` for numbers, `long` for sentences.
        mark: a star before the text, for the winner.
    """

    content: str
    below: str = ""
    kind: str = ""
    mark: bool = False

    def html(self, name: str) -> str:
        """The cell, with its column's name for narrow screens."""
        star = '<span class="star" title="of the winner\'s lineage">★</span> ' if self.mark else ""
        below = f'<span class="op">{text(self.below)}</span>' if self.below else ""
        if not (self.content or below or star):
            return "<td></td>"
        kind = f' class="{self.kind}"' if self.kind else ""
        return f'<td{kind} data-name="{text(name)}"><div>{star}{text(self.content)}{below}</div></td>'


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; `cause` is what a filter asks for."""

    cells: Sequence[Cell]
    winner: bool = False
    cause: str = ""

    def html(self, columns: Sequence[str]) -> str:
        """The row."""
        winner = " data-winner" if self.winner else ""
        cause = f' data-cause="{text(self.cause)}"' if self.cause else ""
        cells = "".join(cell.html(name) for name, cell in zip(columns, self.cells, strict=True))
        return f"<tr{winner}{cause}>{cells}</tr>"


def table(columns: Sequence[str], rows: Sequence[Row], *, caption: str, name: str = "") -> str:
    """A table that becomes a list of cards on narrow screens; a column of numbers is aligned as its cells are."""
    kinds = [cell.kind for cell in rows[0].cells] if rows else [""] * len(columns)
    heads = "".join(
        f'<th scope="col"{" class=n" if kind == "n" else ""}>{text(column)}</th>'
        for column, kind in zip(columns, kinds, strict=True)
    )
    body = "\n".join(row.html(columns) for row in rows)
    identity = f' id="{name}"' if name else ""
    return (
        f'<table class="cards"{identity} aria-label="{text(caption)}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table>"
    )


def section(title: str, *content: str, intro: str = "", long: bool = False) -> str:
    """A titled part of the page."""
    told = f"<p>{text(intro)}</p>" if intro else ""
    return f"<section{' class=long' if long else ''}>\n<h2>{text(title)}</h2>{told}\n{''.join(content)}\n</section>"
