"""What the watch of pods says about invariant 8: never more pods than slots, never two live pods of one member."""

from collections.abc import Iterator, Mapping, Sequence

from cluster.watch import Body, Change
from pbt_contract.errors import ExitCode
from pbt_operator.runners.kubernetes.pod_state import read
from pbt_operator.runners.kubernetes.pod_template import MEMBER, POPULATION


def is_live(pod: Body) -> bool:
    """Whether the trainer of a pod isn't over."""
    status = pod.get("status", {})
    if status.get("phase") in {"Succeeded", "Failed"}:
        return False
    return not any("terminated" in container["state"] for container in status.get("containerStatuses", ()))


def member(pod: Body) -> int:
    """Whose pod it is."""
    return int(pod["metadata"]["labels"][MEMBER])


def of(pods: Mapping[str, Body], population: str) -> list[Body]:
    """The pods of one population."""
    return [pod for pod in pods.values() if pod["metadata"]["labels"].get(POPULATION) == population]


def is_disrupted(pod: Body) -> bool:
    """Whether a pod ended through nobody's fault: its node, an eviction, or a store that was away for too long."""
    seen = read(pod)
    return (
        seen is not None and seen.pod.ended and (seen.pod.disrupted or seen.pod.exit_code == ExitCode.STORAGE)
    )


def crowds(changes: Sequence[Change], *, population: str, slots: int) -> Iterator[str]:
    """The moments at which a population had too many pods, a sentence for each."""
    live: dict[str, Body] = {}
    for change in changes:
        metadata = change.body["metadata"]
        if metadata["labels"].get(POPULATION) != population:
            continue
        if change.kind == "DELETED" or not is_live(change.body):
            live.pop(metadata["uid"], None)
            continue
        live[metadata["uid"]] = change.body
        names = sorted(pod["metadata"]["name"] for pod in live.values())
        if len(live) > slots:
            yield f"8: {len(live)} pods of {slots} slots: {', '.join(names)}"
        # Whom a pod without a node is for changes with each turn of a shortage: it lives nobody.
        members = [member(pod) for pod in live.values() if pod["spec"].get("nodeName")]
        if len(set(members)) < len(members):
            yield f"8: two live pods of a member: {', '.join(names)}"
