"""The names of reports and saves, as far as members can have made them: anybody may put others beside them."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice

from pbt_contract import keys
from pbt_contract.errors import KeyRefused, RecordRefused
from pbt_contract.keys import Life
from pbt_contract.stores import Store
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.birth_log import by_life
from pbt_operator.records.paged_names import NAMES_A_READ, PagedNames
from pbt_operator.records.refusals import Refusals

NAMES_PER_MEMBER, NAMES_BESIDES = 16, 10_000  # that one listing may show, for each member and besides
SAVES_LISTED = 100_000  # of one life; who has made more goes on from one of these
AFTER_ALL = "~"  # sorts behind whatever a key may hold


class ReportNames:
    """Lists them.

    Attributes:
        last_step: the last one that any accepted spec has asked for.
        seen: those that were dealt with, as far as a listing may show them again.
        held: what the reports of undecided rounds take, if it is more than is held of so many members; else None.
        overrun: how many names the newest listing had when it was broken off; None if it was read to its end.
    """

    def __init__(self, store: Store, refused: Refusals, *, interval_steps: int, last_step: int) -> None:
        """Lists nothing yet; a name past the last step is told by `refused`."""
        self.last_step = last_step
        self.seen: set[str] = set()
        self.held: int | None = None
        self.overrun: int | None = None
        self._store, self._refused, self._interval_steps = store, refused, interval_steps
        self._newest: _Newest | None = None

    def train_to(self, last_step: int) -> None:
        """A spec that asks for so many steps was accepted: reports up to there may come, or have been refused."""
        if last_step > self.last_step:
            self.last_step = last_step
            self.seen.clear()
            self._refused.keep(lambda _key: False)

    def since(self, start: str, allowance: Allowance, *, members: int) -> list[str] | None:
        """All names of reports after `start`; None if they are more than so many members can have made."""
        most = NAMES_BESIDES + NAMES_PER_MEMBER * members
        names = list(islice(self.reports(after=start), most + 1))
        allowance.spend(reads=1 + len(names) // NAMES_A_READ)
        self.overrun = len(names) if len(names) > most else None
        return names if self.overrun is None else None

    def newest_reports(self, born: Mapping[int, int], count: int, allowance: Allowance) -> list[str]:
        """The newest of each member: of its newest incarnations, of their latest rounds; ascending.

        Args:
            born: by member, its newest incarnation. Reports of others are nobody's: the first ones are told.
            count: how many of each member, and of nobody.
            allowance: a page of names counts as a read.

        Returns:
            Nothing where the allowance was spent before: `is_listing`, call it again with another one.
        """
        found = self._newest = self._newest or _Newest(self.all_reports(), born, count)
        for key in found.listed.go_on(allowance):
            found.add(key)
        if not found.listed.is_whole:
            return []
        self._newest = None
        return found.names()

    def all_reports(self) -> PagedNames:
        """The names of all reports, see `reports`."""
        return PagedNames(lambda after: self.reports(after=after))

    @property
    def is_listing(self) -> bool:
        """Whether `newest_reports` has more names to look at."""
        return self._newest is not None

    def newest_save(self, life: Life) -> str | None:
        """The key of the last save of a life."""
        newest = None
        for key in islice(self._store.names(keys.saves_of(*life)), SAVES_LISTED):
            with suppress(KeyRefused):
                if keys.life_in(key) == life and keys.step_in(key, self._interval_steps) <= self.last_step:
                    newest = key
        return newest

    def reports(self, *, after: str) -> Iterator[str]:
        """Up to those of the last round that anybody is asked to train; the first one beyond is told."""
        end = keys.reports_of(-(-self.last_step // self._interval_steps)) + AFTER_ALL
        for key in self._store.names(keys.REPORTS, start_after=after):
            if key <= end:
                yield key
                continue
            with suppress(KeyRefused):
                keys.life_in(key)  # else it is none that any record has
                self._refused.add(key, RecordRefused(f"{key}: is past the last step, {self.last_step}"))
            return


class _Newest:
    """The newest reports of each member among the names so far, which are `listed`."""

    def __init__(self, listed: PagedNames, born: Mapping[int, int], count: int) -> None:
        """See `ReportNames.newest_reports`."""
        self.listed = listed
        self._born, self._count = born, count
        self._reports: dict[int, list[tuple[int, str]]] = {}
        self._of_nobody: list[str] = []

    def add(self, key: str) -> None:
        """Learns of a name, which comes after all that are known."""
        for (member, incarnation), _ in by_life([key]):
            if incarnation > self._born.get(member, 0):
                self._of_nobody += [key] if len(self._of_nobody) < self._count else []
                continue
            known = self._reports.setdefault(member, [])
            known.append((incarnation, key))
            if len(known) > 4 * self._count:
                self._reports[member] = sorted(known)[-self._count :]

    def names(self) -> list[str]:
        """Theirs, ascending, and the first few that are nobody's."""
        newest = [key for found in self._reports.values() for _, key in sorted(found)[-self._count :]]
        return newest + self._of_nobody
