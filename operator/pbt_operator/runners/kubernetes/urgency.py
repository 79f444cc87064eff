"""Whether the next pass of a population is due at once, or hardly ever again."""

from pbt_operator.control.session import Session
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods


def hurries(session: Session[ClusterPods]) -> bool:
    """Whether the next pass has work that waits for nothing."""
    last, pods = session.last, session.pods
    if last is None:
        return pods.num_left > 0
    starts = last.num_left > 0 and pods.refusal is None
    return last.cursor is not None or starts or last.sweeps or last.concludes or pods.num_left > 0


def is_over(session: Session[ClusterPods]) -> bool:
    """Whether the population ended, and its pods with it."""
    ended = session.last is not None and session.last.outcome is not None
    return ended and all(pod.ended for pod in session.pods.observe())
