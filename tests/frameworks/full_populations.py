"""Each example of a framework as its user starts it: alone, and as populations of `pbt run`, interrupted too."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from frameworks.lives import EXAMPLES, Fact
from frameworks.recipes import RECIPES, Example

PROBE = Path(__file__).with_name("probe.py")
TESTS = Path(__file__).parents[1]


def cosine(step: int, _: int) -> float:
    """With a warm-up."""
    return step / 10 if step < 10 else 0.5 * (1 + math.cos(math.pi * (step - 10) / 110))


ALL = [
    Example("lightning_digits", lambda step, _: 0.9 ** (step // 22)),
    Example("transformers_sums", cosine),
    Example("stable_baselines3_cartpole", lambda step, _: 1 - step / 40),
    *RECIPES,
]
WAYS: dict[str, dict[str, Any]] = {
    "recreate": {"restart": "Recreate"},
    "in place": {"restart": "InPlace"},
    "two for three": {"restart": "InPlace", "parallelism": 2},
}


def probed(command: list[str]) -> list[str]:
    """A manifest's command with the probe in each process of the script."""
    *starter, script = command
    program = str(Path(sys.executable).with_name(starter[0]))
    return [program, *starter[1:], str(PROBE), str(EXAMPLES / Path(script).name)]


class Run:
    """`pbt run` of an example in a folder, with a probe in each process."""

    def __init__(self, example: Example, folder: Path, **spec: Any) -> None:
        self.folder, self.facts_file = folder, folder / "facts.jsonl"
        manifest = yaml.safe_load((EXAMPLES / f"{example.name}.yaml").read_text())
        manifest["spec"].update(seed=3, **spec)
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        container["command"] = probed(container["command"])
        self.schedule = manifest["spec"]["schedule"]
        self.location = folder / "runs" / manifest["metadata"]["name"]
        self.manifest = folder / "population.yaml"
        self.manifest.write_text(yaml.safe_dump(manifest))
        self.environment = os.environ | {"PROBE_FACTS": str(self.facts_file), "OMP_NUM_THREADS": "1"}
        self.environment["PYTHONPATH"] = f"{os.environ['PYTHONPATH']}:{TESTS}"

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pbt_operator.cli.main", "run", str(self.manifest)]
        return subprocess.Popen(
            [*command, "--dir", str(self.folder / "runs")],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait_for_a_report(self, process: subprocess.Popen[str]) -> None:
        """Until some member has trained beyond its first report; the first start of a framework takes long."""
        while not any(fact["step"] > self.schedule["intervalSteps"] for fact in self.facts):
            assert process.poll() is None
            time.sleep(0.05)

    def finish(self) -> str:
        process = self.start()
        output, _ = process.communicate(timeout=800)
        assert process.returncode == 0, output
        return output

    @property
    def facts(self) -> list[Fact]:
        if not self.facts_file.exists():
            return []
        return [json.loads(line) for line in self.facts_file.read_text().splitlines()]

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.location.glob(f"{kind}/**/*.json"))]

    def assert_sound(self, example: Example) -> None:
        """No process crashed, and every one counted as its run did."""
        audit = [sys.executable, "-m", "pbt_operator.cli.main", "audit", str(self.location)]
        assert subprocess.run(audit, env=self.environment, check=False).returncode == 0
        assert [record for record in self.records("ends") if record.get("cause") == "Crash"] == []
        for fact in self.facts:
            if fact["what"] in {"done", "report"}:
                rate = example.rate(fact, total_steps=self.schedule["totalSteps"])
                assert fact["counter"] == fact["step"], fact
                assert fact["rate"] == pytest.approx(rate, rel=1e-5), fact
        self._assert_reported()
        self._assert_seeds_differ()

    def _assert_reported(self) -> None:
        """Each process reported each due step that it has done, once, and so did each life in the records."""
        interval, total = self.schedule["intervalSteps"], self.schedule["totalSteps"]
        for what in ("done", "report"):
            steps = Counter(
                (fact["pid"], fact["member"], fact["incarnation"], fact["step"])
                for fact in self.facts
                if fact["what"] == what and (fact["step"] % interval == 0 or fact["step"] == total)
            )
            assert set(steps.values()) == {1}
            if what == "done":
                due = steps
            else:
                assert steps == due
        reports = Counter(
            (each["member"], each["incarnation"], each["step"]) for each in self.records("reports")
        )
        assert set(reports.values()) == {1}
        assert max(step for *_, step in reports) == total

    def _assert_seeds_differ(self) -> None:
        """The lives that weren't resumed have begun in states of their own."""
        anew = {
            (birth["member"], birth["incarnation"])
            for birth in self.records("births")
            if birth["cause"] in {"Initial", "Exploit"}
        }
        first: dict[tuple[int, int], str] = {}
        for fact in self.facts:
            life = fact["member"], fact["incarnation"]
            if life in anew and fact["draws"] is not None:
                first.setdefault(life, fact["draws"])
        assert len(first) > 2
        assert len(set(first.values())) == len(first)


@pytest.fixture(params=ALL, ids=lambda example: example.name)
def example(request: pytest.FixtureRequest) -> Example:
    found: Example = request.param
    return found


def test_alone_it_trains_to_its_end(example: Example, tmp_path: Path) -> None:
    facts = tmp_path / "facts.jsonl"
    environment = os.environ | {
        "PROBE_FACTS": str(facts),
        "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{TESTS}",
    }
    spec = yaml.safe_load((EXAMPLES / f"{example.name}.yaml").read_text())["spec"]
    command = probed(spec["template"]["spec"]["containers"][0]["command"])
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    noted = [json.loads(line) for line in facts.read_text().splitlines()]
    found = [fact for fact in noted if fact["rank"] == 0]
    manifest = spec["schedule"]
    reported = [fact["step"] for fact in found if fact["what"] == "report"]
    assert reported[-1] == found[-1]["step"] == manifest["totalSteps"]
    assert reported == list(
        range(manifest["intervalSteps"], manifest["totalSteps"] + 1, manifest["intervalSteps"])
    )
    for fact in found:
        if fact["what"] in {"done", "report"}:
            assert fact["counter"] == fact["step"]
            rate = example.rate(fact, total_steps=manifest["totalSteps"])
            assert fact["rate"] == pytest.approx(rate, rel=1e-5)


@pytest.mark.parametrize("way", WAYS)
def test_three_members_train_to_the_end(example: Example, way: str, tmp_path: Path) -> None:
    run = Run(example, tmp_path, **WAYS[way])
    run.finish()
    run.assert_sound(example)


@pytest.fixture
def interrupted(example: Example, tmp_path: Path) -> Iterator[Run]:
    """A population that Ctrl-C has stopped within an interval."""
    run = Run(example, tmp_path, restart="InPlace")
    process = run.start()
    try:
        run.wait_for_a_report(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        yield run
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_saves_and_the_same_command_goes_on(example: Example, interrupted: Run) -> None:
    assert bool(interrupted.records("saves")) == example.saves
    interrupted.finish()
    interrupted.assert_sound(example)
