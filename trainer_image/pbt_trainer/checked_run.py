"""A run that is checked: it trains to its first report, tries what may become of a member, and ends."""

import atexit
import hashlib
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pbt_contract import keys
from pbt_contract.assignment import Assignment
from pbt_contract.check import Findings, Order
from pbt_contract.encoding import decode_report
from pbt_contract.errors import PbtError
from pbt_contract.records import Report
from pbt_contract.scores import wire_metrics
from pbt_contract.stores import open_store
from pbt_trainer.run import Run
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.metrics import plain
from pbt_trainer.session.proposal import Declined
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.session.session import Session
from pbt_trainer.session.tried import Tried, another, build_mistakes, read_in_build
from pbt_trainer.session.verdict import Verdict
from pbt_trainer.state.compared import differences
from pbt_trainer.state.optional import Optional
from pbt_trainer.state.random_state import generators

_TELL_SECONDS = 1.0


def settled(
    assignment: Assignment, order: Order, *, total_steps: int, interval_steps: int
) -> tuple[Assignment, int]:
    """What a checked process is told, and the interval that it would have: its first report comes early.

    Args:
        assignment: as it was told.
        order: of the check.
        total_steps: of the script itself.
        interval_steps: likewise.
    """
    if not order.has_manifest:
        assignment = replace(assignment, total_steps=total_steps, interval_steps=interval_steps)
    known = assignment.interval_steps
    return replace(assignment, interval_steps=min(known, max(order.steps, 1))), known


