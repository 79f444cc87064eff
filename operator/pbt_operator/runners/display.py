"""What a person sees while a population trains: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from msgspec import UNSET
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pbt_contract.records import Value
from pbt_contract.text import one_line, shortened
from pbt_operator.control.events import Event
from pbt_operator.control.pods import Pod, activity
from pbt_operator.core.forecast import forecast_of
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Best, Forecast, SecondsSpent
from pbt_operator.core.status_builder import going_on, seconds_of, state_of
from pbt_operator.core.time_words import forecast_text, spent_text

SHOWN_MEMBERS = 32
SHOWN_EVENTS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One member's line of the table."""

    member: int
    state: str
    step: int
    score: float | None
    hyperparameters: dict[str, Value]
    last: str


@dataclass(frozen=True, slots=True)
class View:
    """The whole table.

    Attributes:
        times: lines of what the processes' time went to, and of what is left, as far as that is known.
    """

    name: str
    round: int
    last_round: int
    best: Best | None
    rows: list[Row]
    times: Sequence[str] = ()


def view(name: str, history: History, spec: Spec, pods: Sequence[Pod]) -> View:
    """What is to be shown now."""
    live = {pod.member: pod for pod in pods if not pod.ended}
    return View(
        name=name,
        round=history.decided,
        last_round=spec.schedule.last_round,
        best=Best.of(history.best(spec.objective)),
        rows=[
            _row(member, history, spec, live.get(member))
            for member in history.members
            if member < spec.members
        ],
        times=list(_times(history, spec)),
    )


def _times(history: History, spec: Spec) -> Iterator[str]:
    spent = UNSET if history.ledger is None else seconds_of(history.ledger)
    left = forecast_of(history, spec, going_on(history, spec))
    if isinstance(spent, SecondsSpent) and spent.total:
        yield f"time  {spent_text(spent)}"
    if isinstance(left, Forecast):
        yield f"left  {forecast_text(left)}"


def _row(member: int, history: History, spec: Spec, pod: Pod | None) -> Row:
    birth = history.newest_birth(member)
    assert birth is not None, "a member has a birth"
    reports = history.line_reports(member)
    line = history.line(member)[-1]
    return Row(
        member=member,
        state=state_of(history, member, spec, active=activity(pod)).lower(),
        step=history.position(member),
        score=reports[-1].score(spec.objective.metric) if reports else None,
        hyperparameters={h.name: birth.hyperparameters[h.name] for h in spec.hyperparameters},
        last=f"{line.cause.value.lower()} at {line.start_step}: {line.reason}",
    )


class Display(Protocol):
    """Shows a run."""

    def tell(self, event: Event) -> None:
        """Something happened."""
        ...

    def show(self, now: View) -> None:
        """This is how it stands."""
        ...

    def close(self) -> None:
        """Nothing more is shown."""
        ...


def display_for(stream: TextIO) -> Display:
    """The live table if there is a terminal to draw on."""
    return LiveTable.open(Console(file=stream)) if stream.isatty() else Lines()


class Lines:
    """A line for each event, for logs and pipes."""

    def tell(self, event: Event) -> None:
        """See `Display.tell`."""
        print(f"{'warning: ' if event.warning else ''}{one_line(event.message)}", flush=True)

    def show(self, now: View) -> None:
        """See `Display.show`: the events say it all."""

    def close(self) -> None:
        """See `Display.close`."""


class LiveTable:
    """A table that is redrawn in place, with the newest events below."""

    def __init__(self, console: Console) -> None:
        """Draws nothing yet; see `open`."""
        self._events: list[Event] = []
        self._live = Live(console=console, auto_refresh=False, transient=False)

    @classmethod
    def open(cls, console: Console) -> "LiveTable":
        """Takes the terminal."""
        table = cls(console)
        table._live.start()
        return table

    def tell(self, event: Event) -> None:
        """See `Display.tell`."""
        self._events = [*self._events, event][-SHOWN_EVENTS:]

    def show(self, now: View) -> None:
        """See `Display.show`."""
        self._live.update(self._draw(now), refresh=True)

    def close(self) -> None:
        """See `Display.close`."""
        self._live.stop()

    def _draw(self, now: View) -> RenderableType:
        rows = now.rows[:SHOWN_MEMBERS]
        names = list(rows[0].hyperparameters) if rows else []
        titles = ["member", "state", "step", "score", *names]
        cells = [
            [str(row.member), row.state, str(row.step), short(row.score)]
            + [short(row.hyperparameters.get(name)) for name in names]
            for row in rows
        ]
        widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title, width in zip(titles, widths, strict=True):
            table.add_column(title, justify="left" if title == "state" else "right", width=width)
        # What is left of the line: else the columns of numbers would be squeezed for it.
        left = max(0, self._live.console.width - sum(widths) - 2 * len(widths))
        table.add_column("last decision"[:left], no_wrap=True)
        for row, values in zip(rows, cells, strict=True):
            style = "bold green" if now.best and row.member == now.best.member else ""
            table.add_row(*map(Text, values), Text(shortened(one_line(row.last), left)), style=style)
        hidden = len(now.rows) - SHOWN_MEMBERS
        best = (
            f"best {short(now.best.score)} (member {now.best.member}, step {now.best.step})"
            if now.best
            else ""
        )
        head = Text(f"{now.name}  round {now.round}/{now.last_round}  {best}", style="bold")
        times = [Text(line, style="dim") for line in now.times]
        more = [Text(f"... and {hidden} more members", style="dim")] if hidden > 0 else []
        events = [Text(one_line(e.message), style="yellow" if e.warning else "dim") for e in self._events]
        for line in events:
            line.no_wrap, line.overflow = True, "ellipsis"
        return Group(head, *times, table, *more, Text(""), *events)


def short(value: Value | None) -> str:
    """A value in few characters."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))
