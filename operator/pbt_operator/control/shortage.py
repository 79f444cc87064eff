"""Whether the cluster grants fewer pods than were asked for, and which pods only wait. Pure.

While it does, the members share the slots that there are, and the pods that wait are a demand that belongs to nobody:
which member such a pod is for is said again with each turn, until it has a place.
"""

from collections.abc import Iterable

from pbt_operator.control.pods import Pod

SHORTAGE_SECONDS = 60.0  # a node that is drained or added takes less, mostly


def is_short(pods: Iterable[Pod], *, refused_for: float | None) -> bool:
    """Whether room has lacked for a while.

    A pod that gets a place ends a shortage at once. Images, volumes and init containers come after that: pods that wait
    for them lack nothing.

    Args:
        pods: of the population.
        refused_for: see `Pods.refused_for`.
    """
    waiting, placed = [refused_for or 0.0], list[float]()
    for pod in pods:
        if pod.ended or pod.stopping:
            continue
        if pod.unplaced_for is not None:
            waiting.append(pod.unplaced_for)
        elif pod.placed_for is not None:
            placed.append(pod.placed_for)
    return min(max(waiting), *placed, float("inf")) >= SHORTAGE_SECONDS
