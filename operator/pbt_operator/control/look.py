"""Station "look", as far as pods go: which member each pod's process trains, and which pods have ended or wait."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pbt_operator.control.occupancy import asked_for, has_claimed, is_taken, lived, next_request
from pbt_operator.control.pods import Phase, Pod, Pods
from pbt_operator.control.shortage import is_short
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.repository import Repository

UNLIMITED = Allowance()

READS_OF_AN_END = 12
"""What it takes at the most to account for a process that ended: its claim, its requests, its newest records."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The pods of a population, each under the life that its process lives.

    Attributes:
        live: the pod of each member that hasn't ended.
        ended: those to be accounted for.
        demand: those that wait for a place, while the members share the places that there are; and any whose birth
            another process has taken or another one follows, which waits for another birth.
        leaving: those that run beside their member's own, and hold a slot until they have ended.
        is_short: whether the cluster lacks room.
        shares: whether members take turns because of that.
        makes_room: whether a process could go on as a member whose pod has no place; not asked where none lacks one.
        num_left: how many are left to the next pass, of those that ended, were asked something or may make room. Then
            nothing follows but the account of those that ended.
        without_room: the pods of which it is known that they make none, where some are left.
    """

    live: Mapping[int, Pod]
    ended: Sequence[Pod]
    demand: Sequence[Pod] = ()
    leaving: Sequence[Pod] = ()
    is_short: bool = False
    shares: bool = False
    makes_room: bool = False
    num_left: int = 0
    without_room: frozenset[str] = frozenset()

    @property
    def lacks_room(self) -> bool:
        """Whether a pod has no place yet, though others may have got one lately: what is given back is fought over."""
        return bool(
            self.is_short or self.demand or any(p.unplaced_for is not None for p in self.live.values())
        )


def look_at_pods(
    pods: Pods,
    repository: Repository,
    *,
    late: Collection[str],
    allowance: Allowance = UNLIMITED,
    before: Seen | None = None,
) -> Seen:
    """Looks at all pods; labels are made to follow the processes, and of two pods for a member the older is stopped.

    Args:
        pods: of the population.
        repository: its records.
        late: the pods whose processes were asked to go on with another birth, and didn't in time.
        allowance: what looking for their ends, for what they were asked and for room may take.
        before: what the look before has seen, which this one goes on with if something was left.
    """
    found: Sequence[Pod] = list(pods.observe())
    if unread := _learn_requests(found, repository, allowance):
        return Seen({}, [], num_left=unread)
    found, later = _accounted_now(found, repository, allowance)
    short = is_short(found, refused_for=pods.refused_for)
    known = [_recognise(labelled, pods, repository) for labelled in found]
    # Who runs comes first: a pod that waits is only asked about where its member has a process already.
    known.sort(key=lambda pod: pod.phase is Phase.PENDING)
    ended = [pod for pod in known if pod.ended]
    running = [pod for pod in known if pod.phase is Phase.RUNNING]
    lacks = short or any(not pod.ended and pod.unplaced_for is not None for pod in known)
    passed = before.without_room if before is not None and before.num_left else frozenset[str]()
    unpassed = [pod for pod in running if lacks and pod.uid not in passed]
    makes_room, unasked = _looks_for_room(unpassed, repository, late, allowance)
    if unasked:
        passed |= {pod.uid for pod in unpassed[: len(unpassed) - unasked]}
        return Seen({}, ended, num_left=later + unasked, without_room=passed)
    shares = short and (makes_room or not running)
    live, demand, leaving = _sorted(known, pods, repository, shares=shares)
    return Seen(
        live, ended, demand, leaving, is_short=short, shares=shares, makes_room=makes_room, num_left=later
    )


def _accounted_now(
    found: Sequence[Pod], repository: Repository, allowance: Allowance
) -> tuple[Sequence[Pod], int]:
    """The pods without those that ended and are left to the next pass, and how many these are."""
    over = [pod for pod in found if pod.ended]
    most = allowance.at_once(len(over), each=READS_OF_AN_END)
    newest = [repository.history.newest_birth(pod.member) for pod in over[:most]]
    repository.learn_claims([birth for birth in newest if birth is not None])
    later = {pod.uid for pod in over[most:]}
    return [pod for pod in found if pod.uid not in later], len(later)


def _sorted(
    known: Sequence[Pod], pods: Pods, repository: Repository, *, shares: bool
) -> tuple[dict[int, Pod], list[Pod], list[Pod]]:
    """The pod of each member that hasn't ended, those that wait, and those that leave by themselves."""
    live, demand, leaving = dict[int, Pod](), list[Pod](), list[Pod]()
    for pod in known:
        if pod.ended:
            continue
        if _is_to_wait(pod, repository, shares=shares, is_lived=pod.member in live):
            demand.append(pod)
        elif pod.member in live and _is_late(pod, repository):
            # If it runs, its trainer finds that out, and leaves.
            (demand if pod.phase is Phase.PENDING else leaving).append(pod)
        elif pod.member in live:
            older, newer = sorted((live[pod.member], pod), key=lambda p: p.incarnation)
            pods.stop(older)
            leaving.append(older)
            live[pod.member] = newer
        else:
            live[pod.member] = pod
    return live, demand, leaving


