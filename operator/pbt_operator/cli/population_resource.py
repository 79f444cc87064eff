"""What the custom resource of a Population says, in the words of the status."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from pbt_contract.errors import RecordRefused
from pbt_operator.core.status import PopulationPhase, Status
from pbt_operator.manifest.status_schema import UNSEEN

_FINE = {"Accepted": "True", "StorageReady": "True", "Progressing": "True", "Failed": "False"}
"""How the conditions of a population that gets on stand."""


@dataclass(frozen=True)
class PopulationResource:
    """A custom resource as the API server gave it."""

    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        """What tells it from others that had its name."""
        return str(self.body["metadata"]["uid"])

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec, defaults filled in by the API server."""
        found: Mapping[str, Any] = self.body["spec"]
        return found

    @property
    def metric(self) -> str:
        """What members are compared by."""
        return str(self.spec["objective"]["metric"])

    @property
    def hyperparameters(self) -> list[str]:
        """Their names, in the order of the manifest."""
        return [str(hyperparameter["name"]) for hyperparameter in self.spec["hyperparameters"]]

    @property
    def location(self) -> str:
        """Where its records are; empty as long as the operator hasn't said."""
        return str(self._told.get("location", ""))

    @property
    def request_cost(self) -> tuple[float, float] | None:
        """Requests for a report, and dollars for each member and day; None as long as the operator hasn't said."""
        told = self._told.get("requestCost") or {}
        requests, dollars = told.get("perReport"), told.get("dollarsPerMemberDay")
        return None if requests is None or dollars is None else (float(requests), float(dollars))

    @property
    def is_behind(self) -> bool:
        """Whether what the operator says is about an older spec."""
        seen = self._told.get("observedGeneration")
        return bool(seen is not None and UNSEEN < seen < self.body["metadata"]["generation"])

    @property
    def phase(self) -> str:
        """The phase, Pending as long as the operator hasn't said."""
        return str(self._told.get("phase") or PopulationPhase.PENDING)

    @property
    def _told(self) -> Mapping[str, Any]:
        return self.body.get("status") or {}

    def status(self) -> Status:
        """The status. Its reason and message are those of the condition that explains the phase.

        Raises:
            RecordRefused: it is not as this version writes it.
        """
        told = self._told
        headline = self._headline()
        words = {
            **told,
            "phase": self.phase,
            "reason": headline["reason"],
            "message": headline.get("message", ""),
            "members": sorted(told.get("members", ()), key=itemgetter("member")),
        }
        try:
            return msgspec.convert(words, Status)
        except msgspec.ValidationError as error:
            raise RecordRefused(
                f"the status of {self.name} is from another version of the operator: {error}; "
                "use a pbt of that version"
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The words of the status, and what else a cluster knows: conditions, location, pods."""
        words = msgspec.to_builtins(self.status())
        return {**words, **{name: value for name, value in self._told.items() if name not in words}}

    def troubles(self) -> list[Mapping[str, Any]]:
        """The conditions that are not as they should be, but for the one that explains the phase."""
        shown, fine = self._headline(), dict(_FINE)
        if self.phase in {PopulationPhase.SUSPENDED, PopulationPhase.COMPLETE, PopulationPhase.FAILED}:
            del fine["Progressing"]
        return [
            condition
            for kind, condition in self._conditions.items()
            if condition is not shown and condition["status"] != fine.get(kind, condition["status"])
        ]

    @property
    def _conditions(self) -> Mapping[str, Mapping[str, Any]]:
        return {condition["type"]: condition for condition in self._told.get("conditions", ())}

    def _headline(self) -> Mapping[str, Any]:
        """The condition that explains the phase."""
        for kind in (self.phase, "Progressing", "Accepted"):
            if kind in self._conditions:
                return self._conditions[kind]
        namespace = self.body["metadata"]["namespace"]
        return {
            "reason": "NotSeen",
            "message": f"no operator has looked at it; does one run, and does it watch namespace {namespace}?",
        }
