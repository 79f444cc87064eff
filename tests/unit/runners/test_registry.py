"""Every registered runner, and another one: a file and a line in the registry are all that it takes."""

import inspect
import sys
from contextlib import contextmanager
from types import ModuleType

import pytest
import yaml

from fixtures.manifests import DETERMINISTIC
from fixtures.toys import Deterministic
from pbt_operator.cli.main import main
from pbt_operator.manifest.population import to_core
from pbt_operator.records.archive import read_archive
from pbt_operator.records.audit import violations
from pbt_operator.runners import RUNNERS, Registered, runner_of
from simulation.clock import VirtualTime
from simulation.memory_store import MemoryStore
from simulation.pods import Durations, SimulatedPods

ASKED = {"operator": {"clock", "readers", "parallelism", "is_alone", "open_store", "open_pods"}}
ASKED["run"] = ASKED["operator"] | {"open", "poll_seconds"}


@pytest.mark.parametrize("name", sorted(RUNNERS))
def test_a_registered_runner_provides_what_its_command_asks_for(name):
    """The types are checked by mypy, where each is used."""
    found = runner_of(name)
    assert ASKED[RUNNERS[name].command] <= {*dir(found), *inspect.signature(found.__init__).parameters}


# all of a runner


class Waited(SimulatedPods):
    def wait(self, wake, seconds):
        tick = self.time.after(seconds, lambda: None)
        self.time.advance()
        tick.cancelled = True

    def close(self):
        self.kill()


class Toy:
    """Trainers in virtual time, in this process."""

    readers, poll_seconds, is_alone = 1, 5.0, False
    opened: "list[Toy]" = []

    def __init__(self, parallelism):
        self.parallelism, self.clock, self.store = parallelism, VirtualTime(), MemoryStore()

    @classmethod
    @contextmanager
    def open(cls, population, *, source, base, parallelism):
        cls.opened.append(cls(parallelism))
        yield cls.opened[-1]

    def open_store(self, manifest):
        return self.store

    def open_pods(self, store, manifest):
        return Waited(
            time=self.clock,
            store=store,
            spec=to_core(manifest),
            trainable=Deterministic(),
            durations=Durations(),
        )


# and its line


@pytest.fixture
def toy(monkeypatch):
    module = ModuleType("toy_runner")
    module.Toy = Toy
    monkeypatch.setitem(sys.modules, "toy_runner", module)
    monkeypatch.setitem(RUNNERS, "toy", Registered("toy_runner:Toy", "run"))


def run(tmp_path, *options):
    manifest = {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": "digits"},
        "spec": DETERMINISTIC,
    }
    (tmp_path / "digits.yaml").write_text(yaml.safe_dump(manifest))
    with pytest.raises(SystemExit) as ended:
        main(["run", str(tmp_path / "digits.yaml"), *options])
    return ended.value.code


def test_another_runner_is_a_file_and_a_line(toy, tmp_path, capsys):
    assert not run(tmp_path, "--runner", "toy", "--parallelism", "2")
    assert "\nbest: " in capsys.readouterr().out
    [opened] = Toy.opened
    archive = read_archive(opened.store)
    assert archive.status().phase == "Complete"
    assert not violations(opened.store, archive)
    assert archive.spec.slots == DETERMINISTIC["members"]  # how many train at once here isn't recorded
    assert opened.parallelism == 2


def test_a_runner_that_run_does_not_have_is_a_mistake(tmp_path, capsys):
    for name in ("kubernetes", "slurm"):
        assert run(tmp_path, "--runner", name) == 2
        assert f"has no runner {name}; it has local" in capsys.readouterr().err
