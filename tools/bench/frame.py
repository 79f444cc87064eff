"""Runs the scenarios one after the other, and keeps what they yield."""

import importlib
import importlib.util
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from bench import machine
from bench.figures import Results, Spell, collect
from bench.sample import Remark, Sample
from bench.settings import quick

SCENARIOS = ("counts", "gap", "stall", "wall", "store", "cuda", "scale", "cluster")
"""In this order; each is the module `bench.<name>`."""


@dataclass(frozen=True)
class Scenario:
    """A module with `NAME` and `measure(rounds)`.

    Attributes:
        own_load: whether all that works for it are processes below ours, so that the rest of the load is others'. A
            module says otherwise by `OWN_LOAD = False`.
    """

    name: str
    measure: Callable[[int], Iterator[Sample | Remark]]
    own_load: bool

    @classmethod
    def of(cls, module: ModuleType) -> "Scenario":
        """What a module offers."""
        found: Any = module
        return cls(found.NAME, found.measure, getattr(found, "OWN_LOAD", True))


def find(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these names.

    Raises:
        ValueError: there is none of a name.
    """
    for name in names:
        if name not in SCENARIOS or importlib.util.find_spec(f"bench.{name}") is None:
            raise ValueError(f"there is no scenario {name!r}; there are {', '.join(existing())}")
    return [Scenario.of(importlib.import_module(f"bench.{name}")) for name in names]


def existing() -> list[str]:
    """The names of all scenarios."""
    return [name for name in SCENARIOS if importlib.util.find_spec(f"bench.{name}") is not None]


def run(
    scenarios: Sequence[Scenario],
    *,
    rounds: int,
    say: Callable[[str], object],
    keep: Callable[[Results], object],
    earlier: Results | None = None,
) -> Results:
    """Measures. A scenario that fails keeps what it had yielded, and the others run.

    Args:
        scenarios: in their order.
        rounds: of ours and of the peer in turns, where a scenario has several.
        say: told what goes on.
        keep: given the results after each scenario, so that an end in the middle loses only one.
        earlier: what is added to; a scenario that it has already is measured anew.

    Raises:
        ValueError: the earlier ones are of another machine, or of other versions.
    """
    here = machine.describe()
    began = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(began, here, quick(), rounds) if earlier is None else _same(earlier, here)
    for scenario in scenarios:
        say(f"{scenario.name} ...")
        found, spell = measure(scenario, rounds=rounds, say=say)
        if here["commit"] != results.machine["commit"]:
            spell.remarks.append(f"measured on commit {here['commit']}")
        results.scenarios[scenario.name] = spell
        others = {name: f for name, f in results.figures.items() if results.scenario_of(name) is not spell}
        results.figures = {**others, **collect(found)}
        keep(results)
        say(f"{scenario.name}: {len(found)} values in {spell.seconds:.0f} s")
    return results


def _same(earlier: Results, here: dict[str, Any]) -> Results:
    there = {**earlier.machine, "commit": here["commit"]}
    differ = [
        f"{name} is {value}, was {there.get(name)}"
        for name, value in here.items()
        if value != there.get(name)
    ]
    if earlier.quick != quick() or differ:
        raise ValueError(
            f"the earlier result can't be added to: {'; '.join(differ) or 'one of both is a quick run'}"
        )
    return earlier


def measure(scenario: Scenario, *, rounds: int, say: Callable[[str], object]) -> tuple[list[Sample], Spell]:
    """One scenario: its samples, and how it went."""
    samples: list[Sample] = []
    remarks: list[str] = []
    failed = None
    with machine.watched() as usage:
        try:
            for found in scenario.measure(rounds):
                if isinstance(found, Remark):
                    remarks.append(found.text)
                    say(f"  {found.text}")
                else:
                    samples.append(found)
        except Exception as error:  # noqa: BLE001 - the figures of the other scenarios are worth having
            traceback.print_exc()
            failed = f"{type(error).__name__}: {error}"[:500]
    others = usage.others if scenario.own_load else None
    spell = Spell(usage.seconds, usage.load_before, usage.load_after, others, failed, remarks)
    return samples, spell
