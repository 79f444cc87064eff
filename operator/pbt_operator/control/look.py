"""Station "look", as far as pods go: which member each pod's process trains, and which pods have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pbt_operator.control.occupancy import lived
from pbt_operator.control.pods import Pod, Pods
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


@dataclass(frozen=True, slots=True)
class Seen:
    """The pods of a population, each under the life that its process lives.

    Attributes:
        live: the pod of each member that hasn't ended.
        ended: those to be accounted for.
    """

    live: Mapping[int, Pod]
    ended: Sequence[Pod]


def look_at_pods(pods: Pods, repository: Repository, spec: Spec) -> Seen:
    """Looks at all pods; labels are made to follow the processes, and of two pods for a member the older is stopped."""
    found = pods.observe()
    newest = [repository.history.newest_birth(pod.member) for pod in found if pod.ended]
    repository.learn_claims([birth for birth in newest if birth is not None])
    live: dict[int, Pod] = {}
    ended = []
    for labelled in found:
        pod = _recognise(labelled, pods, repository, spec)
        if pod.ended:
            ended.append(pod)
        elif pod.member in live:
            older, newer = sorted((live[pod.member], pod), key=lambda p: p.incarnation)
            pods.stop(older)
            live[pod.member] = newer
        else:
            live[pod.member] = pod
    return Seen(live, ended)


def _recognise(pod: Pod, pods: Pods, repository: Repository, spec: Spec) -> Pod:
    repository.learn_birth(pod.member, pod.incarnation)
    known = lived(repository, pod, ask=pod.ended and spec.shares_slots)
    if known != pod:
        pods.relabel(pod, member=known.member, incarnation=known.incarnation)
    return known
