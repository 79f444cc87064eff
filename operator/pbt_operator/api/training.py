"""Trains a population on this machine from Python: what `pbt run` does, with the same runner."""

import sys
import warnings

from pbt_contract.errors import PbtError
from pbt_operator.api import function_file
from pbt_operator.api.result import Result
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import AnotherExperiment
from pbt_operator.core.status import PopulationPhase
from pbt_operator.core.status import Result as Ended
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.population import Population as Manifest
from pbt_operator.runners import runner_of
from pbt_operator.runners.display import Display, View, display_for
from pbt_operator.runners.foreground import ForegroundRunner, Stopped, WaitingPods, run_to_end
from pbt_operator.runners.local.local_runner import home_of

CHANGED = (
    "{name} has changed since {home} was begun. Steps that were trained stay as they are, and only those that follow "
    "use the new one; to begin again, give another name or delete the folder"
)


class Interrupted(KeyboardInterrupt):
    """Somebody interrupted the training: all members saved and ended, and the same call continues."""


class PopulationFailed(PbtError):
    """A population ended without what it was for; the message says why, and where the logs are.

    Attributes:
        result: what it has recorded.
    """

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


def train(manifest: Manifest, function: bytes | None, *, called: str, base: str, progress: bool) -> Result:
    """Trains a population of this machine to its end, or continues it.

    Args:
        manifest: whose members run the function from the run's folder, if there is one.
        function: the content of its file.
        called: its name, for messages.
        base: a folder or s3:// URL.
        progress: show what happens.

    Raises:
        ManifestError: it belongs to another experiment than the one that is there.
        PopulationFailed: no member came through.
        Interrupted: see there.
        PbtError: the store can't be used, or another process trains this very population.
    """
    name = manifest.metadata.name
    home = home_of(base, name)
    runner: type[ForegroundRunner[WaitingPods]] = runner_of("local")
    with runner.open(manifest, source="pbt.fit(...)", base=base, parallelism=None) as opened:
        if function is not None and function_file.write(home / function_file.NAME, function):
            warnings.warn(CHANGED.format(name=called, home=home), stacklevel=4)
        ended = _run(opened, manifest, _display(progress=progress))
    result = Result.at(f"{base.rstrip('/')}/{name}" if base.startswith("s3:") else str(home))
    if ended is not None and ended.phase is PopulationPhase.FAILED:
        told = f"{ended.reason}: {ended.message}" if ended.message else ended.reason
        raise PopulationFailed(f"{name} failed, {told}; the members' logs are in {home / 'logs'}", result)
    return result


def _run(runner: ForegroundRunner[WaitingPods], manifest: Manifest, display: Display) -> Ended | None:
    """How it ended; None where it is suspended."""
    try:
        return run_to_end(runner, manifest, display)
    except AnotherExperiment as error:
        remedy = "give another name or another store"
        told = f"differs from what {error.location} was begun with, and identifies the experiment: {remedy}"
        raise ManifestError("pbt.fit(...)", [Problem((path,), told) for path in error.changed]) from error
    except Stopped:
        if manifest.spec.suspend:
            return None
        raise Interrupted("all members saved and ended; the same call continues from here") from None
    finally:
        display.close()


def _display(*, progress: bool) -> Display:
    return display_for(sys.stdout) if progress else _Silent()


class _Silent:
    """Shows nothing."""

    def tell(self, event: Event) -> None:
        """See `Display.tell`."""

    def show(self, now: View) -> None:
        """See `Display.show`."""

    def close(self) -> None:
        """See `Display.close`."""
