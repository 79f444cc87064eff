"""Which member a pod's process trains now, and what it can be asked to go on with.

It trains what its labels say, or what it was asked to go on with and claimed.
"""

from collections.abc import Iterable
from dataclasses import replace

from msgspec import UnsetType

from pbt_contract.errors import NotFound
from pbt_contract.keys import MOST_REQUESTS, Life, Request
from pbt_contract.records import Birth, Claim
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.records.repository import Repository

JOIN_SECONDS = 60.0
MOST_ASKED = 8  # each is a read in every pass while it hasn't joined


def lived(repository: Repository, pod: Pod, *, ask: bool = False) -> Pod:
    """The pod under the life that its process lives: what its labels say, or what it was asked to go on as and claimed.

    Args:
        repository: the population's records.
        pod: as it is labelled.
        ask: look for yields that only another operator knows of.
    """
    passed: set[Life] = set()
    pod = _begun(repository, pod)
    while pod.life not in passed:
        passed.add(pod.life)
        if ask:
            _asked_last(repository, Life(pod.member, _newest_life(repository, pod)), pod.uid)
        for _, to in repository.yields.known(pod.member, since=pod.incarnation):
            if _claimed_by(repository, to, pod.uid):
                pod = replace(pod, member=to.member, incarnation=to.incarnation)
                break
    return pod


def asked_for(repository: Repository, pod: Pod) -> Life | None:
    """What the process was asked to go on with and may still claim; the pod is under the life that it lives."""
    for incarnation, to in repository.yields.known(pod.member, since=pod.incarnation):
        own = Life(member=pod.member, incarnation=incarnation)
        is_its_life = _newest_life(repository, pod) == incarnation and _claimed_by(repository, own, pod.uid)
        return to if is_its_life and _claim(repository, to) is None else None
    return None


def has_left(repository: Repository, life: Life, uid: str) -> bool:
    """Whether the process that claimed a life has gone on as another member."""
    to = _asked_last(repository, life, uid)
    return to is not None and _claimed_by(repository, to, uid)


def is_taken(repository: Repository, birth: Birth, uid: str) -> bool:
    """Whether the process of another pod has claimed a birth."""
    claim = repository.claim(birth)
    return claim is not None and claim.pod != uid


def not_joined(repository: Repository, live: Iterable[Pod]) -> list[Pod]:
    """The pods whose trainers have run for a while and haven't claimed their birth; some of them if there are many.

    Args:
        repository: the population's records.
        live: the pods that haven't ended.
    """
    found: list[tuple[Pod, Birth]] = []
    for pod in live:
        if pod.running_for is None or pod.running_for < JOIN_SECONDS or pod.stopping:
            continue
        birth = repository.history.newest_birth(pod.member)
        if birth is None or birth.life != pod.life or repository.claims.knows(pod.life):
            continue
        if repository.history.own_record(pod.member) is None:
            found.append((pod, birth))
        if len(found) == MOST_ASKED:
            break
    repository.learn_claims([birth for _, birth in found])
    return [pod for pod, _ in found if not repository.claims.knows(pod.life)]


def has_claimed(repository: Repository, pod: Pod) -> bool:
    """Whether the process has claimed the life that its pod is under: it has begun."""
    return _claimed_by(repository, pod.life, pod.uid)


def is_starting(repository: Repository, pod: Pod) -> bool:
    """Whether the pod has its place, or needs none, and its process is still to begin."""
    if pod.stopping or pod.ended or pod.stuck or pod.unplaced_for is not None:
        return False
    return pod.phase is Phase.PENDING or not has_claimed(repository, pod)


def next_request(repository: Repository, pod: Pod) -> Request | None:
    """The request by which the process can be asked to go on with another birth; None if it can't.

    Its claim says whether it looks for requests, and for how many: several ranks don't, nor does who knows nothing of
    them. It is asked again only where the birth of the request before is lost to it, so that it never has two to choose
    from. Whose own member another process lives is asked no more: it leaves.
    """
    life = Life(member=pod.member, incarnation=_newest_life(repository, pod))
    claim = _claim(repository, life)
    if claim is None or claim.pod != pod.uid or claim.void or claim.yields is not True:
        return None
    asked = next(repository.yields.known(life.member, since=life.incarnation), None)
    number = repository.yields.number(life)
    if asked is None:
        return Request(*life, max(1, number))  # what may be stored under that number can't be followed
    incarnation, to = asked
    if incarnation != life.incarnation or to.member == life.member or number >= _most_requests(claim):
        return None
    return Request(*life, number + 1) if _is_lost(repository, to, pod.uid) else None


def _most_requests(claim: Claim) -> int:
    return 1 if isinstance(claim.requests, UnsetType) else min(claim.requests, MOST_REQUESTS)


def _asked_last(repository: Repository, life: Life, uid: str) -> Life | None:
    """Whom the process of a life was asked last to go on as, by whichever operator."""
    to = repository.yields.ask(*life)
    while to is not None and _is_lost(repository, to, uid):
        later = repository.yields.ask_again(life)
        if later is None:
            break
        to = later
    return to


def _is_lost(repository: Repository, life: Life, uid: str) -> bool:
    """Whether the process of a pod can't claim a birth any more, and hasn't."""
    claim = _claim(repository, life)
    return claim is not None and (claim.pod != uid or claim.void)


def _begun(repository: Repository, pod: Pod) -> Pod:
    """The pod under the life that its process began with: its labels may have changed just as it started.

    Who has claimed the birth on its labels has begun with that one, or with what a yield names.
    """
    if not pod.readdressed or pod.phase is Phase.PENDING or has_claimed(repository, pod):
        return pod
    for life in pod.readdressed:
        if _claimed_by(repository, life, pod.uid):
            return replace(pod, member=life.member, incarnation=life.incarnation)
    return pod


def _newest_life(repository: Repository, pod: Pod) -> int:
    newest = repository.history.newest_birth(pod.member)
    for incarnation in range(newest.incarnation if newest else 0, pod.incarnation, -1):
        if _claimed_by(repository, Life(member=pod.member, incarnation=incarnation), pod.uid):
            return incarnation
    return pod.incarnation


def _claimed_by(repository: Repository, life: Life, uid: str) -> bool:
    claim = _claim(repository, life)
    return claim is not None and claim.pod == uid and not claim.void


def _claim(repository: Repository, life: Life) -> Claim | None:
    try:
        return repository.claim(repository.birth(life.member, life.incarnation))
    except NotFound:  # no such birth
        return None
