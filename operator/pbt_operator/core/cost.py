"""What the requests to the store cost, estimated from what trainers report: dollars for each member and day.

For a member that reports every R seconds of training, with a checkpoint that takes U requests to upload:

    dollars per day = 86400 / R x ((U + 1) x WRITE + READ) + 86400 / poll x (WRITE / members + READ, 2 if in place)

The one is its report, which the operator reads; the last term is the listing that all members share, and the member's
looks: for a request to make room, and in place for its successor. Births, claims and the checkpoints that losers
download come on top with each exploit, and are small beside it. Prices are S3's list prices (us-east-1, 2026): a bill
may differ, a store of one's own has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pbt_operator.core.news import News

WRITE_DOLLARS = 5e-6  # PUT, POST, LIST
READ_DOLLARS = 4e-7  # GET
DAY_SECONDS = 86400.0
PAGE_KEYS = 1000
SHORTEST_SECONDS = 1e-6  # no interval is shorter; the cost of one that says so would be no number


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate.

    Attributes:
        per_report: requests for a report, its checkpoint and its reading included.
        dollars_per_member_day: at the pace of the newest reports.
    """

    per_report: float
    dollars_per_member_day: float


@dataclass(frozen=True, slots=True)
class Usage:
    """The requests of all members at the pace of their newest reports.

    Attributes:
        members: how many of them have reported.
        writes: requests to write one report of each, its checkpoint included.
        dollars_per_day: for reports and checkpoints of all of them.
    """

    members: int
    writes: int
    dollars_per_day: float

    def estimate(self, *, poll_seconds: float, members: int, in_place: bool) -> Cost | None:
        """The estimate for a population of so many members; None before the first report."""
        if not self.members:
            return None
        pages = -(-members // PAGE_KEYS)
        polls = DAY_SECONDS / poll_seconds
        looks = (2 if in_place else 1) * READ_DOLLARS
        shared = polls * (pages * WRITE_DOLLARS / members + looks)
        return Cost(self.writes / self.members + 1, max(0.0, self.dollars_per_day) / self.members + shared)


class Costs:
    """The newest report of each member, as far as it costs anything."""

    def __init__(self) -> None:
        """Knows of no report yet."""
        self._writes: dict[int, tuple[int, float]] = {}  # by member: requests to write, and seconds between
        self._num_writes, self._dollars = 0, 0.0

    def learn(self, news: News) -> None:
        """Takes a new report; saves and those that took no time say nothing of the pace."""
        if news.round is None or news.seconds < SHORTEST_SECONDS:
            return
        before = self._writes.get(news.member)
        if before is not None:
            self._count(*before, sign=-1)
        found = (news.writes, news.seconds)
        self._writes[news.member] = found
        self._count(*found, sign=1)

    def _count(self, writes: int, seconds: float, *, sign: int) -> None:
        self._num_writes += sign * writes
        self._dollars += sign * DAY_SECONDS / seconds * (writes * WRITE_DOLLARS + READ_DOLLARS)

    @property
    def usage(self) -> Usage:
        """What is known now."""
        return Usage(members=len(self._writes), writes=self._num_writes, dollars_per_day=self._dollars)


def to_status(cost: Cost | None) -> Mapping[str, float] | None:
    """The estimate as the status shows it, in two digits: it is written only when it moves."""
    if cost is None:
        return None
    return {
        "perReport": float(f"{cost.per_report:.2g}"),
        "dollarsPerMemberDay": float(f"{cost.dollars_per_member_day:.2g}"),
    }
