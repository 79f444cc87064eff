"""Runs a population on this machine: the reconcile of the cluster over processes, a folder and a terminal."""

import fcntl
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from pbt_contract.assignment import Assignment
from pbt_contract.errors import PbtError, StoreUnavailable
from pbt_contract.stores import Store, open_store
from pbt_contract.stores.probe import probe
from pbt_operator.control.events import Event
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Reconciler
from pbt_operator.core.history import History
from pbt_operator.core.spec import Restart
from pbt_operator.core.status import PopulationPhase, Result
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.population import Population, as_now, changed_identity, recorded, to_core, to_wire
from pbt_operator.manifest.template import trainer_container
from pbt_operator.records import results, specs
from pbt_operator.records.repository import Repository
from pbt_operator.runners.local.display import Display, view
from pbt_operator.runners.local.gpus import Gpus
from pbt_operator.runners.local.processes import LocalPods
from pbt_operator.runners.local.warden_link import WardenLink

POLL_SECONDS = {"file": 0.1, "s3": 1.0}
LOCK_SECONDS = 20.0  # a runner that was killed leaves its warden a moment to end the trainers
NAMESPACE = "local"


class Busy(PbtError):
    """Another runner drives the population."""


class Stopped(Exception):
    """Somebody asked the runner to stop; it did, and the same command goes on later."""


