"""Single processes of a script, started as `pbt run` starts them, in a folder that goes with the block."""

import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbt_contract.assignment import TERMINATION_LOG
from pbt_contract.check import CHECK, FINDINGS, Findings, Order
from pbt_contract.encoding import decode_report, encode
from pbt_contract.errors import NotFound
from pbt_contract.records import Birth, Report
from pbt_contract.stores import Store
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.spec import Restart
from pbt_operator.manifest.population import Population
from pbt_operator.manifest.template import trainer_container, with_trainer
from pbt_operator.runners.local.local_runner import LocalRunner
from pbt_operator.runners.local.processes import LocalPods

_WORDS = "last-words"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one process.

    Attributes:
        exit_code: as a container's; None where it never ran.
        output: the end of what it printed, or why it never ran.
        traceback: the end of that of an uncaught exception; empty without one, and before it has joined.
        findings: that it has left; None where it hasn't joined.
        report: its first one.
        late: whether it took too long, and was ended.
    """

    exit_code: int | None
    output: str
    traceback: str = ""
    findings: Findings | None = None
    report: Report | None = None
    late: bool = False


class Trials:
    """Starts one process after the other."""

    def __init__(self, pods: LocalPods, store: Store, folder: Path) -> None:
        """Use `open`."""
        self._pods, self._store, self._folder = pods, store, folder

    @classmethod
    @contextmanager
    def open(cls, population: Population, *, source: str) -> Iterator["Trials"]:
        """Makes the folder; at the end of the block all processes end, and the folder goes.

        Args:
            population: whose template is started.
            source: what messages call its manifest.

        Raises:
            ManifestError: the template can't run here.
        """
        trainer_container(population.spec.template, source=source)
        with tempfile.TemporaryDirectory(prefix="pbt-check-") as temporary:
            folder = Path(temporary)
            variables = {CHECK: str(folder), TERMINATION_LOG: str(folder / _WORDS)}
            template = _with_variables(population.spec.template, variables)
            spec = population.spec.model_copy(update={"template": template, "restart": Restart.RECREATE})
            checked = population.model_copy(update={"spec": spec})
            with LocalRunner.open(checked, source=source, base=temporary, parallelism=None) as runner:
                store = runner.open_store(spec)
                pods = runner.open_pods(store, spec)
                try:
                    yield cls(pods, store, folder)
                finally:
                    pods.close()

    def run(self, birth: Birth, order: Order, *, seconds: float) -> Ended:
        """Starts a process for a birth and waits for its end.

        Args:
            birth: of a member that no process was started for before.
            order: what is asked of it.
            seconds: that it may take.
        """
        for name in (FINDINGS, _WORDS):
            (self._folder / name).unlink(missing_ok=True)
        order.write(self._folder)
        self._store.create(birth.key, encode(birth))
        self._pods.start(birth)
        pod, late = self._wait(birth, seconds)
        self._pods.forget(pod)
        findings = Findings.read(self._folder)
        report = self._report(findings.record) if findings and findings.record else None
        return Ended(pod.exit_code, pod.message, self._traceback(), findings, report, late)

    def _report(self, key: str) -> Report | None:
        """None where the process ended before it was stored."""
        try:
            return decode_report(self._store.read(key), key=key)
        except NotFound:
            return None

    def _wait(self, birth: Birth, seconds: float) -> tuple[Pod, bool]:
        end = time.monotonic() + seconds
        wake, other = socket.socketpair()  # nobody wakes us but the process
        with wake, other:
            while True:
                (pod,) = [each for each in self._pods.observe() if each.life == birth.life]
                if pod.phase is Phase.ENDED:
                    return pod, pod.stopping
                if time.monotonic() > end:
                    self._pods.stop(pod)
                self._pods.wait(wake, _LOOK_SECONDS)

    def _traceback(self) -> str:
        words = self._folder / _WORDS
        return words.read_text(errors="replace") if words.exists() else ""


def _with_variables(template: Mapping[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """The template with variables that its trainer has beside its own."""
    more = [{"name": name, "value": value} for name, value in variables.items()]
    return with_trainer(template, lambda trainer: {**trainer, "env": [*(trainer.get("env") or ()), *more]})
