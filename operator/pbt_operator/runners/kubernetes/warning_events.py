"""Why pods that have a node don't start, where their own status doesn't say: the newest Warning Event about each.

A volume whose Secret is missing, say. One bounded list a minute, and only while some pod has been silent for a while.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pbt_operator.control.pods import Phase, Pod
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiRefused, ApiUnavailable
from pbt_operator.runners.kubernetes.pod_troubles import NAMED
from pbt_operator.runners.kubernetes.run_times import posix_of

SILENT_SECONDS = 30.0  # so that it is told within a minute
APART_SECONDS = 60.0
MOST_READ = 500
RECENT_SECONDS = 300.0  # the kubelet repeats at least every other minute what goes on failing
MISSING = "not found"
WRONG = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"})
"""What keeps a pod from starting for as long as it is repeated."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Warning:
    reason: str
    message: str
    at: float


class WarningEvents:
    """Of one population's pods."""

    def __init__(self, api: Api, *, namespace: str, now: Callable[[], float], reads: bool) -> None:
        """Asks nothing yet; `reads` is whether the operator may, and `now` tells POSIX time."""
        self._api, self._namespace, self._now, self._reads = api, namespace, now, reads
        self._known: dict[str, _Warning] = {}
        self._looked = float("-inf")

    def look(self, pods: Iterable[Pod]) -> None:
        """Asks the API server if one of these pods has said nothing for long, and if it is time."""
        silent = {pod.uid for pod in pods if _is_silent(pod)}
        self._known = {uid: warning for uid, warning in self._known.items() if uid in silent}
        if not silent or not self._reads or 0 <= self._now() - self._looked < APART_SECONDS:
            return
        self._looked = self._now()
        try:
            found = self._api.pod_warnings(self._namespace, most=MOST_READ)
        except ApiRefused as refused:
            self._reads = False
            LOG.warning("Events can't be read, so some pods that don't start won't say why: %s", refused)
            return
        except ApiUnavailable:
            return  # in a minute again: no pass is worth less for it
        for body in found:
            uid, warning = (body.get("involvedObject") or {}).get("uid"), _read(body)
            if uid in silent and (uid not in self._known or self._known[uid].at <= warning.at):
                self._known[uid] = warning

    def explained(self, pod: Pod) -> Pod:
        """The pod, with what an Event says of it where it says nothing by itself."""
        known = self._known.get(pod.uid)
        if known is None or not _is_silent(pod) or self._now() - known.at > RECENT_SECONDS:
            return pod
        remedy = NAMED if MISSING in known.message else f"see kubectl describe pod {pod.name}"
        told = f"{known.reason}: {known.message}"
        return replace(pod, message=told, remedy=remedy, stuck=known.reason in WRONG, slow="")


def _is_silent(pod: Pod) -> bool:
    is_placed = pod.placed_for is not None and pod.placed_for >= SILENT_SECONDS
    return pod.phase is Phase.PENDING and is_placed and not pod.message and not pod.stopping


def _read(body: Mapping[str, Any]) -> _Warning:
    series = body.get("series") or {}
    at = body.get("lastTimestamp") or series.get("lastObservedTime") or body.get("eventTime")
    return _Warning(
        str(body.get("reason") or ""), str(body.get("message") or "").strip(), posix_of(at) or 0.0
    )
