"""The storage layout `v1`: which key holds what, relative to the population's own location.

The layout is a public contract (docs/storage.md). Numbers are zero-padded, so that a listing sorts by them.
Reports are round-major: one listing from the newest decided round on shows all that is new, however large the
population is.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from pbt_contract.errors import KeyRefused

MEMBER_DIGITS, INCARNATION_DIGITS, ROUND_DIGITS, STEP_DIGITS = 5, 6, 7, 12

BIRTHS, CLAIMS, YIELDS, ROUNDS, REPORTS = "births/", "claims/", "yields/", "rounds/", "reports/"
SAVES, CHECKPOINTS, SPECS, OWNERS, RESULTS = "saves/", "checkpoints/", "specs/", "owners/", "results/"
GATES, ENDS, PROBES, PIECES = "gates/", "ends/", "probes/", "pieces/"

CARDS = ("pbt-checkpoint.json", "checkpoint.json")
"""No keys: what `pbt fetch` writes beside a checkpoint's files. The first where the second is one of these itself."""

MOST_REQUESTS = 8
"""So often the process of one life is asked to continue with another birth at the most; the numbers have one digit."""

_LIFE = re.compile(r"([0-9]{5})-([0-9]{6})")
_REQUEST = re.compile(rf"([0-9]{{5}}-[0-9]{{6}})(?:-([2-{MOST_REQUESTS}]))?")


class Life(NamedTuple):
    """One incarnation of one member."""

    member: int
    incarnation: int


class Request(NamedTuple):
    """One of the requests to the process of one incarnation; they are numbered from 1."""

    member: int
    incarnation: int
    number: int

    @property
    def life(self) -> Life:
        """Whose process is asked."""
        return Life(self.member, self.incarnation)


def life(member: int, incarnation: int) -> str:
    """`00003-000001`: one incarnation of one member."""
    return f"{member:0{MEMBER_DIGITS}}-{incarnation:0{INCARNATION_DIGITS}}"


def parse_life(text: str) -> Life:
    """The inverse of `life`.

    Raises:
        KeyRefused: `text` is not the name of an incarnation.
    """
    match = _LIFE.fullmatch(text)
    if match is None:
        raise KeyRefused(f"{text!r} is not MEMBER-INCARNATION")
    return Life(int(match[1]), int(match[2]))


def birth(member: int, incarnation: int) -> str:
    """The record that orders an incarnation."""
    return f"{BIRTHS}{life(member, incarnation)}.json"


def claim(member: int, incarnation: int) -> str:
    """The record by which one process takes a birth."""
    return f"{CLAIMS}{life(member, incarnation)}.json"


def yielded(member: int, incarnation: int, number: int = 1) -> str:
    """The record that asks the process of an incarnation, the so-many-th time, to continue with another birth."""
    return f"{YIELDS}{life(member, incarnation)}{f'-{number}' if number > 1 else ''}.json"


def ended(member: int, incarnation: int) -> str:
    """The record of how the process of an incarnation ended."""
    return f"{ENDS}{life(member, incarnation)}.json"


def gate(number: int) -> str:
    """The record of how far members may train before more is decided; numbered from 1, without gaps."""
    return f"{GATES}{number:0{ROUND_DIGITS}}.json"


def round_(number: int) -> str:
    """The record of one round's decisions."""
    return f"{ROUNDS}{number:0{ROUND_DIGITS}}.json"


def reports_of(number: int) -> str:
    """The prefix of all reports of one round."""
    return f"{REPORTS}{number:0{ROUND_DIGITS}}/"


def report(number: int, member: int, incarnation: int) -> str:
    """The commit record of a ready checkpoint."""
    return f"{reports_of(number)}{life(member, incarnation)}.json"


def saves_of(member: int, incarnation: int) -> str:
    """The prefix of all saves of one incarnation."""
    return f"{SAVES}{life(member, incarnation)}/"


def save(member: int, incarnation: int, step: int) -> str:
    """The commit record of a checkpoint between rounds."""
    return f"{saves_of(member, incarnation)}{step:0{STEP_DIGITS}}.json"


def checkpoints_of(member: int, incarnation: int) -> str:
    """The prefix of all checkpoints of one incarnation."""
    return f"{CHECKPOINTS}{life(member, incarnation)}/"


def checkpoint(member: int, incarnation: int, step: int, nonce: str) -> str:
    """The prefix of one checkpoint's files; the nonce keeps two attempts apart."""
    return f"{checkpoints_of(member, incarnation)}{step:0{STEP_DIGITS}}-{nonce}/"


def spec(number: int) -> str:
    """The accepted spec, as it changed."""
    return f"{SPECS}{number:0{ROUND_DIGITS}}.json"


def owner(number: int) -> str:
    """Who drives this location."""
    return f"{OWNERS}{number:0{ROUND_DIGITS}}.json"


def result(number: int) -> str:
    """The outcome of a population that ended."""
    return f"{RESULTS}{number:0{ROUND_DIGITS}}.json"


def piece(sha256: str) -> str:
    """A piece of a record that is too large for one object, by the checksum of its bytes."""
    return f"{PIECES}{sha256}.json"


def life_in(key: str) -> Life:
    """The incarnation that the key of a birth, claim, yield, end, report or save speaks of.

    Raises:
        KeyRefused: it is none of these.
    """
    stem = key.removesuffix(".json")
    match stem.split("/") if stem != key else []:
        case ["births" | "claims" | "ends", text]:
            return parse_life(text)
        case ["yields", _]:
            return request_in(key).life
        case ["reports", number, text] if _is_number(number, digits=ROUND_DIGITS):
            return parse_life(text)
        case ["saves", text, number] if _is_number(number, digits=STEP_DIGITS):
            return parse_life(text)
        case _:
            raise KeyRefused(f"{key!r} is no birth, claim, yield, end, report or save")


def request_in(key: str) -> Request:
    """The life and the number in the key of a yield.

    Raises:
        KeyRefused: it is none.
    """
    match = _REQUEST.fullmatch(key.removeprefix(YIELDS).removesuffix(".json"))
    if match is None or key != f"{YIELDS}{match[0]}.json":
        raise KeyRefused(f"{key!r} is no yield")
    return Request(*parse_life(match[1]), int(match[2] or 1))


def step_in(key: str, interval_steps: int) -> int:
    """The step of a report or save, as far as its key tells: the last round may end before its full interval.

    Raises:
        KeyRefused: it is neither.
    """
    match key.split("/"):
        case ["reports", number, _]:
            return number_in(number) * interval_steps
        case ["saves", _, step]:
            return number_in(step)
        case _:
            raise KeyRefused(f"{key!r} is no report or save")


def numbers(names: Iterable[str]) -> Iterator[int]:
    """The numbers of keys of rounds, gates, specs, owners or results.

    Names that no record is ever written under may lie there too, and are left out.
    """
    stems = (PurePosixPath(name).stem for name in names if name.endswith(".json"))
    return (int(stem) for stem in stems if _is_number(stem, digits=ROUND_DIGITS))


def newest_number(names: Iterable[str]) -> int:
    """The highest of the `numbers`; 0 if there is none."""
    return max(numbers(names), default=0)


def number_in(key: str) -> int:
    """The number in the name of a round, gate, spec, owner or result record.

    Raises:
        KeyRefused: the key doesn't end in `NUMBER.json`.
    """
    stem = key.rsplit("/", 1)[-1].removesuffix(".json")
    if not _is_number(stem, digits=len(stem)):
        raise KeyRefused(f"{key!r} doesn't end in NUMBER.json")
    return int(stem)


def _is_number(text: str, *, digits: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) == digits
