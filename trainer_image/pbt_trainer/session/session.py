"""A run's place in its population: its birth, what it restores, and the records it hands over."""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pbt_contract.assignment import Assignment
from pbt_contract.errors import ExitCode, UsageError
from pbt_contract.records import Birth, Report, Value
from pbt_contract.scores import wire_metrics
from pbt_trainer.courier.link import Link
from pbt_trainer.courier.messages import Offer
from pbt_trainer.exit import leave
from pbt_trainer.log import logger
from pbt_trainer.session.building import Building
from pbt_trainer.session.exit_hooks import ExitHooks
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.signals import Termination
from pbt_trainer.state.checkpoint_files import STATE, TENSORS
from pbt_trainer.state.files import FILES, has_files, snapshot
from pbt_trainer.state.plan import Plan
from pbt_trainer.state.staging import Staging
from pbt_trainer.state.tracked import Tracked


class Session:
    """One process of one member, from its claim to its end.

    Attributes:
        assignment: what the process was started for; a takeover in place doesn't change it.
        ranks: this process's place among those of its member.
        link: to the courier.
        birth: the life that this process has; a takeover in place replaces it.
        hp: what the script reads.
        building: what the script has built from it.
        tracked: what checkpoints hold; None for a script that keeps nothing, or only files.
        files: the folder of the restored checkpoint's own files.
        recorded_step: of the newest record, or of the start.
        reports_files: whether the newest checkpoint has files of the script's own.
        has_hooks: whether the script has hooks to be called after a restore.
    """

    def __init__(
        self,
        assignment: Assignment,
        birth: Birth,
        hp: Hyperparameters,
        *,
        ranks: Ranks,
        link: Link,
        hooks: ExitHooks,
    ) -> None:
        """Use `open`."""
        self.assignment = assignment
        self.birth = birth
        self.hp = hp
        self.building = Building(hp)
        self.ranks = ranks
        self.link = link
        self.tracked: Tracked | None = None
        self.files: Path | None = None
        self.recorded_step = birth.start_step
        self.reports_files = False
        self.has_hooks = False
        self._hooks = hooks
        self._staging: Staging | None = None
        self._notes: list[str] = []
        self._unread_noted = False
        self._since = time.monotonic()

    @classmethod
    def open(cls, assignment: Assignment, *, ranks: Ranks, defaults: Mapping[str, Value]) -> Self:
        """Listens to SIGTERM, starts the courier and claims the birth; the checkpoint is fetched meanwhile.

        Args:
            assignment: which birth, and where.
            ranks: this process's place among those of its member.
            defaults: every hyperparameter that the script reads.

        Raises:
            UsageError: the birth has a hyperparameter that `defaults` doesn't name.
        """
        termination = Termination(assignment.grace_seconds)
        termination.install()
        link = Link.open(assignment, leads=ranks.leads, ranks=ranks.world, termination=termination)
        hooks = ExitHooks.register(link, termination)
        birth = link.birth()
        hp = Hyperparameters.watched({**defaults, **_known(birth.hyperparameters, defaults)})
        session = cls(assignment, birth, hp, ranks=ranks, link=link, hooks=hooks)
        session._announce()
        return session

    @property
    def seed_key(self) -> tuple[int, ...]:
        """The seed of random state: a population can be repeated, and two clones of a donor differ."""
        return (self.assignment.seed, self.birth.seed_round or 0, self.birth.member, self.ranks.rank)

    # the beginning of a life

    @property
    def succeeded(self) -> bool:
        """Whether the member continues elsewhere, as far as is known here: what this life still does is lost."""
        offer = self.link.offer
        return self.link.replaced is not None or (
            offer is not None and offer.birth.member == self.birth.member
        )

    def restore(self) -> bool:
        """Waits for the checkpoint that the birth names and loads it; False if it names none."""
        fetched = self.link.fetched()
        if fetched.report is None or fetched.folder is None:
            return False
        report, folder = fetched.report, Path(fetched.folder)
        if self._holds_state(report):
            assert self.tracked is not None
            self._notes += self.tracked.restore(
                folder, exploit=self.birth.seed_round is not None, random_state=self._random_state()
            )
        self._restored(report, folder)
        return True

    def become(self, offer: Offer, plan: Plan | None) -> None:
        """Becomes the next incarnation, or another member's, which was claimed already; with its source's state."""
        assert offer.report is not None
        assert offer.folder is not None
        self.birth = offer.birth
        self.hp.replace(offer.birth.hyperparameters)
        self.recorded_step = offer.birth.start_step
        if self._staging is not None and self.link.dropped:  # the former life's upload may still read it
            self._staging.close()
            self._staging = None
        self._holds_state(offer.report)
        if plan is not None:
            plan.apply(self._random_state())
            self._notes += plan.notes
        self._restored(offer.report, Path(offer.folder))
        self._announce()

    def start_clock(self) -> None:
        """Training continues here: the time until the next record is counted."""
        self._since = time.monotonic()

    def _announce(self) -> None:
        """One line by which a log shows whose it is; the operator knows its form (`ANNOUNCEMENT`)."""
        if self.ranks.leads:
            birth = self.birth
            logger.info(
                "member %d, incarnation %d, from step %d: %s",
                birth.member,
                birth.incarnation,
                birth.start_step,
                birth.reason,
            )

    def _holds_state(self, report: Report) -> bool:
        """Whether there is state to restore into tracked objects; notes where only one side has some."""
        stored = STATE in {file.name for file in report.files}
        if stored and self.tracked is None:
            self._notes.append("the checkpoint's state was not restored: nothing is tracked")
        elif self.tracked is not None and not stored:
            self._notes.append("the checkpoint holds no state of tracked objects")
        return stored and self.tracked is not None

    def _restored(self, report: Report, folder: Path) -> None:
        self.reports_files = has_files(report)
        self.files = folder / FILES if self.reports_files else None
        if self.files is None:
            self.link.restored()

    def _random_state(self) -> Literal["restore"] | tuple[int, ...]:
        if self.birth.seed_round is not None:
            return self.seed_key
        # A checkpoint holds the random state of rank 0; the other ranks must not draw the same numbers.
        return "restore" if self.ranks.leads else (*self.seed_key, self.birth.start_step)

    def prepare(self) -> None:
        """Makes memory ready for the next checkpoint, once the state has its full size: after a step."""
        if self.tracked is not None and self.ranks.leads and not self.link.uploading:
            self._staging = self._staging or Staging.create()
            self.tracked.prepare(self._staging)

    # records

    def report(self, step: int, *, metrics: Mapping[str, float | list[float]], files: Path | None) -> None:
        """Hands a ready report over; training stops for the copy of the state, and for an upload under way.

        Args:
            step: that was evaluated.
            metrics: numbers, or lists of them.
            files: a directory to take along.

        Raises:
            StateError: an object or a file can't be kept.
        """
        number = -(-step // self.assignment.interval_steps)
        if self.ranks.leads and not self._record(step, number=number, metrics=metrics, files=files):
            leave(ExitCode.DONE, f"the grace period ended before step {step} could be stored")

    def save(self, step: int) -> None:
        """Hands a checkpoint between two rounds over, if the grace period leaves time to."""
        self._record(step, number=None, metrics={}, files=None)

    def close(self) -> None:
        """Ends the courier and stops listening to SIGTERM."""
        self._hooks.close()

    def _record(
        self,
        step: int,
        *,
        number: int | None,
        metrics: Mapping[str, float | list[float]],
        files: Path | None,
    ) -> bool:
        """False if the grace period ended while an earlier upload was waited for."""
        seconds = time.monotonic() - self._since
        if not self.link.flush():
            return False
        report = Report(
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
            notes=self._take_notes(),
        )
        self._hand_over(report, files)
        self.recorded_step = step
        self.reports_files = files is not None
        return True

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
        return notes


def _known(given: Mapping[str, Value], defaults: Mapping[str, Value]) -> Mapping[str, Value]:
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise UsageError(
            f"the manifest has hyperparameters that the script doesn't name: {', '.join(unknown)}; "
            "give each a default in pbt_trainer.join({...})"
        )
    return given


def _finite(effective: Mapping[str, Value | list[Value]]) -> dict[str, Value | list[Value]]:
    """Without what JSON can't hold: an option may have become NaN."""

    def holds(value: Value) -> bool:
        return not isinstance(value, float) or math.isfinite(value)

    return {
        name: value
        for name, value in effective.items()
        if all(map(holds, value if isinstance(value, list) else [value]))
    }
