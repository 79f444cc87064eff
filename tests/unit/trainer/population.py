"""A population as a test drives it: it writes the births, starts the trainers and reads what they store."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pbt_contract import keys
from pbt_contract.assignment import Assignment
from pbt_contract.encoding import decode, decode_report, encode
from pbt_contract.errors import NotFound
from pbt_contract.gates import Gate
from pbt_contract.records import Birth, Cause, Claim, Report
from pbt_contract.stores import Store
from pbt_contract.stores.folder import FolderStore

TRAINERS = Path(__file__).parent / "trainers"
PATIENCE_SECONDS = 60.0
WAITING = ("step", "GO", "joined")  # what a trainer says before it waits for a line

T = TypeVar("T")


def until(found: Callable[[], T | None]) -> T:
    """Waits for something that another process does."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (value := found()) is not None and value is not False:
            return value
        time.sleep(0.02)
    raise AssertionError("it never happened")


class Trainer:
    """A trainer's process. Each of its steps waits for a line; what it does it says in lines of words."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        self._stderr = cwd / "stderr"
        with self._stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                command,
                env=environment,
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self.said: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def go(self, steps: int = 1, told: str = "") -> None:
        """Lets it do so many more steps, with a word for each."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{told}\n" * steps)
        self.process.stdin.flush()

    def hear(self, words: str) -> str:
        """Reads on until it says something that begins with `words`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())
            if line.startswith(words):
                return line.strip()
        raise AssertionError(f"it never said {words!r} but {self.said}; {self.errors()}")

    def step_until(self, words: str) -> str:
        """Lets it do steps until it says something that begins with `words`."""
        line = self.said[-1] if self.said else ""
        while True:
            if line.startswith(WAITING):
                self.go()
            line = self.hear("")
            if line.startswith(words):
                return line

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Lets it run free until it ends; its exit code."""
        output, _ = self.process.communicate(timeout=PATIENCE_SECONDS)
        self.said += output.split("\n")[:-1]
        return self.process.returncode

    def errors(self) -> str:
        return self._stderr.read_text()

    def courier(self) -> int:
        """The pid of its helper process."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return until(
            lambda: next((int(pid) for pid in children.read_text().split() if _is_courier(pid)), None)
        )


def _is_courier(pid: str) -> bool:
    try:
        return b"pbt_trainer.courier" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    """Whether a process is over; a zombie that nobody has reaped yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Population:
    """One location, by default in a folder, with the environment that the operator would give its trainers."""

    def __init__(
        self, folder: Path, *, store: Store | None = None, variables: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.store = store or FolderStore(folder / "store")
        self._variables = variables or {}
        self._started: list[Trainer] = []

    def birth(
        self,
        incarnation: int = 1,
        *,
        member: int = 0,
        cause: Cause = Cause.INITIAL,
        source: Report | None = None,
        **given: Any,
    ) -> Birth:
        record = Birth(
            member=member,
            incarnation=incarnation,
            cause=cause,
            hyperparameters=given.pop("hyperparameters", {"rate": 0.5, "layers": 2}),
            source=source and source.source,
            start_step=source.step if source else 0,
            reason=given.pop("reason", "a test"),
            **given,
        )
        self.store.create(keys.birth(member, incarnation), encode(record))
        return record

    def resume(self, source: Report, *, incarnation: int = 2, **given: Any) -> Birth:
        return self.birth(
            incarnation,
            cause=Cause.RESUME,
            source=source,
            seed_round=None,
            hyperparameters=source.hyperparameters,
            **given,
        )

    def exploit(self, source: Report, *, incarnation: int = 2, **given: Any) -> Birth:
        """Member 0 copies the checkpoint of `source` after the first round."""
        return self.birth(incarnation, cause=Cause.EXPLOIT, source=source, seed_round=1, round=1, **given)

    def gate(self, number: int, up_to: int, **given: Any) -> Gate:
        """Nobody may train beyond a round until the next gate."""
        known = {"awaits": up_to, "quorum": 2, "spec": 1, "decided": 0, "lead": 0}
        record = Gate(number=number, up_to=up_to, **(known | given))
        self.store.create(record.key, encode(record))
        return record

    def assignment(self, *, member: int = 0, incarnation: int = 1, **given: Any) -> Assignment:
        known = {
            "location": self.store.url,
            "member": member,
            "incarnation": incarnation,
            "pod": f"pod-{member}-{incarnation}",
            "objective": "score",
            "total_steps": 12,
            "interval_steps": 4,
            "seed": 7,
            "poll_seconds": 0.05,
        }
        return Assignment(**(known | given))

    def environment(self, **given: Any) -> dict[str, str]:
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PBT_")}
        contract = self.assignment(**given).to_environment()
        return inherited | self._variables | contract | {"TMPDIR": str(temporary)}

    def start(self, script: str = "plain.py", *arguments: str, **given: Any) -> Trainer:
        """Starts `script` of the folder `trainers`; see `start_command`."""
        return self.start_command([sys.executable, str(TRAINERS / script), *arguments], **given)

    def start_command(
        self, command: list[str], *, environment: dict[str, str] | None = None, **given: Any
    ) -> Trainer:
        """Starts a trainer in a folder of its own; `given` goes to the assignment."""
        cwd = self.folder / f"process-{len(self._started)}"
        cwd.mkdir()
        trainer = Trainer(command, self.environment(**given) | (environment or {}), cwd)
        self._started.append(trainer)
        return trainer

    def run(self, script: str = "plain.py", *arguments: str, **given: Any) -> Trainer:
        """Runs it to its end, which must be a good one."""
        trainer = self.start(script, *arguments, **given)
        assert trainer.end() == 0, trainer.errors()
        return trainer

    def claim(self, *, member: int = 0, incarnation: int = 1) -> Claim | None:
        key = keys.claim(member, incarnation)
        return self._read(key, lambda data: decode(Claim, data, key=key))

    def report(self, number: int, *, member: int = 0, incarnation: int = 1) -> Report | None:
        key = keys.report(number, member, incarnation)
        return self._read(key, lambda data: decode_report(data, key=key))

    def reported(self, number: int, *, member: int = 0, incarnation: int = 1) -> Report:
        """The report, as soon as it is there."""
        return until(lambda: self.report(number, member=member, incarnation=incarnation))

    def saves(self, *, member: int = 0, incarnation: int = 1) -> list[Report]:
        names = self.store.names(keys.saves_of(member, incarnation))
        return [decode_report(self.store.read(key), key=key) for key in names]

    def _read(self, key: str, decoded: Callable[[bytes], T]) -> T | None:
        try:
            return decoded(self.store.read(key))
        except NotFound:
            return None

    def assert_no_leftovers(self) -> None:
        assert list((self.folder / "tmp").glob("pbt-*")) == []

    def close(self) -> None:
        for trainer in self._started:
            trainer.process.kill()
            trainer.process.wait()
            for pipe in (trainer.process.stdin, trainer.process.stdout):
                if pipe is not None:
                    pipe.close()


@contextmanager
def population_in(folder: Path, **given: Any) -> Iterator[Population]:
    population = Population(folder, **given)
    try:
        yield population
    finally:
        population.close()
