"""Whether a Population can be driven as it is written: what the custom resource's schema can't say is checked here."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pbt_contract.records import Birth
from pbt_operator.control.ownership import AnotherExperiment, LocationEmptied, LocationTaken
from pbt_operator.core import births
from pbt_operator.core.wire import Path
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.load import parse
from pbt_operator.manifest.population import PopulationSpec, to_core
from pbt_operator.manifest.population_spec import LOCATION_PATTERN
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused
from pbt_operator.runners.kubernetes.pod_template import problems_of

MAX_PROBLEMS = 5
RETRY, MAX_RETRY = "pbt.dev/retry", 200

PREFIX: Path = ("spec", "storage", "prefix")


class Rejected(Exception):
    """A Population that can't be driven as it is written.

    Attributes:
        reason: CamelCase, of the condition.
        message: what is wrong and what would be right.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class Generations:
    """Which generation of a Population was accepted last, so that a change is known which no record shows."""

    def __init__(self) -> None:
        """None yet: the status tells what an earlier operator has accepted."""
        self._accepted: int | None = None

    def accept(self, body: Mapping[str, Any]) -> None:
        """This generation is in force from now on."""
        self._accepted = int(body["metadata"]["generation"])

    def changed(self, body: Mapping[str, Any]) -> int | None:
        """`metadata.generation`, if another one was accepted last; None if that is nothing new."""
        generation = int(body["metadata"]["generation"])
        return None if generation == (self._accepted or self._told(body)) else generation

    @staticmethod
    def _told(body: Mapping[str, Any]) -> int:
        """What the status says of it; if it says nothing, the first one is nothing new."""
        told = [c for c in (body.get("status") or {}).get("conditions") or () if c["type"] == "Accepted"]
        if not told:
            return int(body["metadata"]["generation"])
        return int(told[0]["observedGeneration"]) if told[0]["status"] == "True" else 0


def examine(body: Mapping[str, Any]) -> PopulationSpec:
    """The spec of a Population's resource.

    Raises:
        Rejected: it is wrong.
    """
    try:
        manifest = parse({**body, "metadata": {"name": body["metadata"]["name"]}}, source="the manifest").spec
    except ManifestError as error:
        raise Rejected("InvalidSpec", _told(error.problems)) from error
    problems = list(problems_of(manifest.template))
    if problems:
        raise Rejected("InvalidTemplate", _told(tuple(problems)))
    if any(re.match(LOCATION_PATTERN, part) for part in (manifest.storage.prefix or "").split("/")):
        told = (
            "a folder is named as a population's location is, NAME-UID8, and would go with it; should differ"
        )
        raise Rejected("InvalidSpec", str(Problem(PREFIX, told)))
    return manifest


def retry_of(body: Mapping[str, Any]) -> str | None:
    """By what somebody asks to continue a Population that failed: a value of its annotation that is new."""
    value = (body["metadata"].get("annotations") or {}).get(RETRY)
    return str(value)[:MAX_RETRY] or None if value is not None else None


def makes_such_pods(manifest: PopulationSpec, other: PopulationSpec) -> bool:
    """Whether the API server takes the pods of one where it takes those of the other."""
    return (manifest.template, manifest.storage) == (other.template, other.storage)


def try_template(
    manifest: PopulationSpec, *, api: Api, namespace: str, render: Callable[[Birth], dict[str, Any]]
) -> None:
    """Has the API server check the pod that the template gives, without creating it.

    Raises:
        Rejected: it wouldn't take it. A quota that is used up is no fault of the template.
        ApiUnavailable: nobody can tell now.
    """
    trial = births.first(to_core(manifest), member=0)
    try:
        api.create_pod(namespace, render(trial), dry_run=True)
    except ApiRefused as refused:
        if not refused.quota:
            raise Rejected("TemplateRefused", f"spec.template: {refused.message}") from refused


def rejection_of(error: AnotherExperiment | LocationEmptied | LocationTaken | ManifestError) -> Rejected:
    """Why a Population can't have its location, or not as it is written."""
    if isinstance(error, ManifestError):
        return Rejected("InvalidSpec", _told(error.problems))
    if isinstance(error, AnotherExperiment):
        return Rejected(
            "AnotherExperiment",
            f"{', '.join(error.changed)} differ from what {error.location} was begun with; they identify the "
            "experiment: write them as they were, or give this Population a location of its own",
        )
    if isinstance(error, LocationEmptied):
        return Rejected(
            "LocationEmptied",
            f"{error}, so that this Population can't continue: restore it, or delete this Population and create it "
            "again",
        )
    owner = error.owner
    return Rejected(
        "NotOwner",
        f"{error.location} is driven by Population {owner.namespace}/{owner.name} (uid {owner.uid}) now, which "
        "adopted it; this one does nothing more and deletes nothing: delete it",
    )


def _told(problems: tuple[Problem, ...]) -> str:
    more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
    return "; ".join(map(str, problems[:MAX_PROBLEMS])) + more
