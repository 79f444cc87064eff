"""What one pass tells the cluster: Events, and one write of the status if anything in it changed."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pbt_contract.encoding import not_finite
from pbt_operator.control.events import Event
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.status_schema import UNSEEN
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.conditions import Condition, merged, summary
from pbt_operator.runners.kubernetes.event_recorder import EventRecorder
from pbt_operator.runners.kubernetes.pod_state import SETTLED
from pbt_operator.runners.kubernetes.pod_template import POPULATION_UID, Owner
from pbt_operator.runners.kubernetes.run_times import rfc3339

LOG = logging.getLogger(__name__)
APART_SECONDS = 2.0  # the whole status is written anew each time, and etcd keeps every version for minutes


class StatusWriter:
    """The Events and the status of one Population.

    Attributes:
        conditions: as they stood when the status was published last, whether or not it had to be written.
    """

    def __init__(self, owner: Owner, *, api: Api, recorder: EventRecorder) -> None:
        """Has told nothing yet."""
        self._owner, self._api, self._recorder = owner, api, recorder
        self.conditions: list[dict[str, Any]] = []
        self._events: list[Event] = []
        self._conditions: dict[str, Condition] = {}
        self._fields: dict[str, Any] = {}
        self._written: Mapping[str, Any] | None = None
        self._stored: Mapping[str, Any] = {}  # what the API server made of that
        self._version = 0
        self._wrong: bool | None = None  # nobody has looked yet
        self._write_at, self._is_late = 0.0, False

    def tell(self, event: Event) -> None:
        """Something happened."""
        self._events.append(event)

    def note(self, condition: Condition) -> None:
        """How one condition stands; those that a pass doesn't note stay as they are."""
        self._conditions[condition.kind] = condition
        if condition.kind == "Progressing":
            self._wrong = condition.wrong

    def show(self, fields: Mapping[str, Any]) -> None:
        """Other fields of the status; None takes one away. One with a number that JSON has not is left out."""
        wrong = {name: path for name, value in fields.items() for path in not_finite(value, name)}
        for path in wrong.values():
            LOG.warning("status.%s is not finite: it is left out", path)
        self._fields = {name: None if name in wrong else value for name, value in fields.items()}

    def publish(
        self, status: Mapping[str, Any], *, generation: int | None, now: float, version: int = 0
    ) -> None:
        """Posts the events and writes the status: at once if its outline has changed, else a while after the last time.

        Args:
            status: as the watch shows it; what was written after that counts instead, unless somebody else has
                written since.
            generation: of the spec that the pass looked at; None where none could be looked at yet.
            now: POSIX time.
            version: of the resource that `status` is from.

        Raises:
            ApiUnavailable: nothing is lost, the next pass writes it.
        """
        events, self._events = self._events, []
        self._recorder.post(self._owner, events)
        late = version < self._version or status == self._stored
        before = self._written if self._written is not None and late else status
        shown = {"phase": PopulationPhase.PENDING.value, **before, **self._fields}
        observed = before.get("observedGeneration", UNSEEN) if generation is None else generation
        self.conditions = self._merged(before.get("conditions", ()), shown, observed=observed, now=now)
        wanted = {
            **{name: value for name, value in shown.items() if value is not None},
            "observedGeneration": observed,
            "selector": f"{POPULATION_UID}={self._owner.uid},!{SETTLED}",
            "conditions": self.conditions,
        }
        self._is_late = wanted != before and _outline(wanted) == _outline(before) and self._wait(now) > 0
        if self._is_late:
            return
        if wanted != before:
            # The watch may be behind: what it doesn't show may be there all the same.
            gone = dict.fromkeys(sorted({*before, *self._fields} - wanted.keys()))
            patched = self._api.patch_status(self._owner.namespace, self._owner.name, {**wanted, **gone})
            if patched is not None:
                self._written, self._stored = wanted, patched["status"]
                self._version = int(patched["metadata"]["resourceVersion"])
            self._write_at = now + APART_SECONDS
        self._conditions = {}

    def _merged(
        self, before: Sequence[Mapping[str, Any]], shown: Mapping[str, Any], *, observed: int, now: float
    ) -> list[dict[str, Any]]:
        """The conditions, and what sums them up."""
        told: dict[str, Any] = {"generation": max(0, observed), "time": rfc3339(now)}
        noted = merged(before, self._conditions.values(), **told)
        if not noted:
            return []
        was_ready = any(found["type"] == "Ready" and found["status"] == "True" for found in noted)
        wrong = not was_ready if self._wrong is None else self._wrong
        return merged(noted, summary(noted, training=shown.get("readyReplicas") or 0, wrong=wrong), **told)

    def seconds_until_due(self, now: float) -> float:
        """Until a write that waits for others to join it is due; infinite where there is none."""
        return self._wait(now) if self._is_late else float("inf")

    def _wait(self, now: float) -> float:
        wait = self._write_at - now
        return wait if 0 < wait <= APART_SECONDS else 0.0  # the time may be set back


def _outline(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """What nobody should have to wait for: the phase, and which conditions hold and why."""
    conditions = status.get("conditions", ())
    told = [(c["type"], c["status"], c["reason"], c["observedGeneration"]) for c in conditions]
    return (status.get("phase"), status.get("observedGeneration"), set(status), told)
