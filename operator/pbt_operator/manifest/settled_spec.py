"""What exploit and explore of a manifest are at its location: chosen once by Auto, or as they are given or recorded.

Everything that opens or changes a population takes its spec from `settled`: `pbt run`, the operator, the simulation.
"""

from typing import Any

from pbt_operator.core.auto import auto_rules
from pbt_operator.core.location_records import SpecHistory, SpecRecord
from pbt_operator.core.strategy import Strategy
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.exploit_explore import Exploit, Explore, beyond_auto
from pbt_operator.manifest.population import has_strategy, recorded, to_core, written_out
from pbt_operator.manifest.population_spec import PopulationSpec

GIVEN_WITHOUT_STRATEGY = (
    "is given without a strategy, and a new population is Auto then, which chooses it; should be left out, or come "
    "with strategy: Explicit"
)
CHOSEN_AT_THE_START = (
    "is given, and strategy Auto, which this population began with, has chosen it; should be left out; a new "
    "population can have strategy: Explicit"
)


def strategy_of(first: SpecRecord) -> Strategy:
    """The strategy of a location, by the spec that it was begun with.

    Raises:
        RecordRefused: that can't be read.
    """
    return recorded(first).strategy or Strategy.EXPLICIT


def is_another(manifest: PopulationSpec, first: SpecRecord) -> bool:
    """Whether a manifest asks for another strategy than its location has; one that asks for none never does."""
    return manifest.strategy not in {None, strategy_of(first)}


def settled(manifest: PopulationSpec, known: SpecHistory | None) -> PopulationSpec:
    """The spec to record and to decide by, with strategy, exploit and explore written out.

    Args:
        manifest: what is asked, and not `is_another` than the location's.
        known: what the location holds; None where it is new.

    Raises:
        ManifestError: it gives what strategy Auto chooses.
        RecordRefused: the location's records can't be read.
    """
    asked = manifest.strategy or Strategy.AUTO
    strategy = asked if known is None else strategy_of(known.first)
    if strategy is Strategy.AUTO:
        _check(manifest, is_new=known is None)
        exploit, explore = _of_auto(manifest, known)
    elif known is None or has_strategy(known.first.spec):
        exploit, explore = manifest.exploit or Exploit(), manifest.explore or Explore()
    else:
        exploit, explore = _as_recorded(manifest, recorded(known.newest))
    return written_out(
        manifest.model_copy(update={"strategy": strategy, "exploit": exploit, "explore": explore})
    )


def as_manifest(spec: PopulationSpec) -> PopulationSpec:
    """A manifest that asks for a spec which was settled: without what Auto chose."""
    if spec.strategy is not Strategy.AUTO or spec.exploit is None:
        return spec
    asked = Exploit.model_validate({"minGap": spec.exploit.min_gap, "copy": spec.exploit.copy_})
    return spec.model_copy(update={"exploit": asked, "explore": None})


def _check(manifest: PopulationSpec, *, is_new: bool) -> None:
    """Nothing is given that Auto chooses: it would be ignored, or taken for Explicit.

    Raises:
        ManifestError: something is.
    """
    told = GIVEN_WITHOUT_STRATEGY if is_new else CHOSEN_AT_THE_START
    has_parts = manifest.sub_populations is not None
    given = list(beyond_auto(manifest.exploit, manifest.explore, has_parts=has_parts))
    if given:
        raise ManifestError("the manifest", [Problem(("spec", *path), told) for path in given])


def _of_auto(manifest: PopulationSpec, known: SpecHistory | None) -> tuple[Exploit, Explore]:
    """What is chosen now, or was when the location was new; the gap and what is copied are as asked now."""
    if known is None:
        rules = auto_rules(to_core(manifest))
        exploit, explore = Exploit.of(rules.exploit), Explore.of(rules.explore)
    else:
        begun = to_core(recorded(known.first))
        exploit, explore = Exploit.of(begun.exploit), Explore.of(begun.explore)
    asked = manifest.exploit or Exploit()
    return exploit.model_copy(update={"min_gap": asked.min_gap, "copy_": asked.copy_}), explore


def _as_recorded(manifest: PopulationSpec, then: PopulationSpec) -> tuple[Exploit, Explore]:
    """Where a location is from before there were strategies, what isn't given stays as it is.

    Its manifest was written for other defaults, and with their values where an API server has filled them in.
    """
    exploit, explore = _fields_of(manifest.exploit), _fields_of(manifest.explore)
    before, explored_before = _fields_of(then.exploit), _fields_of(then.explore)
    gone = set(Exploit.arms) if exploit.keys() & set(Exploit.arms) else set()
    # An explore is an arm or these fields, and a move has factors or a reach.
    gone_explored = {*(Explore.arms if explore else ()), *(["factors"] if "reachPercent" in explore else ())}
    return (
        Exploit.model_validate({**_without(before, gone), **exploit}),
        Explore.model_validate({**_without(explored_before, gone_explored), **explore}),
    )


def _without(fields: dict[str, Any], gone: set[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in gone}


def _fields_of(part: Exploit | Explore | None) -> dict[str, Any]:
    return {} if part is None else part.model_dump(mode="json", by_alias=True, exclude_none=True)
