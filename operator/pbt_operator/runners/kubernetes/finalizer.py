"""The end of a Population: with `onDelete: Delete`, first its pods go, then what it stored, then the resource.

Without that, the API server's garbage collection removes the pods, and nothing needs the operator.
"""

from collections.abc import Mapping
from typing import Any

from pbt_contract.stores import Store
from pbt_operator.records import owners
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.pod_state import PodState
from pbt_operator.runners.kubernetes.pod_template import Owner

PURGE = "pbt.dev/purge"
SKIP = "pbt.dev/skip-purge"


def is_held(body: Mapping[str, Any]) -> bool:
    """Whether the resource waits for its purge."""
    return PURGE in (body["metadata"].get("finalizers") or ())


def skips_purge(body: Mapping[str, Any]) -> bool:
    """Whether somebody gave the purge up."""
    return (body["metadata"].get("annotations") or {}).get(SKIP) == "true"


def with_finalizer(body: Mapping[str, Any], *, purges: bool) -> dict[str, Any] | None:
    """The patch by which the resource is held until its purge, or no longer; None if it is as it should be."""
    metadata = body["metadata"]
    known = metadata.get("finalizers") or []
    if (PURGE in known) == purges:
        return None
    finalizers = [f for f in known if f != PURGE] + ([PURGE] if purges else [])
    return {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}


def clear_pods(api: Api, owner: Owner, seen: Mapping[str, PodState], *, now: float) -> bool:
    """Deletes the pods; returns whether all are gone.

    One on a lost node isn't waited for: it can write no record. It is removed, for it would hold its quota for ever.
    """
    left = False
    for uid, pod in seen.items():
        is_lost = pod.pod.stopping and pod.is_lost(now)
        if is_lost:
            api.delete_pod(owner.namespace, pod.pod.name, uid=uid, grace_seconds=0)
        elif not pod.pod.stopping:
            api.delete_pod(owner.namespace, pod.pod.name, uid=uid)
        left = left or not is_lost
    return not left


def purge(store: Store, owner: Owner) -> str:
    """Deletes everything at the location, if it is still this Population's; says what was done.

    Raises:
        StoreUnavailable: the store can't be reached; try again later.
    """
    driving = owners.current(store)
    if driving is None or driving.uid != owner.uid:
        whose = "nobody's" if driving is None else f"of Population {driving.namespace}/{driving.name}"
        return f"{store.url} is {whose} and stays"
    store.purge()
    return f"{store.url} is deleted"
