"""This machine as a runner: processes instead of pods, a folder or a bucket, and a lock."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pbt_contract.errors import PbtError
from pbt_contract.stores import Store, open_store
from pbt_operator.core.assignments import assign
from pbt_operator.manifest.population import Population, PopulationSpec, to_core
from pbt_operator.manifest.template import trainer_container
from pbt_operator.runners.local.command_check import check_command
from pbt_operator.runners.local.doorbell import Doorbell
from pbt_operator.runners.local.gpus import Gpus
from pbt_operator.runners.local.processes import LocalPods, directory_of, search_path
from pbt_operator.runners.local.run_folder import check_there, open_plain
from pbt_operator.runners.local.starts import Starts
from pbt_operator.runners.local.warden_link import WardenLink

POLL_SECONDS = {"file": 0.1, "s3": 1.0}
LOCK = "runner.lock"
LOCK_SECONDS = 20.0  # a runner that was killed leaves its warden a moment to end the trainers


class Busy(PbtError):
    """Another runner drives the population."""


class LocalRunner:
    """Processes of this machine. See `ForegroundRunner`.

    Attributes:
        clock: seconds, monotonic.
        readers: how many requests of the store are made at once.
        parallelism: how many members train at once; the manifest's where None.
    """

    clock = staticmethod(time.monotonic)
    readers = 1

    def __init__(
        self,
        *,
        name: str,
        source: str,
        store: Store,
        home: Path,
        lock: int,
        gpus: Gpus,
        parallelism: int | None,
    ) -> None:
        """Takes what `open` has opened.

        Args:
            name: the population's.
            source: where the manifest was read from.
            store: the population's location.
            home: a folder for its logs and the lock.
            lock: a descriptor of the locked location, which stays open as long as any trainer lives.
            gpus: the machine's.
            parallelism: how many members train at once; the manifest's where None.
        """
        self.parallelism = parallelism
        self._name, self._source, self._store, self._home = name, source, store, home
        self._lock, self._gpus = lock, gpus

    @classmethod
    @contextmanager
    def open(
        cls, population: Population, *, source: str, base: str, parallelism: int | None
    ) -> Iterator["LocalRunner"]:
        """See `ForegroundRunner.open`.

        Raises:
            ManifestError: the template can't run here.
            StoreRefused: the location can't be used.
            Busy: another runner drives it.
        """
        template = population.spec.template
        container = trainer_container(template, source=source)
        directory, path = directory_of(container), container.env.get("PATH", search_path())
        check_command(template, command=container.command, directory=directory, path=path, source=source)
        store, home = _open(base, population.metadata.name)
        home.mkdir(parents=True, exist_ok=True)
        gpus = Gpus.of_this_machine()
        if parallelism is None and container.gpus and gpus.names:
            room = max(1, len(gpus.names) // container.gpus)
            parallelism = min(room, population.spec.parallelism or room)
        with _locked(home / LOCK) as lock:
            yield cls(
                name=population.metadata.name,
                source=source,
                store=store,
                home=home,
                lock=lock,
                gpus=gpus,
                parallelism=parallelism,
            )

    @property
    def poll_seconds(self) -> float:
        """How often reports are looked for."""
        return POLL_SECONDS["s3" if self._store.url.startswith("s3:") else "file"]

    @property
    def is_alone(self) -> bool:
        """See `Runner.is_alone`: the lock is in the location itself where that is a folder."""
        return self._store.url.startswith("file:")

    def open_store(self, _manifest: PopulationSpec) -> Store:
        """See `Runner.open_store`."""
        return self._store

    def open_pods(self, store: Store, manifest: PopulationSpec) -> LocalPods:
        """See `Runner.open_pods`: starts the warden."""
        spec = to_core(manifest)
        container = trainer_container(manifest.template, source=self._source)
        doorbell = Doorbell.open()
        return LocalPods(
            warden=WardenLink.open(lock=self._lock),
            template=manifest.template,
            source=self._source,
            assign=partial(
                assign,
                spec,
                location=store.url,
                population=self._name,
                poll_seconds=self.poll_seconds,
                grace_seconds=container.grace_seconds,
                bell=doorbell.name,
            ),
            parallelism=spec.slots,
            logs=self._home / "logs",
            check_home=partial(check_there, self._home / LOCK, self._lock),
            gpus=self._gpus,
            doorbell=doorbell,
            starts=Starts(store, at_once=os.cpu_count() or 1),
        )


if TYPE_CHECKING:
    from pbt_operator.runners.foreground import ForegroundRunner

    _: type[ForegroundRunner[LocalPods]] = LocalRunner


def _open(base: str, name: str) -> tuple[Store, Path]:
    home = home_of(base, name)
    return open_store(f"{base.rstrip('/')}/{name}" if _is_remote(base) else str(home)), home


def home_of(base: str, name: str) -> Path:
    """The folder of a population's logs and lock, which is its location too unless that is remote.

    Args:
        base: a folder or s3:// URL, as `LocalRunner.open` takes it.
        name: the population's.
    """
    return (Path("pbt-runs") if _is_remote(base) else Path(base)).resolve() / name


def _is_remote(base: str) -> bool:
    return base.startswith("s3:")


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Holds the lock of a location, waiting a moment for one that is just being given up.

    Raises:
        Busy: it is held.
        StoreRefused: it is a symbolic link.
    """
    descriptor = open_plain(path, os.O_RDWR | os.O_CREAT)
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
