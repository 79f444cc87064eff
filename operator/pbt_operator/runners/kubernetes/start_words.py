"""What is told of pods whose trainers don't start: for the condition `Progressing`, and as Events."""

from collections.abc import Iterable, Iterator, Sequence

from pbt_operator.control.events import Event
from pbt_operator.control.pods import Phase, Pod

MOST_TOLD = 3  # different troubles in a pass; the first of each is told


def waiting_among(pods: Iterable[Pod]) -> list[Pod]:
    """Those that the cluster doesn't run, though they were asked for, and that say why."""
    return [pod for pod in pods if pod.phase is Phase.PENDING and pod.message]


def waiting_words(waiting: Sequence[Pod]) -> str:
    """How many pods wait, and what the first of them waits for: one for which no waiting helps, if there is one."""
    first = min(waiting, key=lambda pod: not pod.stuck)
    return f"{len(waiting)} wait; {_told(first)}"


def slow_words(pods: Sequence[Pod]) -> str:
    """What takes long, though nothing is wrong; empty where nothing does."""
    slow = [pod for pod in pods if pod.slow]
    if not slow:
        return ""
    more = f", and {len(slow) - 1} more are slow to start" if len(slow) > 1 else ""
    return f"{slow[0].name}: {slow[0].slow}{more}"


def unclaimed_words(pod: Pod) -> str:
    """Of a trainer that runs and hasn't claimed its birth."""
    trouble = f"; {pod.message}" if pod.message else ""
    where = f": {pod.log}" if pod.log else ""
    return (
        f"{pod.name} runs and has not joined for a minute{trouble}; its script has not come to pbt_trainer.join(), or "
        f"it can't reach the store: see its log{where}"
    )


def start_events(pods: Sequence[Pod], unclaimed: Sequence[Pod]) -> Iterator[Event]:
    """What a person should do something about.

    Args:
        pods: that haven't ended.
        unclaimed: those whose trainers run and haven't claimed their birth for a while.
    """
    blocked: dict[str, Pod] = {}
    for pod in pods:
        if pod.stuck and not pod.stopping:
            blocked.setdefault(pod.message, pod)
    for pod in list(blocked.values())[:MOST_TOLD]:
        yield Event("StartBlocked", _told(pod), pod.member, warning=True)
    for pod in unclaimed[:1]:
        yield Event("NotJoined", unclaimed_words(pod), pod.member)


def _told(pod: Pod) -> str:
    return f"{pod.name}: {pod.message}{f'; {pod.remedy}' if pod.remedy else ''}"
