"""The manifest of a Population as a whole, and what it means to the core and to an earlier run."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from pbt_contract import keys
from pbt_contract.errors import RecordRefused
from pbt_contract.text import quoted
from pbt_operator.core import budget, search, spec
from pbt_operator.core.location_records import SpecRecord
from pbt_operator.core.strategy import Strategy
from pbt_operator.core.wire import Wire, broken
from pbt_operator.manifest.accelerators import devices_of
from pbt_operator.manifest.exploit_explore import Exploit, Explore, beyond_auto
from pbt_operator.manifest.population_spec import LABEL_PATTERN, MAX_NAME, PopulationSpec

__all__ = [
    "Metadata",
    "Population",
    "PopulationSpec",
    "as_now",
    "changed_identity",
    "has_strategy",
    "identity",
    "recorded",
    "to_core",
    "to_wire",
    "written_out",
]

CHOSEN_BY_AUTO = "is given, and strategy Auto chooses it; should be left out, or strategy be Explicit"
FORMER_EXPLORE = {"factors": [0.8, 1.25], "resamplePercent": 25}
"""What an explore was by default before there were strategies."""


class Metadata(Wire):
    """The standard object metadata. Labels, annotations and the rest are not looked at."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(
        min_length=1,
        max_length=MAX_NAME,
        pattern=LABEL_PATTERN,
        description="Its name, a part of the pods' names.",
    )
    namespace: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        pattern=LABEL_PATTERN,
        description="Not used by a local run.",
    )


class Population(Wire):
    """Members that are trained together, compared in rounds, and copied from each other."""

    api_version: Literal["pbt.dev/v1alpha1"] = Field(description="The version of this manifest's form.")
    kind: Literal["Population"] = Field(description="What this is.")
    metadata: Metadata
    spec: PopulationSpec

    @model_validator(mode="after")
    def _leaves_to_auto_what_it_chooses(self) -> Self:
        """Here and not in the spec: a recorded one holds what was chosen."""
        if self.spec.strategy is Strategy.AUTO:
            has_parts = self.spec.sub_populations is not None
            given = list(beyond_auto(self.spec.exploit, self.spec.explore, has_parts=has_parts))
            if given:
                raise broken(*((("spec", *path), CHOSEN_BY_AUTO) for path in given))
        return self

    @model_validator(mode="before")
    @classmethod
    def _status_is_not_ours_to_read(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if k != "status"} if isinstance(value, Mapping) else value


def to_wire(manifest: Population | PopulationSpec) -> dict[str, Any]:
    """The manifest as JSON, defaults included but for exploit and explore; it validates to the same models again."""
    return manifest.model_dump(mode="json", by_alias=True, exclude_none=True)


def recorded(record: SpecRecord) -> PopulationSpec:
    """The spec in a record of any version, with strategy, exploit and explore written out.

    Fields that this version doesn't know are left out. A record of a version without strategies is Explicit.

    Raises:
        RecordRefused: what this version needs is missing or wrong.
    """
    try:
        return _known_part(record.spec)
    except ValidationError as error:
        raise RecordRefused(f"{keys.spec(record.number)}: {quoted(str(error))}") from error


def as_now(wire: Mapping[str, Any]) -> dict[str, Any]:
    """A recorded spec in this version's words; one that this version can't read is left as it is."""
    try:
        return to_wire(_known_part(wire))
    except ValidationError:
        return dict(wire)


def _known_part(wire: Mapping[str, Any]) -> PopulationSpec:
    former = {}
    if not has_strategy(wire):
        explore = wire.get("explore", {})
        explored = {**FORMER_EXPLORE, **explore} if isinstance(explore, Mapping) else explore
        former = {"strategy": Strategy.EXPLICIT, "explore": explored}
    return written_out(PopulationSpec.model_validate({**wire, **former}, extra="ignore"))


def has_strategy(wire: Mapping[str, Any]) -> bool:
    """Whether a recorded spec is from a version that knows strategies."""
    return wire.get("strategy") is not None


def written_out(manifest: PopulationSpec) -> PopulationSpec:
    """With every field of exploit and explore given: what isn't, as the default."""
    exploit, explore = manifest.exploit or Exploit(), manifest.explore or Explore()
    update = {"exploit": Exploit.of(exploit.to_core()), "explore": Explore.of(explore.rule)}
    return manifest.model_copy(update=update)


def to_core(manifest: PopulationSpec) -> spec.Spec:
    """The spec as the decisions need it: everything but storage, template and time to live.

    Where a manifest is not `settled` yet, the result is for what has nothing to do with exploit and explore.
    """
    return spec.Spec(
        members=manifest.members,
        parallelism=manifest.parallelism,
        objective=search.Objective(**dict(manifest.objective)),
        schedule=search.Schedule(**dict(manifest.schedule)),
        hyperparameters=tuple(
            search.Hyperparameter(h.name, h.distribution, explored=h.explore == "Always")
            for h in manifest.hyperparameters
        ),
        initial=manifest.initial,
        exploit=(manifest.exploit or Exploit()).to_core(),
        sub_populations=tuple(part.to_core() for part in manifest.sub_populations or ()),
        explore=(manifest.explore or Explore()).rule,
        strategy=manifest.strategy or Strategy.EXPLICIT,
        retention=spec.Retention(**dict(manifest.retention)),
        restart=manifest.restart,
        seed=manifest.seed,
        suspend=manifest.suspend,
        finish=manifest.finish,
        backoff_limit=manifest.backoff_limit,
        max_failed_members=manifest.max_failed_members,
        active_deadline_seconds=manifest.active_deadline_seconds,
        limits=budget.Limits() if manifest.limits is None else manifest.limits.to_core(),
        plateau=None if manifest.plateau is None else manifest.plateau.to_core(),
        devices=devices_of(manifest.template),
    )


def identity(manifest: PopulationSpec) -> dict[str, Any]:
    """The part of a spec that can't change: with another one it would be another experiment.

    As JSON, with defaults filled in and hyperparameters by name, so that their order does not count.
    """
    whole = to_wire(manifest)
    return {
        "objective": whole["objective"],
        "schedule": {"intervalSteps": manifest.schedule.interval_steps},
        "hyperparameters": {h["name"]: h for h in whole["hyperparameters"]},
        "storage": whole["storage"],
        "subPopulations": len(manifest.sub_populations or ()),
        "seed": manifest.seed,
    }


def changed_identity(old: PopulationSpec, new: PopulationSpec) -> list[str]:
    """The paths, such as `spec.hyperparameters.lr.logUniform.max`, that make two specs two experiments."""
    return list(_differences(identity(old), identity(new), "spec"))


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in [*old, *(name for name in new if name not in old)]:
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}")
    elif old != new:
        yield path
