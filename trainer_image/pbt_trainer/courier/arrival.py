"""What a life needs before its first step: its claim, and its checkpoint."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.errors import NotFound
from pbt_contract.records import Report, Started
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.messages import Begin
from pbt_trainer.courier.retry import Retry

SETTLING_SECONDS = 1.0
_LOOK_SECONDS = 0.2

T = TypeVar("T")


class Arrival:
    """How one process comes to its lives."""

    def __init__(self, begin: Begin, retry: Retry) -> None:
        """Does nothing yet.

        Args:
            begin: what to take part in.
            retry: repeats what fails while the store can't be reached.
        """
        self._begin, self._retry = begin, retry

    def claim(self, life: Incarnation) -> bool:
        """Whether the birth is this process's, or its pod's: other ranks than the first wait for that one's claim."""
        if not self._begin.leads:
            while (claimed := self._retry.at_start(life.claimed_by_pod)) is None:
                time.sleep(_LOOK_SECONDS)
            return claimed
        return self._retry.at_start(lambda: self._claim(life))

    def take(self, life: Incarnation, *, why: str | None) -> bool:
        """Whether the birth is this process's, which has trained already.

        Args:
            life: which one.
            why: what keeps the running loop from continuing with it; None where it does.
        """
        started, told = (Started.IN_PLACE, UNSET) if why is None else (Started.ANEW, why)
        return self._retry.later(lambda: life.claim(started, why=told))

    def holder(self, life: Incarnation) -> str:
        """Who has the birth instead, for people."""
        name = f"member {life.member}, incarnation {life.number}"
        if life.holder is not None and life.holder.void:
            return f"{name}: it was closed before this process came"
        return f"{name}: another process has it (pod {life.holder.pod if life.holder else 'unknown'})"

    def fetch(self, life: Incarnation) -> tuple[Report | None, str | None]:
        """The record of the checkpoint to start from, and the folder with its files; None for both without one."""
        report = self.promised(life.source)
        if report is None:
            return None, None
        downloads = self.downloads(life)
        downloads.mkdir(parents=True, exist_ok=True)
        return report, str(self.promised(lambda: life.fetch(report, downloads)))

    def promised(self, action: Callable[[], T]) -> T:
        """Reads what a record names, so it was stored before. A bucket that is being deleted looks empty at first."""
        try:
            return self._retry.at_start(action)
        except NotFound:
            time.sleep(SETTLING_SECONDS)
            return self._retry.at_start(action)

    def downloads(self, life: Incarnation) -> Path:
        """The folder of what is fetched for a life."""
        return Path(self._begin.folder, keys.life(life.member, life.number))

    def forget(self, life: Incarnation) -> None:
        """Removes what was fetched for a life."""
        shutil.rmtree(self.downloads(life), ignore_errors=True)

    def _claim(self, life: Incarnation) -> bool:
        why = self._begin.started_anew
        return life.claim() if why is None else life.claim(Started.ANEW, why=why)
