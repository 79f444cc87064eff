"""Each alert of the chart on series as the operator exports them: it fires when somebody must act, and not before."""

import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.manifests import DETERMINISTIC, spec
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.history import History
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.manifest.population import to_core
from pbt_operator.runners.kubernetes.conditions import Condition, merged, summary
from pbt_operator.runners.kubernetes.following import Observation
from pbt_operator.runners.kubernetes.metrics import Metrics
from programs.build import binary
from service.chart.rendering import CASES, STORE, one, render

DIGITS = {"namespace": "research", "population": "digits"}
SCRAPED = {"job": "pbt-operator", "instance": "10.0.0.1:8080", "pod": "pbt-operator-1"}
"""What a ServiceMonitor adds."""

FINE = (
    Condition("Accepted", "True", "Accepted"),
    Condition("StorageReady", "True", "Ready"),
    Condition("Progressing", "True", "Training"),
    Condition("Suspended", "False", "NotSuspended"),
    Condition("Complete", "False", "NotEnded"),
    Condition("Failed", "False", "NotEnded"),
)
GONE = "the operator is gone"


def spec_of() -> list[dict[str, Any]]:
    """The groups of rules, as the chart renders them."""
    groups: list[dict[str, Any]] = one(render(CASES["monitoring"]), "PrometheusRule")["spec"]["groups"]
    return groups


RULES = {rule["alert"]: rule for group in spec_of() for rule in group["rules"]}


class Operator:
    """The metrics of an operator with one population, scraped once a minute."""

    def __init__(self) -> None:
        self.now = 0.0
        self.metrics = Metrics(clock=lambda: self.now)
        self.metrics.observe_phase(*DIGITS.values(), PopulationPhase.PENDING)
        self._follower = self.metrics.follow(*DIGITS.values(), History())
        self.scrapes: list[dict[str, float]] = []

    def stands(
        self, *conditions: Condition, blocked: int = 0, phase: PopulationPhase = PopulationPhase.RUNNING
    ) -> None:
        """A pass that finds these conditions, those that are fine beside them, and so many pods that never start."""
        noted = merged([], [*FINE, *conditions], generation=1, time="2026-01-01T00:00:00Z")
        told = merged(
            noted, summary(noted, training=4, wrong=False), generation=1, time="2026-01-01T00:00:00Z"
        )
        pod = Pod("digits-0-1", "u", 0, 1, Phase.PENDING, stuck=True)
        seen = Observation(
            spec=to_core(spec(DETERMINISTIC)),
            phase=phase,
            states=[MemberState.TRAINING] * 4,
            best=None,
            rounds=2,
            progress=0.5,
            seconds={},
            pods=[pod] * blocked,
            devices={"nvidia.com/gpu": 1},
        )
        with self.metrics.timed() as began:
            self.metrics.observe_pass(self._follower, seen, began=began)
            self.metrics.observe_conditions(*DIGITS.values(), told)

    def fails(self) -> None:
        """A pass that ends with an error."""
        with suppress(OSError), self.metrics.timed():
            raise OSError

    def scrape(self) -> None:
        """A minute is over."""
        found = {}
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                if sample.name.startswith("pbt_"):
                    labels = {**sample.labels, **SCRAPED}
                    told = ",".join(f'{name}="{value}"' for name, value in labels.items())
                    found[f"{sample.name}{{{told}}}"] = sample.value
        self.scrapes.append(found)
        self.now += 60

    def series(self) -> list[dict[str, str]]:
        """All that was scraped, as promtool reads it."""
        names = dict.fromkeys(name for scrape in self.scrapes for name in scrape)
        return [{"series": name, "values": values(s.get(name) for s in self.scrapes)} for name in names]


def values(samples: Iterable[float | None]) -> str:
    """The values of one series; where it wasn't there, or no longer, it is stale."""
    told, before = [], None
    for sample in samples:
        told.append(
            "stale" if sample is None and before is not None else "_" if sample is None else f"{sample:g}"
        )
        before = sample
    return " ".join(told)


Story = Sequence[tuple[int, Callable[[Operator], None] | str]]
"""For so many minutes, what happens in each."""


def recorded(story: Story) -> list[dict[str, str]]:
    """The series of a story."""
    operator = Operator()
    for minutes, happens in story:
        for _ in range(minutes):
            if isinstance(happens, str):
                operator.scrapes.append({})
                continue
            happens(operator)
            operator.scrape()
    return operator.series()


def fine(operator: Operator) -> None:
    operator.stands()


def nothing(_operator: Operator) -> None:
    """No pass is made."""


def told(*conditions: Condition, **more: Any) -> Callable[[Operator], None]:
    return lambda operator: operator.stands(*conditions, **more)


FAILED = told(Condition("Failed", "True", "Mistake"), phase=PopulationPhase.FAILED)
REFUSED = told(Condition("Accepted", "False", "InvalidSpec"))
AWAY = told(Condition("StorageReady", "False", "Unreachable"))
DENIED = told(Condition("StorageReady", "False", "Refused"))
WAITING = told(Condition("Progressing", "True", "TakingTurns"))
QUOTA = told(Condition("Progressing", "False", "QuotaExceeded"))
CRASHING = told(Condition("Progressing", "False", "Crashing"))
BLOCKED = told(Condition("Progressing", "False", "PodsWaiting"), blocked=2)
COMPLETE = told(
    Condition("Complete", "True", "AllStepsDone"),
    Condition("Progressing", "False", "AllStepsDone"),
    Condition("StorageReady", "False", "Unreachable"),
    phase=PopulationPhase.COMPLETE,
)
ERRORS = Operator.fails