class LocalRunner:
    """One population on this machine."""

    def __init__(
        self, population: Population, *, source: str, base: str, parallelism: int | None, display: Display
    ) -> None:
        """Checks everything that can be checked before a process is started.

        Args:
            population: the manifest.
            source: where it was read from.
            base: a folder or s3:// URL; the population's location is below it, under its name.
            parallelism: how many members train at once; the manifest's where None.
            display: what shows the run.

        Raises:
            ManifestError: the template can't run here, or what identifies the experiment has changed.
            StoreRefused: the location can't be used.
        """
        self._name = population.metadata.name
        self._template, self._source = population.spec.template, source
        container = trainer_container(self._template, source=source)
        self._grace_seconds = container.grace_seconds
        self._store, self.home = _open(base, self._name)
        probe(self._store)
        known = specs.newest(self._store)
        if known is not None:
            changed = changed_identity(recorded(known), population.spec)
            if changed:
                remedy = "give the population another name, or run it in another --dir"
                told = f"changed since {self._store.url} was begun; it identifies the experiment: {remedy}"
                raise ManifestError(source, [Problem((path,), told) for path in changed])
        self._gpus = Gpus.of_this_machine()
        manifest = population.spec
        if parallelism is not None:
            manifest = manifest.model_copy(update={"parallelism": parallelism})
        elif container.gpus and self._gpus.names:
            room = max(1, len(self._gpus.names) // container.gpus)
            manifest = manifest.model_copy(update={"parallelism": min(room, manifest.parallelism or room)})
        # How many train at once here is not part of what was asked: the record is the manifest's.
        self._spec, self._wire = to_core(manifest), to_wire(population.spec)
        self._display = display
        self._signals = 0

    def run(self) -> Result:
        """Runs to the end.

        Raises:
            Stopped: by SIGINT or SIGTERM, with every trainer saved and ended.
            Busy: another runner drives this location.
        """
        with _locked(self.home / "runner.lock") as lock, self._interruptible() as wake:
            record = specs.accept(
                self._store, name=self._name, namespace=NAMESPACE, spec=self._wire, as_now=as_now
            )
            ended = results.newest_result(self._store)
            if ended is not None and ended.spec == record.number:
                return ended
            warden = WardenLink.open(lock=lock)
            pods = LocalPods(
                warden=warden,
                template=self._template,
                source=self._source,
                assignment=self._assignment(),
                parallelism=self._spec.slots,
                logs=self.home / "logs",
                gpus=self._gpus,
            )
            try:
                return self._drive(pods, spec_number=record.number, wake=wake)
            finally:
                warden.close()
                self._display.close()

    def _assignment(self) -> Assignment:
        """What every trainer is told, whichever member it is."""
        return Assignment(
            location=self._store.url,
            member=0,
            incarnation=1,
            pod="",
            hyperparameters={},
            objective=self._spec.objective.metric,
            total_steps=self._spec.schedule.total_steps,
            interval_steps=self._spec.schedule.interval_steps,
            seed=self._spec.seed,
            in_place=self._spec.restart is Restart.IN_PLACE,
            shared_slots=self._spec.shares_slots,
            poll_seconds=self._poll_seconds,
            grace_seconds=self._grace_seconds,
        )

    @property
    def _poll_seconds(self) -> float:
        return POLL_SECONDS["s3" if self._store.url.startswith("s3:") else "file"]

    def _drive(self, pods: LocalPods, *, spec_number: int, wake: socket.socket) -> Result:
        repository = Repository(
            self._store,
            interval_steps=self._spec.schedule.interval_steps,
            on_refused=self._tell_refused,
        )
        repository.load()
        reconciler = Reconciler(
            repository=repository,
            pods=pods,
            clock=time.monotonic,
            spec=self._spec,
            spec_number=spec_number,
            emit=self._display.tell,
        )
        done: PassResult | None = None
        reachable = True
        while True:
            try:
                done = reconciler.run_once()
                reachable = True
            except StoreUnavailable as error:
                if reachable:
                    self._display.tell(
                        Event("StoreUnavailable", f"waiting for the store: {error}", warning=True)
                    )
                reachable = False
            seen = pods.observe()
            self._display.show(view(self._name, repository.history, self._spec, seen))
            if self._signals:
                self._stop_all(pods, wake, repository.history)
                raise Stopped
            if done is not None and done.result is not None and all(pod.ended for pod in seen):
                return done.result
            if self._spec.suspend and not seen:
                raise Stopped
            self._wait(pods, wake)

    def _tell_refused(self, key: str, why: str) -> None:
        self._display.tell(Event("RecordRefused", f"{key} is refused: {why}", warning=True))

    def _wait(self, pods: LocalPods, wake: socket.socket) -> None:
        """Until a process starts or ends, a signal comes, or it is time to look for reports."""
        readable, _, _ = select.select([pods.fileno(), wake.fileno()], [], [], self._poll_seconds)
        if wake.fileno() in readable:
            wake.recv(64)

    def _stop_all(self, pods: LocalPods, wake: socket.socket, history: History) -> None:
        """Every trainer saves and ends; a second signal ends them at once."""
        asked = self._signals
        self._display.tell(
            Event("Stopping", "stopping: the trainers save and end; again to end them at once")
        )
        while self._signals == asked:
            seen = pods.observe()
            self._display.show(view(self._name, history, self._spec, seen))
            running = [pod for pod in seen if not pod.ended]
            if not running:
                return
            for pod in running:
                pods.stop(pod)
            self._wait(pods, wake)

    @contextmanager
    def _interruptible(self) -> Iterator[socket.socket]:
        """Counts SIGINT and SIGTERM, and yields a socket that becomes readable with them."""
        wake, write = socket.socketpair()
        wake.setblocking(False)
        write.setblocking(False)

        def count(_number: int, _frame: FrameType | None) -> None:
            self._signals += 1

        before = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM)}
        descriptor = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        try:
            yield wake
        finally:
            signal.set_wakeup_fd(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)
            wake.close()
            write.close()


def exit_code(result: Result) -> int:
    """0 for Complete, 1 for Failed."""
    return 0 if result.phase is PopulationPhase.COMPLETE else 1


def _open(base: str, name: str) -> tuple[Store, Path]:
    """The population's store, and the folder for its logs and lock: the same one unless the store is remote."""
    if base.startswith("s3:"):
        home = Path("pbt-runs") / name
        home.mkdir(parents=True, exist_ok=True)
        return open_store(f"{base.rstrip('/')}/{name}"), home
    home = Path(base).resolve() / name
    home.mkdir(parents=True, exist_ok=True)
    return open_store(str(home)), home


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Holds the lock of a location, waiting a moment for one that is just being given up.

    Raises:
        Busy: it is held.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode().strip()
                if time.monotonic() > deadline or Path("/proc", holder).is_dir():
                    raise Busy(f"another pbt run (process {holder}) drives {path.parent}") from None
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)
