"""A run's place in its population: its birth, what it restores, and how it goes on as another one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Self

from pbt_contract.assignment import Assignment
from pbt_contract.errors import UsageError
from pbt_contract.records import Birth, Report, Value
from pbt_trainer.courier.link import Link
from pbt_trainer.courier.messages import Offer
from pbt_trainer.log import logger
from pbt_trainer.session.building import Building
from pbt_trainer.session.exit_hooks import ExitHooks
from pbt_trainer.session.hyperparameters import Hyperparameters
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.session.recording import Recording
from pbt_trainer.signals import Termination
from pbt_trainer.state.checkpoint_files import has_state
from pbt_trainer.state.files import FILES, has_files
from pbt_trainer.state.plan import Plan


class Session(Recording):
    """One process of one member, from its claim to its end.

    Attributes:
        building: what the script has built from it.
        files: the folder of the restored checkpoint's own files.
        has_hooks: whether the script has hooks to be called after a restore.
        has_made_room: whether this process has gone on as another member that waited for a slot, or may have: it was
            started anew.
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
        super().__init__(assignment, birth, hp, ranks=ranks, link=link)
        self.building = Building(hp)
        self.files: Path | None = None
        self.has_hooks = False
        self.has_made_room = assignment.started_anew is not None
        self._hooks = hooks

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
                folder, exploit=self.birth.is_seeded, random_state=self._random_state()
            )
        self._restored(report, folder)
        return True

    def become(self, offer: Offer, plan: Plan | None) -> None:
        """Becomes the next incarnation, or another member's, which was claimed already; with its source's state."""
        assert offer.report is not None
        assert offer.folder is not None
        self.begin(offer.birth)
        self.hp.replace(offer.birth.hyperparameters)
        self._holds_state(offer.report)
        if plan is not None:
            plan.apply(self._random_state())
            self._notes += plan.notes
        self._restored(offer.report, Path(offer.folder))
        self._announce()

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
        stored = has_state(report)
        if stored and self.tracked is None:
            self._notes.append("the checkpoint's state was not restored: nothing is tracked")
        elif self.tracked is not None and not stored:
            self._notes.append("the checkpoint holds no state of tracked objects")
        return stored and self.tracked is not None

    def _restored(self, report: Report, folder: Path) -> None:
        if self.tracked is not None and self.birth.is_seeded:
            self.tracked.exploited()
        self.reports_files = has_files(report)
        self.files = folder / FILES if self.reports_files else None
        if self.files is None:
            self.link.restored()

    def _random_state(self) -> Literal["restore"] | tuple[int, ...]:
        if self.birth.is_seeded:
            return self.seed_key
        # A checkpoint holds the random state of rank 0; the other ranks must not draw the same numbers.
        return "restore" if self.ranks.leads else (*self.seed_key, self.birth.start_step)

    def before_exit(self, action: Callable[[], None]) -> None:
        """Calls `action` when the interpreter ends without an uncaught exception, unless this was closed before."""
        self._hooks.before_exit = action

    def close(self) -> None:
        """Ends the courier and stops listening to SIGTERM."""
        self._hooks.close()


def _known(given: Mapping[str, Value], defaults: Mapping[str, Value]) -> Mapping[str, Value]:
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise UsageError(
            f"the manifest has hyperparameters that the script doesn't name: {', '.join(unknown)}; "
            "give each a default in pbt_trainer.join({...})"
        )
    return given