class CheckedRun(Run):
    """See `Run`. What it finds out is in a file after each stage, whatever becomes of the process.

    One that began with a checkpoint ends after its first report. Any other ends after the step that follows it: by then
    its state is another one than the checkpoint's, as it is where a member swaps.
    """

    def __init__(
        self,
        hp: Hyperparameters,
        *,
        total_steps: int,
        interval_steps: int,
        ranks: Ranks,
        member: Session,
        order: Order,
        folder: Path,
        usual_interval: int,
    ) -> None:
        """Use `begin`."""
        super().__init__(
            hp, total_steps=total_steps, interval_steps=interval_steps, ranks=ranks, member=member
        )
        self._order, self._folder, self._session = order, folder, member
        self._objects: dict[str, Any] = {}
        self._boundary = self._told = time.monotonic()
        self._seconds: dict[int, float] = {}
        self._findings = Findings(
            hyperparameters=hp.peek(),
            total_steps=total_steps,
            interval_steps=usual_interval,
            due=min((self.step // interval_steps + 1) * interval_steps, total_steps),
        )

    @classmethod
    def begin(cls, hp: Hyperparameters, **given: Any) -> Self:
        """A run that tells from its beginning to the end of the process; takes what `__init__` does."""
        run = cls(hp, **given)
        run._tell()
        atexit.register(run._tell)
        return run

    def track(self, **objects: Any) -> None:
        """See `Run.track`."""
        self._note_random("track")
        super().track(**objects)
        self._objects = {name: _bare(value) for name, value in {**objects, **self.built}.items()}
        self._findings.tracked = {name: type(value).__name__ for name, value in self._objects.items()}
        if self.parent is not None and self._tracked is not None:
            self._findings.notes += self._session.peek_notes()
            report, folder = self._stored(self.parent.record)
            if report.files:
                self._findings.loaded = self._differences(folder, newborn=True)
        self._tell()

    def report(self, metrics: Mapping[str, Any], *, files: str | os.PathLike[str] | None = None) -> None:
        """See `Run.report`."""
        self._take_objective(metrics)
        super().report(metrics, files=files)
        self._reported(metrics)

    def finish(
        self, metrics: Mapping[str, Any] | None = None, *, files: str | os.PathLike[str] | None = None
    ) -> None:
        """See `Run.finish`."""
        is_report = self.due
        if metrics is not None:
            self._take_objective(metrics)
        super().finish(metrics, files=files)
        if is_report and metrics is not None:
            self._reported(metrics)
            self._examine()

    def _begin_loop(self) -> None:
        begins = not self.hp.looping
        super()._begin_loop()
        if begins:
            self._note_random("loop")
            self._tell()

    def _between_steps(self, member: Session) -> tuple[Verdict, bool]:
        now = time.monotonic()
        self._seconds[self.step] = now - self._boundary
        member.clock.end_step()
        member.link.termination.listen()
        member.link.poll()
        if member.link.termination.requested:
            return Verdict.TERMINATE, False
        if self._is_over():
            self._examine()
            return Verdict.TERMINATE, False
        if self.step == self._start_step:
            member.clock.train()
        if now > self._told + _TELL_SECONDS:
            self._tell()
        self._boundary = time.monotonic()
        return Verdict.GO, False

    def _is_over(self) -> bool:
        if self.step >= self.total_steps:
            return True
        has_reported = self._findings.record is not None
        return has_reported and (self.parent is not None or self.step > self._reported_step)

    def _examine(self) -> None:
        """All that is asked at the end; by rank 0 alone, as if there were no others."""
        member, found = self._session, self._findings
        if not self._leads:
            return
        found.unread = sorted(self.hp.peek().keys() - self.hp.read)
        if found.record is not None and member.link.flush() and self.parent is None:
            self._time()
            report, folder = self._stored(found.record)
            self._try(Tried(member, report, folder), holds_state=bool(report.files), folder=folder)
        found.done = True
        self._tell()

    def _try(self, tried: Tried, *, holds_state: bool, folder: Path) -> None:
        found, member = self._findings, self._session
        found.build = [] if self._tracked is None else build_mistakes(member)
        built = set() if found.build or self._tracked is None else read_in_build(member)
        for name, value in self.hp.peek().items():
            other = self._order.changes.get(name) if self._order.has_manifest else another(value)
            found.swaps.append(tried.swap(name, other, built=name in built))
        if found.build or self._tracked is None or not holds_state:
            return
        try:
            found.notes += tried.restore()
        except Declined as reason:
            found.notes.append(f"not restored in the running process: {reason}")
        except PbtError as error:
            found.restored = [str(error)]
        else:
            found.restored = self._differences(folder, newborn=False)

    def _differences(self, folder: Path, *, newborn: bool) -> list[str]:
        """Objects that let go of what another policy came to are left out of a newborn's."""
        assert self._tracked is not None
        lets_go = [name for name, each in self._objects.items() if hasattr(type(each), "__pbt_exploited__")]
        return differences(self._tracked, folder, newborn=newborn, without=lets_go if newborn else ())

    def _stored(self, key: str) -> tuple[Report, Path]:
        """A record, and where the files of its checkpoint are: the store is a folder of this machine."""
        store = open_store(self._session.assignment.location)
        report = decode_report(store.read(key), key=key)
        folder = self._folder
        for file in report.files:
            if "/" not in file.name:
                folder = store.fetch(report.checkpoint + file.name, file, self._folder).parent
        return report, folder

    def _take_objective(self, metrics: Mapping[str, Any]) -> None:
        """Without a manifest any metric may be the objective."""
        if not self._order.has_manifest and metrics:
            member = self._session
            member.assignment = replace(member.assignment, objective=str(next(iter(metrics))))

    def _reported(self, metrics: Mapping[str, Any]) -> None:
        number = -(-self.step // self.interval_steps)
        self._findings.record = keys.report(number, self.member, self.incarnation)
        self._findings.metrics = wire_metrics(plain(metrics))
        self._tell()

    def _time(self) -> None:
        steps = [seconds for step, seconds in self._seconds.items() if 1 < step != self._reported_step]
        steps = steps or [seconds for step, seconds in self._seconds.items() if step]
        if steps:
            self._findings.step_seconds = statistics.median(steps)
            with_report = self._seconds.get(self._reported_step, 0.0)
            self._findings.report_seconds = max(0.0, with_report - statistics.median(steps))

    def _note_random(self, moment: str) -> None:
        self._findings.random[moment] = {
            name: hashlib.sha256(repr(_plain(each.get())).encode()).hexdigest()
            for name, each in generators().items()
        }

    def _tell(self) -> None:
        self._told = time.monotonic()
        self._findings.step = self.step
        if self._leads:
            self._findings.write(self._folder)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Optional) else value


def _plain(state: Any) -> Any:
    """The state of a generator as numbers alone: arrays and tensors show themselves shortened."""
    if hasattr(state, "tolist"):
        return state.tolist()
    return [_plain(each) for each in state] if isinstance(state, list | tuple) else state
