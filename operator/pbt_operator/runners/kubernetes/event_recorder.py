"""Posts what happened as Kubernetes Events about a Population: each once, a bounded number, never at a pass's cost."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from pbt_contract.text import abridged_to_bytes, one_line
from pbt_operator.control.events import Event
from pbt_operator.runners.kubernetes.api import GROUP, KIND, VERSION
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable
from pbt_operator.runners.kubernetes.event_budget import EventBudget
from pbt_operator.runners.kubernetes.pod_template import Owner

CONTROLLER = "pbt-operator"
ACTION = "Reconcile"
ALONE = 5  # more than so many of one reason in a pass become one Event
LISTED = 8  # of which so many are quoted
LINE_BYTES = 110
NOTE_BYTES = 1024  # the API counts bytes
EVENTS_A_PASS = 20
AGAIN = timedelta(minutes=10)  # the API server keeps an Event for an hour
FORGOTTEN_AFTER = timedelta(hours=1)  # any budget is whole again by then
LOG = logging.getLogger(__name__)


class EventRecorder:
    """Posts events; safe to use from several threads."""

    def __init__(
        self,
        create: Callable[[str, dict[str, Any]], None],
        *,
        instance: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        worker: Executor | None = None,
    ) -> None:
        """Posts nothing yet.

        Args:
            create: creates an Event in a namespace, unless one of its name is there; it may raise.
            instance: the name of the operator's pod.
            now: the time.
            worker: posts, so that no pass waits for it; without one, `post` does.
        """
        self._create, self._instance, self._now = create, instance[:128], now
        self._told: dict[tuple[str, Event], datetime] = {}
        self._waiting: dict[str, list[Event]] = {}  # by uid, those that weren't posted yet
        self._worker, self._budget = worker, EventBudget()
        self._lock = Lock()

    def post(self, owner: Owner, events: Sequence[Event]) -> None:
        """Logs and posts the events of one pass. What the API server refuses stays in the log.

        What is over the Population's budget waits, and becomes one Event that counts it.
        """
        fresh = list(bound(self._fresh(owner.uid, events)))
        for event in fresh:
            self._log(owner, event)
        with self._lock:
            if fresh:
                self._waiting[owner.uid] = list(bound([*self._waiting.get(owner.uid, ()), *fresh]))
            timers = owner.uid in self._waiting
        if timers:
            if self._worker is None:
                self._post_waiting(owner)
            else:
                self._worker.submit(self._post_waiting, owner)

    def _log(self, owner: Owner, event: Event) -> None:
        with self._lock:
            may = self._budget.take(("log", owner.uid, event.reason), warning=event.warning, now=self._now())
        if may:
            level = logging.WARNING if event.warning else logging.INFO
            LOG.log(level, "%s: %s", event.reason, abridged_to_bytes(one_line(event.message), NOTE_BYTES))

    def _post_waiting(self, owner: Owner) -> None:
        """Posts what waits, in bounded number; what the API server is away for, goes on waiting."""
        with self._lock:
            waiting, now = self._waiting.pop(owner.uid, ()), self._now()
            spends = {
                e: self._budget.take((owner.uid, e.reason), warning=e.warning, now=now) for e in waiting
            }
            bounded, left = [e for e in spends if spends[e]], [e for e in spends if not spends[e]]
            if left:
                self._waiting[owner.uid] = left
        for number, event in enumerate(bounded):
            try:
                self._create(owner.namespace, self._body(owner, event))
            except Exception as error:  # noqa: BLE001 - no Event is worth a pass, whatever the client raised
                # The others would only wait for the same server's time-out, one after the other.
                LOG.warning("%d of %d Events can't be posted: %s", len(bounded) - number, len(bounded), error)
                if isinstance(error, ApiUnavailable):
                    with self._lock:
                        more = self._waiting.get(owner.uid, [])
                        self._waiting[owner.uid] = list(bound([*bounded[number:], *more]))
                return

    def _fresh(self, uid: str, events: Sequence[Event]) -> list[Event]:
        """Those that weren't told lately: what stays wrong is told by every pass."""
        now = self._now()
        with self._lock:
            self._told = {known: at for known, at in self._told.items() if now - at < AGAIN}
            self._budget.forget_before(now - FORGOTTEN_AFTER)
            fresh = [event for event in dict.fromkeys(events) if (uid, event) not in self._told]
            self._told |= {(uid, event): now for event in fresh}
        return fresh

    def _body(self, owner: Owner, event: Event) -> dict[str, Any]:
        identity = json.dumps([owner.uid, event.reason, event.message])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        time = self._now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return {
            # Not events.k8s.io/v1: `kubectl describe` sorts by lastTimestamp, which is forbidden there.
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{owner.name}.{digest}", "namespace": owner.namespace},
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "action": ACTION,
            "message": abridged_to_bytes(one_line(event.message), NOTE_BYTES),
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": owner.namespace,
                "name": owner.name,
                "uid": owner.uid,
            },
            "source": {"component": CONTROLLER},
            "reportingComponent": CONTROLLER,
            "reportingInstance": self._instance,
        }


def bound(events: Sequence[Event]) -> Iterator[Event]:
    """What to post of one pass, the warnings first: many of one reason become one, and so do those above the limit."""
    by_reason: dict[str, list[Event]] = {}
    for event in events:
        by_reason.setdefault(event.reason, []).append(event)
    sizes: dict[Event, int] = {}
    for alike in by_reason.values():
        sizes |= dict.fromkeys(alike, 1) if len(alike) <= ALONE else {_together(alike): len(alike)}
    ordered = sorted(sizes, key=lambda event: not event.warning)
    kept = ordered if len(ordered) <= EVENTS_A_PASS else ordered[: EVENTS_A_PASS - 1]
    yield from kept
    rest = ordered[len(kept) :]
    if rest:
        counts: Counter[str] = Counter()
        for event in rest:
            counts[event.reason] += sizes[event]
        told = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        told = f"{counts.total()} more at once: {told}; the operator's log and the store hold them"
        yield Event("MoreEvents", told, warning=any(event.warning for event in rest))


def _together(alike: Sequence[Event]) -> Event:
    shown = [abridged_to_bytes(one_line(event.message), LINE_BYTES) for event in alike[:LISTED]]
    more = len(alike) - len(shown)
    told = f"{len(alike)} at once: " + "; ".join([*shown, *([f"and {more} more"] if more else [])])
    return Event(alike[0].reason, told, warning=any(event.warning for event in alike))
