"""Lives of members in forks of this process, which has loaded a framework already: an import takes seconds.

The births are the test's own, as for the scripts of tests/unit/trainer.
"""

import atexit
import json
import os
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from frameworks import probe
from pbt_contract.records import Cause, Started
from unit.trainer.population import Population

PATIENCE_SECONDS = 500.0
EXAMPLES = Path(__file__).parents[2] / "examples" / "frameworks"
SCRIPTS = Path(__file__).parent / "scripts"

Fact = dict[str, Any]


class Lives:
    """What the processes of one population did."""

    def __init__(self, population: Population, script: Path, **given: Any) -> None:
        self.population, self.script = population, script
        self.interval_steps: int = given["interval_steps"]
        self._given = given
        self._facts = population.folder / "facts.jsonl"
        self._pids: list[int] = []

    def start(
        self,
        *,
        hold: list[list[int]] | None = None,
        end: list[list[int]] | None = None,
        variables: dict[str, str] | None = None,
        **given: Any,
    ) -> int:
        """A life in a process of its own; its pid. `given` goes to the assignment."""
        environment = self.population.environment(**self._given | given) | (variables or {})
        environment |= {
            "PROBE_FACTS": str(self._facts),
            "PROBE_HOLD": json.dumps(hold or []),
            "PROBE_END": json.dumps(end or []),
        }
        pid = os.fork()
        if pid == 0:
            _live(self.script, environment, self.population.folder)
        self._pids.append(pid)
        return pid

    def end(self, pid: int) -> int:
        """Waits until a process ends; its exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._pids.remove(pid)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        raise AssertionError(f"process {pid} never ended; {self.errors()}")

    def run(self, **given: Any) -> None:
        """A life to its end, which must be a good one."""
        assert self.end(self.start(**given)) == 0, self.errors()

    def swap(self, births: dict[tuple[int, int], dict[str, Any]], *, hold: list[list[int]]) -> None:
        """Member 0's second life goes on in place as the next ones.

        Args:
            births: their hyperparameters, by incarnation and number of member 1's report that it copies.
            hold: where it waits for each of them, as member, incarnation and step.
        """
        pid = self.start(incarnation=2, hold=hold, in_place=True)
        for ((incarnation, number), values), (member, before, step) in zip(births.items(), hold, strict=True):
            here = {"what": "done", "member": member, "incarnation": before, "step": step}
            while not any(here.items() <= fact.items() for fact in self.facts):
                assert os.waitpid(pid, os.WNOHANG) == (0, 0), self.errors()
                time.sleep(0.02)
            source = self.population.reported(number, member=1)
            self.population.birth(
                incarnation,
                cause=Cause.EXPLOIT,
                source=source,
                seed_round=incarnation,
                round=incarnation,
                hyperparameters=values,
            )
        assert self.end(pid) == 0, self.errors()
        claims = [self.population.claim(incarnation=incarnation) for incarnation, _ in births]
        assert [claim and claim.started for claim in claims] == [Started.IN_PLACE] * len(claims)

    def through(self, values: dict[str, Any], *, changed: dict[str, Any]) -> None:
        """Of 12 steps. Member 1 trains to the end; 0 is saved at 5, resumes, and is swapped at 9 back to 4."""
        self.population.birth(member=1, hyperparameters=values)
        self.run(member=1)
        self.population.birth(hyperparameters=values)
        self.run(end=[[0, 1, 5]])
        (saved,) = self.population.saves()
        assert saved.step == 5
        self.population.resume(saved)
        self.swap({(3, 4 // self.interval_steps): values | changed}, hold=[[0, 2, 9]])

    def back_and_forward(self, values: dict[str, Any], *, changed: dict[str, Any], saves: bool) -> None:
        """As `through`, and then it is held at 7 and swapped forward to 10.

        Args:
            values: the hyperparameters.
            changed: what is different in both lives in place.
            saves: whether the script can be saved between two reports; else 0 resumes from its report of step 4.
        """
        self.population.birth(member=1, hyperparameters=values)
        self.run(member=1)
        self.population.birth(hyperparameters=values)
        self.run(end=[[0, 1, 5]])
        kept = self.population.saves() or [self.population.reported(2)]
        assert [record.step for record in kept] == [5 if saves else 4]
        self.population.resume(kept[0])
        births = {(3, 2): values | changed, (4, 5): values | changed}
        self.swap(births, hold=[[0, 2, 9], [0, 3, 7]])

    def first_draws(self) -> int:
        """In how many states of random numbers the lives that were born anew have begun."""
        first: dict[tuple[int, int], str] = {}
        for fact in self.facts:
            if fact["draws"] is not None:
                first.setdefault((fact["member"], fact["incarnation"]), fact["draws"])
        return len(set(first.values()))

    def errors(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.population.folder.glob("output-*"))

    @property
    def facts(self) -> list[Fact]:
        return [json.loads(line) for line in self._facts.read_text().splitlines()]

    @property
    def counted(self) -> list[Fact]:
        """Those of steps that are done, the reports among them."""
        return [fact for fact in self.facts if fact["what"] in {"done", "report"}]

    def reports(self, **life: int) -> list[Fact]:
        """The facts of its reports."""
        return [
            fact
            for fact in self.facts
            if fact["what"] == "report" and all(fact[name] == value for name, value in life.items())
        ]

    def close(self) -> None:
        for pid in self._pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)


@contextmanager
def lives(population: Population, script: Path, **given: Any) -> Iterator[Lives]:
    found = Lives(population, script, **given)
    try:
        yield found
    finally:
        found.close()


def _live(script: Path, environment: dict[str, str], folder: Path) -> None:
    """In the fork, and never back."""
    code = 1
    try:
        atexit._clear()
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        output = os.open(f"output-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        sys.argv = [str(script)]
        probe.install()
        try:
            runpy.run_path(str(script), run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001  (the interpreter would do the same)
            sys.excepthook(*sys.exc_info())
        atexit._run_exitfuncs()
    finally:
        os._exit(code)
