"""What the workload noted: the moments of each member, and the gaps at which it went on with a donor's weights."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mark:
    """One moment: `t` in seconds of CLOCK_MONOTONIC."""

    t: float
    what: str
    member: str
    process: str
    more: dict[str, Any]


@dataclass(frozen=True)
class Gap:
    """An exploit as the loser sees it.

    Attributes:
        member: the loser.
        stopped: the end of its last step before.
        restored: when it had the donor's weights.
        began: the begin of its first step with them.
        between: what it noted from `stopped` to `began`, in order.
        ready: the end of the step that it was judged by.
        discarded: how many steps it did after that one.
    """

    member: str
    stopped: float
    restored: float
    began: float
    between: Sequence[Mark]
    ready: float
    discarded: int

    @property
    def seconds(self) -> float:
        """From the loser's last step to its first one with the donor's weights."""
        return self.began - self.stopped

    @property
    def turnaround(self) -> float:
        """From the step that it was judged by to its first one with the donor's weights."""
        return self.began - self.ready

    @property
    def same_process(self) -> bool:
        """Whether the loser went on in its process, be it by a new image."""
        return self.between[0].process == self.between[-1].process

    @property
    def same_image(self) -> bool:
        """Whether no script was started in between."""
        return all(mark.what != "opened" for mark in self.between)

    def parts(self) -> Iterator[tuple[str, float]]:
        """What it consists of, in order; together as long as the gap."""
        if self.same_image:
            yield "take-and-load", self.restored - self.stopped
            yield "go-on", self.began - self.restored
            return
        # The next image's first mark is at the top of the script: the start is all before, its interpreter's included.
        first, imported, joined = (self.moment(what) for what in ("opened", "imported", "joined"))
        yield "stop-and-start", first - self.stopped
        yield "import", imported - first
        yield "claim", joined - imported
        yield "fetch-and-load", self.restored - joined
        yield "go-on", self.began - self.restored

    def moment(self, what: str) -> float:
        """When the loser noted `what` within the gap.

        Raises:
            KeyError: it didn't.
        """
        for mark in self.between:
            if mark.what == what:
                return mark.t
        raise KeyError(what)


def read(folder: Path) -> list[Mark]:
    """All marks of a run in the order of time; a line that was cut off by the end of its process is left out."""
    return parse(path.read_text() for path in folder.glob("*.jsonl"))


def parse(texts: Iterable[str]) -> list[Mark]:
    """All marks in the order of time; lines that are none are left out."""
    found = []
    for text in texts:
        for line in text.splitlines(keepends=True):
            if line.startswith('{"t": ') and line.endswith("\n"):
                told = json.loads(line)
                found.append(
                    Mark(told.pop("t"), told.pop("what"), told.pop("member"), told.pop("process"), told)
                )
    return sorted(found, key=lambda mark: mark.t)


def by_member(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """The marks of each member; those of a process that didn't know yet whose it was go to whose it became."""
    known = {mark.process: mark.member for mark in reversed(marks) if mark.member != "?"}
    members: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        member = known.get(mark.process, "?") if mark.member == "?" else mark.member
        members[member].append(mark)
    members.pop("?", None)
    return members


def gaps(marks: Sequence[Mark], *, interval: int) -> list[Gap]:
    """The exploits of all members: restores of what another member had written, after which a step was begun."""
    found = []
    for member, mine in by_member(marks).items():
        for place, mark in enumerate(mine):
            if mark.what == "restored" and mark.more["donor"] != member:
                gap = _gap(member, mine, place, interval=interval)
                if gap is not None:
                    found.append(gap)
    return found


def bystander_restores(marks: Sequence[Mark]) -> int:
    """How often a member had to go on from its own checkpoint, though nobody had chosen it."""
    return sum(
        mark.what == "restored" and mark.more["donor"] == member
        for member, mine in by_member(marks).items()
        for mark in mine
    )


def pauses(marks: Sequence[Mark], *, allowed: float) -> list[float]:
    """The pauses of bystanders: between two steps of a member without a donor's weights, what exceeds `allowed`.

    Time within report() is the report's own; restores of a member's own checkpoint count.

    Args:
        marks: of a run.
        allowed: seconds between two steps that nobody minds.
    """
    return [pause for mine in by_member(marks).values() for pause in _pauses(mine) if pause > allowed]


def _pauses(mine: Sequence[Mark]) -> Iterator[float]:
    ended: float | None = None
    spent = began = 0.0
    for mark in mine:
        match mark.what:
            case "end":
                ended, spent = mark.t, 0.0
            case "report":
                began = mark.t
            case "reported":
                spent += mark.t - began
            case "restored" if mark.more["donor"] != mark.member:
                ended = None
            case "begin":
                if ended is not None:
                    yield mark.t - ended - spent
            case _:
                pass


def _gap(member: str, mine: Sequence[Mark], place: int, *, interval: int) -> Gap | None:
    ends = [mark for mark in mine[:place] if mark.what == "end"]
    begins = [mark for mark in mine[place:] if mark.what == "begin"]
    if not ends or not begins:
        return None
    stopped, began = ends[-1], begins[0]
    donor_step = int(began.more["step"]) - 1
    judged = [mark for mark in ends if mark.more["step"] % interval == 0 and mark.more["step"] <= donor_step]
    ready = judged[-1] if judged else stopped
    between = [mark for mark in mine if stopped.t <= mark.t <= began.t]
    discarded = sum(mark.t > ready.t for mark in ends)
    return Gap(member, stopped.t, mine[place].t, began.t, between, ready.t, discarded)