def _learn_requests(found: Sequence[Pod], repository: Repository, allowance: Allowance) -> int:
    """Learns what processes were asked, where only the request's name is known; returns how many are left."""
    yields = repository.yields
    unread = [pod for pod in found if yields.unread(pod.member, since=pod.incarnation)]
    left = len(unread)
    for pod in allowance.among(unread):
        next(yields.known(pod.member, since=pod.incarnation), None)
        left -= 1
    return left


def _looks_for_room(
    running: Sequence[Pod], repository: Repository, late: Collection[str], allowance: Allowance
) -> tuple[bool, int]:
    """Whether any of these makes room, and of how many that isn't known yet."""
    for number, pod in enumerate(running, start=1):
        before = repository.store.num_reads
        if _makes_room(pod, repository, late):
            return True, 0
        if repository.store.num_reads > before and allowance.is_spent:
            return False, len(running) - number
    return False, 0


def _makes_room(pod: Pod, repository: Repository, late: Collection[str]) -> bool:
    """Whether the process can go on as another member; one that has not begun yet may be one that can."""
    if asked_for(repository, pod) is not None:
        return pod.uid not in late or not has_claimed(repository, pod)
    return next_request(repository, pod) is not None or not has_claimed(repository, pod)


def _is_to_wait(pod: Pod, repository: Repository, *, shares: bool, is_lived: bool) -> bool:
    """Whether a pod is nobody's yet, so that any member that waits may have it."""
    if pod.unplaced_for is not None:
        is_over = _is_followed(pod, repository)
        # The watch may lag: who has claimed its birth runs, whatever it shows.
        has_begun = (is_over or repository.claims.knows(pod.life)) and has_claimed(repository, pod)
        return not has_begun and (shares or is_lived or is_over)
    return is_lived and pod.phase is Phase.PENDING and _is_followed(pod, repository)


def _is_followed(pod: Pod, repository: Repository) -> bool:
    """Whether the birth that this pod is to start as is over before it began."""
    newest = repository.history.newest_birth(pod.member)
    return newest is not None and newest.incarnation > pod.incarnation


def _is_late(pod: Pod, repository: Repository) -> bool:
    """Whether another pod's process has claimed the birth that this one is to start as."""
    birth = repository.history.birth(*pod.life)
    return birth is not None and is_taken(repository, birth, pod.uid)


def _recognise(pod: Pod, pods: Pods, repository: Repository) -> Pod:
    repository.learn_birth(pod.member, pod.incarnation)
    known = lived(repository, pod, ask=pod.ended)
    if known != pod:
        pods.relabel(pod, member=known.member, incarnation=known.incarnation)
    return known