CASES_OF: dict[str, tuple[str, Story, dict[int, list[dict[str, str]]]]] = {
    "failed": (
        "PbtPopulationFailed",
        [(10, fine), (10, FAILED), (5, fine)],
        {9: [], 12: [{**DIGITS, "reason": "Mistake"}], 22: []},
    ),
    "refused": (
        "PbtPopulationStalled",
        [(10, fine), (10, REFUSED), (5, fine)],
        {13: [], 16: [{**DIGITS, "reason": "InvalidSpec"}], 21: []},
    ),
    "failed is told once": ("PbtPopulationStalled", [(2, fine), (30, FAILED)], {30: []}),
    "a refusing store": (
        "PbtPopulationStalled",
        [(2, fine), (30, DENIED)],
        {8: [{**DIGITS, "reason": "StorageRefused"}]},
    ),
    "store away for a moment": ("PbtStorageNotReady", [(5, fine), (12, AWAY), (20, fine)], {16: [], 30: []}),
    "store away": (
        "PbtStorageNotReady",
        [(5, fine), (30, AWAY), (5, fine)],
        {19: [], 21: [{**DIGITS, "reason": "Unreachable"}], 37: []},
    ),
    "store away when all is done": ("PbtStorageNotReady", [(5, fine), (60, COMPLETE)], {60: []}),
    "crashing": (
        "PbtPopulationNotStarting",
        [(60, CRASHING), (5, fine)],
        {29: [], 31: [{**DIGITS, "reason": "Crashing"}], 62: []},
    ),
    "blocked": ("PbtPodsBlocked", [(5, fine), (30, BLOCKED), (5, fine)], {19: [], 21: [DIGITS], 37: []}),
    "no room": (
        "PbtPopulationWaitsForRoom",
        [(150, WAITING), (150, QUOTA), (10, fine)],
        {239: [], 241: [DIGITS], 305: []},
    ),
    "blocked pods lack no room": ("PbtPopulationWaitsForRoom", [(300, BLOCKED)], {299: []}),
    "operator gone": ("PbtOperatorDown", [(10, fine), (20, GONE)], {9: [], 16: [{}]}),
    "operator never there": ("PbtOperatorDown", [(10, GONE)], {4: [], 6: [{}]}),
    "no passes": (
        "PbtOperatorNotDeciding",
        [(10, fine), (60, nothing), (20, fine)],
        {25: [], 40: [{}], 85: []},
    ),
    "only errors": ("PbtOperatorNotDeciding", [(10, fine), (60, ERRORS)], {25: [], 40: [{}]}),
    "few errors": (
        "PbtOperatorNotDeciding",
        [(1, ERRORS), *[(1, ERRORS), (2, fine)] * 20],
        {60: []},
    ),
    "nothing to do": ("PbtOperatorNotDeciding", [(2, COMPLETE), (60, nothing)], {60: []}),
}


def expected(alert: str, labels: dict[str, str], value: str) -> dict[str, Any]:
    """An alert as it fires, its texts filled in: a label that it doesn't have is an error."""
    rule = RULES[alert]

    def filled(text: str) -> str:
        text = text.replace("{{ $value }}", value)
        return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: labels[match[1]], text)

    return {
        "exp_labels": {**labels, **rule["labels"]},
        "exp_annotations": {name: filled(text) for name, text in rule["annotations"].items()},
    }


def promtool(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [binary("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_each_alert_fires_when_somebody_must_act_and_not_before(tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(yaml.safe_dump({"groups": spec_of()}))
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": recorded(story),
            "alert_rule_test": [
                {
                    "eval_time": f"{minute}m",
                    "alertname": alert,
                    "exp_alerts": [expected(alert, labels, "2") for labels in firing],
                }
                for minute, firing in minutes.items()
            ],
        }
        for name, (alert, story, minutes) in CASES_OF.items()
    ]
    file = {"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(file))
    done = promtool(tmp_path, "test", "rules", "tests.yaml")
    assert not done.returncode, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_and_says_whom_it_is_for() -> None:
    fired = {alert for alert, _, minutes in CASES_OF.values() if any(minutes.values())}
    assert fired == set(RULES)
    for rule in RULES.values():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}


def test_alerts_are_rendered_where_they_are_wanted_and_there_is_a_kind_for_them() -> None:
    def kinds(**rule: Any) -> set[str]:
        return {found["kind"] for found in render({"stores": [STORE], "prometheusRule": rule})}

    assert "PrometheusRule" not in kinds() | kinds(enabled=True) | kinds(force=True)
    assert "PrometheusRule" in kinds(enabled=True, force=True)


@pytest.mark.parametrize("alert", RULES)
def test_what_an_alert_asks_for_is_exported(alert: str) -> None:
    known = set(re.findall(r"\b(pbt_\w+?)(?:_count|_total|_bucket|_sum)?\{", " ".join(all_series())))
    asked = {re.sub(r"_(count|total)$", "", name) for name in re.findall(r"\bpbt_\w+", RULES[alert]["expr"])}
    assert asked <= known


def all_series() -> list[str]:
    return [found["series"] for found in recorded([(1, ERRORS), (1, fine)])]
