"""Opens a population's location and drives it pass by pass, whichever runner its members run by."""

from collections.abc import Callable
from typing import Generic, TypeVar

from pbt_contract.stores import Store
from pbt_operator.control.decide import decision_event
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import Ownership
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.pods import Pods
from pbt_operator.control.reconcile import Active, Looks, Reconciler
from pbt_operator.control.runner import Runner
from pbt_operator.control.taking import accept, take
from pbt_operator.core.allowance import Allowance, Cursor
from pbt_operator.core.spec import Restart
from pbt_operator.core.status import Result
from pbt_operator.manifest.population import PopulationSpec, as_now, recorded, to_core, to_wire
from pbt_operator.manifest.settled_spec import is_another, settled
from pbt_operator.records import results, specs
from pbt_operator.records.repository import Repository

P = TypeVar("P", bound=Pods)


class Session(Generic[P]):
    """A population that is driven from here; see `open`.

    Attributes:
        store: its location.
        repository: its records.
        pods: the runner's.
        reconciler: drives the ones by the others.
        is_new: whether the location was empty before.
        last: what the newest pass that was finished said; None before the first.
    """

    def __init__(
        self,
        ownership: Ownership,
        repository: Repository,
        pods: P,
        reconciler: Reconciler,
        *,
        is_new: bool,
    ) -> None:
        """Takes what was opened."""
        self._ownership = ownership
        self.store, self.repository = repository.store, repository
        self.pods, self.reconciler = pods, reconciler
        self.is_new = is_new
        self.last: PassResult | None = None

    @classmethod
    def open(
        cls,
        runner: Runner[P],
        manifest: PopulationSpec,
        *,
        ownership: Ownership,
        emit: Callable[[Event], None],
        counts: bool = False,
        active: Active | None = None,
        retry: str | None = None,
        generation: int | None = None,
        allowance: Callable[[], Allowance] = Allowance,
    ) -> "Session[P]":
        """Opens a location and accepts the spec; one that ended under this spec stays so.

        Args:
            runner: where the members run.
            manifest: what is asked; it is recorded.
            ownership: who drives it.
            emit: takes each event at once.
            counts: whether the ledger of the history is kept, for which every birth is read.
            active: see `Reconciler`.
            retry: see `replace_spec`.
            generation: see there.
            allowance: of each piece of what is read.

        Raises:
            AnotherExperiment, LocationTaken, ManifestError: it is another one's, or Auto chooses what is given.
            LocationEmptied, StoreUnavailable: what it stored is gone; the store can't be reached, or refuses.
        """
        opening = Opening(
            runner,
            manifest,
            ownership=ownership,
            emit=emit,
            counts=counts,
            active=active,
            retry=retry,
            generation=generation,
        )
        while (session := opening.go_on(allowance())) is None:
            pass
        return session

    @property
    def retries(self) -> bool:
        """Whether the next pass continues a population that failed."""
        return self.reconciler.retries

    def check_owner(self) -> None:
        """Makes sure that the location is still this population's.

        Raises:
            LocationTaken, LocationEmptied: somebody else drives it, or nobody.
        """
        self._ownership.confirm(self.store)

    def replace_spec(
        self, manifest: PopulationSpec, *, retry: str | None = None, generation: int | None = None
    ) -> None:
        """Records a spec that changed and goes on under it, also where the population has ended.

        Args:
            manifest: what is asked.
            retry: by what somebody asks to continue if it failed; what was asked before asks for nothing.
            generation: of the resource, if that has changed, for whatever changed asks to continue what failed.

        Raises:
            LocationTaken, LocationEmptied: somebody else drives the location, or nobody.
            AnotherExperiment: it is one.
            ManifestError: it gives what strategy Auto chooses.
        """
        self.check_owner()  # else the spec of a former owner would be the one in force
        record = accept(self.store, manifest, self._ownership, retry, generation)
        if record.number == self.reconciler.spec_number:
            return  # in other words, or changed back: what has ended under it stays so
        ended = results.newest_result(self.store)  # before anything is changed: the store may be away
        self.reconciler.replace_spec(to_core(recorded(record)), record.number)
        self.reconciler.take_up(ended)

    def run_pass(self, looks: Looks = Looks.LISTS, allowance: Allowance | None = None) -> PassResult:
        """One pass; see `Reconciler.run_once`.

        Raises:
            StoreUnavailable: the store can't be reached; try again later.
        """
        self.last = self.reconciler.run_once(looks, allowance)
        return self.last

    def newest_exploits(self) -> list[Event]:
        """Those of the newest round again, for whoever can't know whether they were told: none is for nobody else."""
        history = self.repository.history
        decided, told = history.newest_round, []
        for decision in decided.decisions if decided else ():
            birth = history.newest_birth(decision.member)
            if birth is not None and decided is not None and birth.round == decided.number:
                told.append(decision_event(birth, decision))
        return told


