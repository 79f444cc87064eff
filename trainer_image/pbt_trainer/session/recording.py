"""The records that a process hands over: reports, saves, and what says that a member is done."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import UNSET, UnsetType

from pbt_contract.assignment import Assignment
from pbt_contract.errors import ExitCode, UsageError
from pbt_contract.limits import MAX_NOTE, MAX_NOTES
from pbt_contract.records import Birth, Ending, Report, Value
from pbt_contract.scores import wire_metrics
from pbt_contract.text import shortened
from pbt_trainer.courier.link import Link
from pbt_trainer.exit import leave
from pbt_trainer.session.clock import Clock, process_start
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.state.checkpoint_files import STATE, TENSORS
from pbt_trainer.state.files import snapshot
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked


class Recording:
    """What a process records of the life that it has.

    Attributes:
        assignment: what the process was started for; a takeover in place doesn't change it.
        ranks: this process's place among those of its member.
        link: to the courier.
        birth: the life that this process has; a takeover in place replaces it.
        hp: what the script reads.
        clock: what the process's time goes to.
        tracked: what checkpoints hold; None for a script that keeps nothing, or only files.
        recorded_step: of the newest record, or of the start.
        reports_files: whether the newest checkpoint has files of the script's own.
        has_own_record: whether this life has recorded anything.
        reported_last: whether its newest record is a report.
    """

    def __init__(
        self, assignment: Assignment, birth: Birth, hp: Hyperparameters, *, ranks: Ranks, link: Link
    ) -> None:
        """Records nothing yet."""
        self.assignment = assignment
        self.birth = birth
        self.hp = hp
        self.ranks = ranks
        self.link = link
        since = assignment.idle_since
        self.clock = Clock(process_start() if since is None else since, waited=assignment.waited or 0.0)
        self.tracked: Tracked | None = None
        self.recorded_step = birth.start_step
        self.reports_files = self.has_own_record = self.reported_last = False
        self._staging: Staging | None = None
        self._notes: list[str] = []
        self._unread_noted = False

    def begin(self, birth: Birth) -> None:
        """A new life begins, which has recorded nothing."""
        self.birth = birth
        self.clock.begin()
        self.recorded_step = birth.start_step
        self.has_own_record = self.reported_last = False
        if self._staging is not None and self.link.dropped:  # the former life's upload may still read it
            self._staging.close()
            self._staging = None

    def prepare(self) -> None:
        """Makes memory ready for the next checkpoint, once the state has its full size: after a step."""
        if self.tracked is not None and self.ranks.leads and not self.link.uploading:
            self._staging = self._staging or Staging.create()
            self.tracked.prepare(self._staging)

    def report(
        self,
        step: int,
        *,
        metrics: Mapping[str, float | list[float]],
        files: Path | None,
        ending: Ending | UnsetType = UNSET,
    ) -> None:
        """Hands a ready report over; training stops for the copy of the state, and for an upload under way.

        Args:
            step: that was evaluated.
            metrics: numbers, or lists of them.
            files: a directory to take along.
            ending: the member is done with it.

        Raises:
            UsageError: the objective is missing.
            StateError: an object or a file can't be kept.
        """
        objective = self.assignment.objective
        if objective not in metrics:
            given = ", ".join(sorted(metrics)) or "nothing"
            raise UsageError(f"the report lacks the objective's metric {objective!r}; it has {given}")
        number = -(-step // self.assignment.interval_steps)
        if not self.ranks.leads:
            return
        if not self._record(step, number=number, metrics=metrics, files=files, ending=ending):
            leave(ExitCode.DONE, f"the grace period ended before step {step} could be stored")

    def save(
        self,
        step: int,
        *,
        metrics: Mapping[str, float | list[float]] = MappingProxyType({}),
        files: Path | None = None,
        ending: Ending | UnsetType = UNSET,
    ) -> None:
        """Hands a checkpoint between two rounds over, if the grace period leaves time to."""
        self._record(step, number=None, metrics=metrics, files=files, ending=ending)

    def mark(self, *, ending: Ending | UnsetType = UNSET) -> None:
        """Says of this life's newest checkpoint that the member is done, or else that it is to go on from there."""
        if self.link.flush():
            self.link.mark(self._made(self.recorded_step, number=None, metrics={}, ending=ending))
            self.reported_last = False

    def peek_notes(self) -> list[str]:
        """What the next record is going to tell."""
        return list(self._notes)

    def note(self, text: str) -> None:
        """What a person should know of the next record."""
        self._notes.append(text)

    def _record(
        self,
        step: int,
        *,
        number: int | None,
        metrics: Mapping[str, float | list[float]],
        files: Path | None,
        ending: Ending | UnsetType,
    ) -> bool:
        """False if the grace period ended while an earlier upload was waited for."""
        seconds = self.clock.training
        if not self.link.flush():
            return False
        report = self._made(step, number=number, metrics=metrics, seconds=seconds, ending=ending)
        self._hand_over(report, files)
        self.recorded_step = step
        self.reports_files = files is not None
        self.has_own_record, self.reported_last = True, number is not None
        return True

    def _made(
        self,
        step: int,
        *,
        number: int | None,
        metrics: Mapping[str, float | list[float]],
        seconds: float = 0.0,
        ending: Ending | UnsetType,
    ) -> Report:
        spent = self.clock.take()
        return Report(
            member=self.birth.member,
            incarnation=self.birth.incarnation,
            step=step,
            round=number,
            metrics=wire_metrics(metrics),
            hyperparameters=self.birth.hyperparameters,
            effective=_finite(self.tracked.effective(self.birth.hyperparameters)) if self.tracked else {},
            checkpoint="",  # the courier's to choose
            files=[],
            seconds=seconds,
            waited=spent.waited,
            starting=spent.starting,
            notes=self._take_notes(),
            ending=ending,
        )

    def _hand_over(self, report: Report, files: Path | None) -> None:
        spool = None
        if files is not None:
            spool = self.link.spool()
            snapshot(files, spool)
        if self.tracked is None:
            self.link.upload(report, memory={}, spool=spool)
            return
        self._staging = self._staging or Staging.create()
        captured = self.tracked.capture(self._staging)
        with open(os.memfd_create(STATE), "wb") as tree:  # noqa: PTH123 - a descriptor
            tree.write(captured.tree)
            tree.flush()
            memory = {STATE: (tree.fileno(), len(captured.tree))}
            if captured.num_bytes:
                memory[TENSORS] = (self._staging.fd, captured.num_bytes)
            self.link.upload(report, memory=memory, spool=spool)

    def _take_notes(self) -> list[str]:
        notes, self._notes = self._notes, []
        if not self._unread_noted:
            self._unread_noted = True
            unread = sorted(self.birth.hyperparameters.keys() - self.hp.read)
            notes += [f"{name} was never read from run.hp" for name in unread]
        return [shortened(note, MAX_NOTE) for note in notes[:MAX_NOTES]]


def _finite(effective: Mapping[str, Value | list[Value]]) -> dict[str, Value | list[Value]]:
    """Without what JSON can't hold: an option may have become NaN."""

    def holds(value: Value) -> bool:
        return not isinstance(value, float) or math.isfinite(value)

    return {
        name: value
        for name, value in effective.items()
        if all(map(holds, value if isinstance(value, list) else [value]))
    }
