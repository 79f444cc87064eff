"""What became of the time that trainers ran: it stayed in the story, was thrown away, or no training was done in it.

Records say how long was trained for them; the operator's clock says how long pods ran. What a restart of the operator
hides is left out rather than guessed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec.structs import replace

from pbt_contract.records import Report
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.history import History
from pbt_operator.core.outcome import finished
from pbt_operator.core.spec import Spec


class Use(StrEnum):
    """What running time was good for."""

    PRODUCTIVE = "productive"  # recorded, and part of some member's story for good
    DISCARDED = "discarded"  # training that a decision or a crash threw away, recorded or not
    IDLE = "idle"  # starting, waiting at a gate, restoring, for an upload, leaving


@dataclass
class _Account:
    """The time of one pod that no record has explained yet.

    Attributes:
        seconds: that it has run since its newest record; None while nobody knows since when.
        incarnation: the newest birth of its member.
        lost: how many of the seconds had passed when it was written; in place, the training up to there is lost.
    """

    pod: str
    incarnation: int
    seconds: float | None
    lost: float = 0.0


class Usage:
    """The running time of one population's pods."""

    def __init__(self, history: History, *, now: float) -> None:
        """Begins to look; what was decided before has been counted before."""
        self._history, self._at = history, now
        self._feed = history.follow()
        self._recorded: dict[tuple[int, int], int] = {}
        self._accounts: dict[int, _Account] | None = None
        known = [record for member in history.members for record in history.records(member)]
        self._unsettled = [
            record
            for record in self._new_of(known)
            if record.step > self._decided_step and history.counts(record)
        ]

    def update(self, pods: Iterable[Pod], spec: Spec, *, ended: bool, now: float) -> Mapping[Use, float]:
        """The seconds that found their use since the last time, of all pods together.

        Args:
            pods: as they are now.
            spec: what is asked.
            ended: whether nothing will be decided any more.
            now: by the same clock as before.
        """
        used = dict.fromkeys(Use, 0.0)
        accounts = self._accounts or {}
        for account in accounts.values():
            if account.seconds is not None:
                account.seconds += now - self._at
        self._at = now
        ran = {pod.member: pod.placed_for for pod in pods}
        for told in self._new_of(self._feed.take_records()):
            record = _as_far_as(told, ran.get(told.member))
            self._unsettled.append(record)
            if record.member in accounts:
                _balance(accounts[record.member], record, used)
        self._accounts = self._follow(accounts, pods)
        for member, account in accounts.items():
            if self._accounts.get(member) is not account:
                use = Use.IDLE if finished(self._history, member, spec) else Use.DISCARDED
                used[use] += max(0.0, account.seconds or 0.0)
        self._settle(used, ended=ended)
        return used

    def _follow(self, accounts: Mapping[int, _Account], pods: Iterable[Pod]) -> dict[int, _Account]:
        """The accounts of the pods that run now; those of pods that are new begin empty."""
        now = {}
        for pod in pods:
            birth = self._history.newest_birth(pod.member)
            if pod.phase is not Phase.RUNNING or birth is None:
                continue
            account = accounts.get(pod.member)
            if account is None or account.pod != pod.uid:
                seconds = None if self._accounts is None else 0.0
                account = _Account(pod.uid, birth.incarnation, seconds)
            elif account.incarnation != birth.incarnation:
                account.incarnation, account.lost = birth.incarnation, max(0.0, account.seconds or 0.0)
            now[pod.member] = account
        return now

    def _settle(self, used: dict[Use, float], *, ended: bool) -> None:
        """A record is sure to stay in the story once a round at its step or a later one is decided."""
        unsettled = []
        for record in self._unsettled:
            if not self._history.counts(record):
                used[Use.DISCARDED] += record.seconds
            elif ended or record.step <= self._decided_step:
                used[Use.PRODUCTIVE] += record.seconds
            else:
                unsettled.append(record)
        self._unsettled = unsettled

    @property
    def _decided_step(self) -> int:
        newest = self._history.newest_round
        return newest.step if newest else 0

    def _new_of(self, records: Iterable[Report]) -> list[Report]:
        """Those that weren't seen before; an incarnation makes them in the order of their steps."""
        new = []
        for record in records:
            life = record.life
            if record.step > self._recorded.get(life, -1):
                self._recorded[life] = record.step
                new.append(record)
        return new


def _as_far_as(record: Report, ran: float | None) -> Report:
    """The record, with no more seconds than its pod ran for, as far as that is known: trainers may say anything."""
    return record if ran is None or record.seconds <= ran else replace(record, seconds=ran)


def _balance(account: _Account, record: Report, used: dict[Use, float]) -> None:
    """A record explains the time that was trained for it; the rest was waiting, and a debt is carried on."""
    lost = account.lost if record.incarnation >= account.incarnation else 0.0
    left = 0.0 if account.seconds is None else account.seconds - lost - record.seconds
    used[Use.DISCARDED] += lost
    used[Use.IDLE] += max(0.0, left)
    account.seconds, account.lost = min(0.0, left), 0.0