class Opening(Generic[P]):
    """A location that was taken and is read piece by piece, until it can be driven; see `Session.open`.

    Attributes:
        manifest: what was asked.
        left: what is left to read.
    """

    def __init__(
        self,
        runner: Runner[P],
        manifest: PopulationSpec,
        *,
        ownership: Ownership,
        emit: Callable[[Event], None],
        counts: bool = False,
        active: Active | None = None,
        retry: str | None = None,
        generation: int | None = None,
    ) -> None:
        """Takes the location and accepts the spec; reads no more than that yet."""
        self._store = store = runner.open_store(manifest)
        self.manifest = manifest
        self._record, self._is_new = take(store, manifest, ownership, emit, retry, generation)
        self._repository = _unread(store, manifest, runner, emit)
        self._runner, self._ownership, self._emit = runner, ownership, emit
        self._counts, self._active, self._is_loaded = counts, active, False
        self._last_step = specs.LastStep(store, readers=runner.readers)
        self.left: Cursor | None = Cursor()

    @property
    def location(self) -> str:
        """Its URL."""
        return self._repository.store.url

    def go_on(self, allowance: Allowance) -> Session[P] | None:
        """Reads on; None if there is more to read than the allowance has."""
        self.left = self._read(allowance)
        if self.left is not None:
            return None
        repository = self._repository
        as_run = _as_run(recorded(self._record), self.manifest, self._runner.parallelism)
        pods = self._runner.open_pods(self._store, as_run)
        reconciler = Reconciler(
            repository=repository,
            pods=pods,
            clock=self._runner.clock,
            spec=to_core(as_run),
            spec_number=self._record.number,
            emit=self._emit,
            active=self._active,
        )
        reconciler.take_up(results.newest_result(repository.store))
        return Session(self._ownership, repository, pods, reconciler, is_new=self._is_new)

    def _read(self, allowance: Allowance) -> Cursor | None:
        repository, asked = self._repository, self.manifest
        if not self._is_loaded:
            if unread := self._last_step.go_on(allowance):
                return Cursor(names=unread)
            repository.names.train_to(self._last_step.found)  # before any name of a report is looked at
            if (left := repository.load(allowance)) is not None:
                return left
            self._is_loaded = True
        if not self._counts:
            return None
        in_place, total_steps = asked.restart is Restart.IN_PLACE, asked.schedule.total_steps
        counted = repository.count(takeovers=in_place, total_steps=total_steps, allowance=allowance)
        return Cursor(names=1) if counted is None else None


def earlier_result(store: Store, manifest: PopulationSpec) -> Result | None:
    """The result of a population that ended under this very spec; None if there is more to do. Writes nothing.

    Raises:
        ManifestError: it gives what strategy Auto chooses.
    """
    known, ended = specs.history(store), results.newest_result(store)
    if known is None or ended is None or ended.spec != known.newest.number:
        return None
    if is_another(manifest, known.first):
        return None
    return ended if specs.is_in_force(known.newest, to_wire(settled(manifest, known)), as_now) else None


def _unread(
    store: Store, manifest: PopulationSpec, runner: Runner[P], emit: Callable[[Event], None]
) -> Repository:
    """The records, of which none is read."""

    def refuse(key: str, why: str) -> None:
        emit(Event("RecordRefused", f"{key} is refused: {why}", warning=True))

    return Repository(
        store,
        interval_steps=manifest.schedule.interval_steps,
        last_step=0,  # until the specs are read
        objective=manifest.objective.metric,
        on_refused=refuse,
        readers=runner.readers,
        is_alone=runner.is_alone,
    )


def _as_run(accepted: PopulationSpec, manifest: PopulationSpec, parallelism: int | None) -> PopulationSpec:
    """What is recorded is the manifest itself, but for the values of `env`: they are the manifest's."""
    own = {} if parallelism is None else {"parallelism": parallelism}
    return accepted.model_copy(update={"template": manifest.template, **own})
