"""What a training script works with: its run, with steps, reports and hyperparameters."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pbt_contract.errors import ExitCode, UsageError
from pbt_trainer.loop import Advance, Stopped, next_due
from pbt_trainer.session.binding import Binds
from pbt_trainer.session.building import Building, Builds
from pbt_trainer.session.ending import check_given, finish, leave_loop
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.metrics import plain
from pbt_trainer.session.place import Place
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.session.session import Session
from pbt_trainer.session.takeover import consult, last_turn
from pbt_trainer.session.verdict import Verdict
from pbt_trainer.state.files import files_below
from pbt_trainer.state.tracked import Tracked
from pbt_trainer.uncaught import note_loop

Hook = TypeVar("Hook", bound=Callable[["Run"], object])

_ENDS = {Verdict.TERMINATE: Stopped.TERMINATED, Verdict.REPLACED: Stopped.REPLACED}
_CODES = {Stopped.TERMINATED: ExitCode.DONE, Stopped.REPLACED: ExitCode.UNCLAIMED}


class Run(Place, Builds, Binds):
    """One training run: alone, or as a member of a population.

    Attributes:
        hp: the hyperparameters. After a takeover in place the same mapping has new values.
        total_steps: the last step.
        interval_steps: a report is due at each multiple of it, and at the end.
        step: the step being done; before the first one, the step that this run continues from.
        stopped: why the loop ended; None until then.
    """

    def __init__(
        self,
        hp: Hyperparameters,
        *,
        total_steps: int,
        interval_steps: int,
        ranks: Ranks,
        member: Session | None = None,
    ) -> None:
        """Use `join`."""
        if min(total_steps, interval_steps) < 1:
            raise UsageError("total_steps and interval_steps are at least 1")
        Place.__init__(self, member, rank=ranks.rank)
        Builds.__init__(self, member.building if member else Building(hp))
        self.hp = hp
        self.total_steps = total_steps
        self.interval_steps = interval_steps
        self.step = member.birth.start_step if member else 0
        self.stopped: Stopped | None = None
        self._leads = ranks.leads
        self._tracked: Tracked | None = None
        self._start_step = self.step
        self._reported_step = self.step
        self._hooks: list[Callable[[Run], object]] = []
        self._restored: bool | None = None  # None before a restore was tried
        self._lingers = False  # whether `finish` was called, and a member that waits may get this process
        self._left = False  # whether `superseded` has let the script leave this step
        if member:
            member.before_exit(self._leave_loop)

    @property
    def superseded(self) -> bool:
        """Whether what this step does is lost: its member was exploited, and the donor's state is ready here.

        For steps that take long, as an iteration of reinforcement learning does: a script that asks now and then
        within a step may leave the step half-done and continue with `steps` or `advance`; nothing has to be reported
        then. A question costs microseconds. Always False with several ranks, which can only leave a step together.
        """
        if self._member and self._member.ranks.alone and not self._left:
            self._member.link.poll()
            self._left = self._member.succeeded
        return self._left

    @property
    def due(self) -> bool:
        """Whether this step is one to report, and isn't reported yet."""
        return self._is_due and self._reported_step != self.step

    @property
    def _is_due(self) -> bool:
        if self.step <= self._start_step:
            return False
        return self.step % self.interval_steps == 0 or self.step == self.total_steps

    # state

    def track(self, **objects: Any) -> None:
        """Names everything that a checkpoint has to hold, and restores it if there is something to restore.

        Args:
            objects: anything with state_dict and load_state_dict: models, optimizers, schedulers, loaders. What build
                functions return in a dict need not be named again.

        Raises:
            UsageError: it was called before, or too late, or nothing is named.
            StateError: a checkpoint can't keep an object, or the checkpoint doesn't fit it.
        """
        if self._tracked is not None:
            raise UsageError("track() was called before: name everything in one call")
        if self.hp.looping:
            raise UsageError("track() comes before the first step")
        everything = self._building.complete(objects)
        if not everything:
            raise UsageError("track() needs at least one object: run.track(model=model)")
        self._tracked = Tracked(total_steps=self.total_steps)
        for name, tracked in everything.items():
            self._tracked.add(name, tracked, built=name in self.built)
        self._tracked.complete()
        if self._member:
            self._member.tracked = self._tracked
            self._restored = self._member.restore()

    def on_restore(self, hook: Hook) -> Hook:
        """Calls `hook(run)` after each restore, before the next step; a decorator.

        The script may call what is returned as well. Wherever that is, what it reads of `run.hp` reaches the loop.
        """
        reached = self.hp.reached(hook)
        self._hooks.append(reached)
        if self._member:
            self._member.has_hooks = True
        return cast("Hook", reached)

    # the loop

    def steps(self) -> Iterator[int]:
        """The number of each step to do. Ends the process where the loop ends before training does."""
        while self.advance() is not Advance.STOP:
            yield self.step
        self.end()

    def advance(self) -> Advance:
        """Moves on to the next step; for loops that others own. After STOP, call `end`.

        Raises:
            UsageError: a report was due and wasn't made, though the step wasn't `superseded`.
        """
        if self.stopped is not None and not self._lingers:
            return Advance.STOP
        note_loop()
        if self._leads and self.due and not self._left:
            raise UsageError(f"step {self.step} was due and passed without run.report(...)")
        self._begin_loop()
        swapped = False
        if self._member:
            verdict, swapped = self._between_steps(self._member)
            if self._lingers:
                return self._stop(Stopped.FINISHED)
            if verdict in _ENDS:
                return self._stop(_ENDS[verdict])
        self._left = False
        if self.step >= self.total_steps:
            return self._finish()
        self.step += 1
        return Advance.SWAPPED if swapped else Advance.GO

    def finish(
        self, metrics: Mapping[str, Any] | None = None, *, files: str | os.PathLike[str] | None = None
    ) -> None:
        """Says that this member is done, before the last step too, and ends the loop.

        It stays a donor until the next round is decided, and is not compared any more then; nothing replaces it. Where
        members take turns, the loop may go on as one that waits for a slot. Every rank calls this at the same step.

        Args:
            metrics: as of a report. Needed where the step is due; at another step they are kept, and nobody compares
                them.
            files: as of a report.

        Raises:
            UsageError: no step was made, the step is due and has no metrics, or it was reported already and has.
            StateError: a tracked object or a file can't be kept.
        """
        if self.stopped is not None:
            return
        if self.step <= self._start_step:
            raise UsageError("run.finish() comes after a step: in the loop")
        check_given(self.step, is_due=self._is_due, reported=not self.due, metrics=metrics, files=files)
        folder, values = None if files is None else Path(files), plain(metrics or {})
        if self._member and self._member.succeeded:  # what it would say is about a life that is over
            self._stop(Stopped.REPLACED)
            return
        stored = True
        if self._member:
            stored = finish(self._member, self.step, ready=self.due, metrics=values, files=folder)
        elif folder is not None:
            files_below(folder)
        self._reported_step = self.step
        lingers = stored and self._member is not None and self._member.has_made_room
        self._stop(Stopped.FINISHED if stored else Stopped.TERMINATED, lingers=lingers)

    def end(self) -> None:
        """Ends the process if the loop ended early, so that nothing takes a part of a training for the whole.

        Raises:
            UsageError: the step is due and wasn't reported.
            SystemExit: it did; with the exit code that tells why.
        """
        if self.stopped is None and self._leads and self.due and not self._left:
            raise UsageError(f"step {self.step} was due and passed without run.report(...)")
        if (code := _CODES.get(self.stopped or Stopped.FINISHED)) is not None:
            raise SystemExit(int(code))

    def report(self, metrics: Mapping[str, Any], *, files: str | os.PathLike[str] | None = None) -> None:
        """Reports a due step: its metrics and a checkpoint of everything tracked.

        Training stops only for a copy to host memory, and for the previous upload if that isn't done.

        Args:
            metrics: numbers, 0-d tensors, or lists of them (one value for each episode); the objective and
                whatever else is worth keeping.
            files: a directory to take along, for state that `track` can't hold. It is copied before this
                returns, and restored as `run.files`.

        Raises:
            UsageError: the step isn't due or was reported, a value is no number, or the objective is missing.
            StateError: a tracked object or a file can't be kept.
        """
        if self.stopped is not None:
            raise UsageError("the run has ended: nothing can be reported any more")
        if not self.due:
            why = "was reported already" if self._is_due else "is not due"
            raise UsageError(
                f"step {self.step} {why}{next_due(self.step, self.interval_steps, self.total_steps)}"
            )
        values = plain(metrics)
        folder = None if files is None else Path(files)
        if self._member:
            self._member.report(self.step, metrics=values, files=folder)
            self._member.clock.train()
        elif folder is not None:
            files_below(folder)
        self._reported_step = self.step

    def _begin_loop(self) -> None:
        if self.hp.looping:
            return
        self._building.check()
        if self._tracked is not None:
            self._tracked.check_complete()
        if self._member and self._restored is None:
            self._restored = self._member.restore()
        if self._restored:
            self._call_hooks()
        self.hp.looping = True

    def _leave_loop(self) -> None:
        """At the end of the process, if the loop has begun and hasn't ended."""
        goes_on = self.hp.looping and self.stopped is None and self._reported_step < self.total_steps
        if self._member and goes_on:
            leave_loop(self._member, self.step, total_steps=self.total_steps)

    def _between_steps(self, member: Session) -> tuple[Verdict, bool]:
        """What is to be done, and whether another life was taken over; `advance` continues as that."""
        member.clock.end_step()
        if self.step == self._start_step + 1 and self.step < self.total_steps:
            member.prepare()
        swapped = False
        while (verdict := self._consult(member)) is Verdict.SWAP:
            swapped, self.stopped, self._lingers = True, None, False
            self.step = self._start_step = self._reported_step = member.birth.start_step
            self._call_hooks()
        if self.step == self._start_step:
            member.clock.train()
        return verdict, swapped

    def _consult(self, member: Session) -> Verdict:
        if self._lingers:
            return last_turn(member, self.step, Verdict.GO)
        begins, following = self.step == self._start_step, self.step // self.interval_steps + 1
        at_bound = begins or self.step % self.interval_steps == 0
        number = following if at_bound and self.step < self.total_steps else None
        verdict = consult(member, step=self.step, together=begins or self._is_due, number=number)
        return last_turn(member, self.step, verdict) if self.step >= self.total_steps else verdict

    def _call_hooks(self) -> None:
        for hook in self._hooks:
            hook(self)

    def _finish(self) -> Advance:
        stored = self._member is None or self._member.link.flush()
        return self._stop(Stopped.FINISHED if stored else Stopped.TERMINATED)

    def _stop(self, reason: Stopped, *, lingers: bool = False) -> Advance:
        self.stopped, self._lingers = reason, lingers
        if self._member and not lingers:
            self._member.close()
        return Advance.STOP
