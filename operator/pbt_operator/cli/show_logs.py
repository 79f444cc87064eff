"""`pbt logs`: what a member's trainer prints, from the newest of its pods or the one before."""

import sys
from collections.abc import Sequence

from pbt_contract.errors import PbtError
from pbt_operator.cli.cluster import ClusterOptions, Resource
from pbt_operator.cli.output import Mistake, standing
from pbt_operator.cli.place import find_on_cluster
from pbt_operator.cli.population_resource import PopulationResource
from pbt_operator.control.pods import Phase
from pbt_operator.core.status import MemberState
from pbt_operator.runners.kubernetes.pod_state import MARK, read
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER, POPULATION_UID


class NoLog(PbtError):
    """The member has none now; the message says why."""


def show_logs(name: str, member: int, options: ClusterOptions, *, previous: bool, follow: bool) -> None:
    """Copies a trainer's log to standard output, byte by byte.

    Args:
        name: of the Population.
        member: its number.
        options: the cluster.
        previous: of the incarnation before the newest.
        follow: until it ends.

    Raises:
        Mistake: there is no such Population or member.
        NoLog: the member has no pod, or it has not started.
        ClusterRefused: the cluster can't be reached or doesn't let us.
    """
    place = find_on_cluster(name, options, locally="the output of its members is in {place}/logs")
    pods = place.cluster.pods(f"{POPULATION_UID}={place.population.uid},{MEMBER}={member}")
    pod = choose(pods, place.population, member, previous=previous)
    log = place.cluster.log(pod["metadata"]["name"], container=trainer_of(pod), follow=follow)
    try:
        for chunk in log:
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        sys.exit(130)


def choose(
    pods: Sequence[Resource], population: PopulationResource, member: int, *, previous: bool
) -> Resource:
    """The pod whose log is wanted.

    Args:
        pods: the member's, as the API server gave them.
        population: what it says of the member tells why there is none.
        member: its number.
        previous: the incarnation before the newest.

    Raises:
        Mistake: there is no such member.
        NoLog: there is no such pod, or it has not started.
    """
    known = {int(pod["metadata"]["labels"][INCARNATION]): pod for pod in pods}
    newest_first = [known[incarnation] for incarnation in sorted(known, reverse=True)]
    if not newest_first:
        raise _without_pod(population, member)
    newest, *earlier = newest_first
    if previous:
        if not earlier:
            raise NoLog(
                f"member {member} has no pod before {newest['metadata']['name']}; "
                "if an earlier one crashed, its last lines are in the Events"
            )
        return earlier[0]
    seen = read(newest)
    if seen is not None and seen.pod.phase is Phase.PENDING:
        why = f": {seen.pod.message}" if seen.pod.message else ""
        before = "; --previous shows the log of the one before" if earlier else ""
        raise NoLog(f"the pod {seen.pod.name} has not started yet{why}{before}")
    return newest


def trainer_of(pod: Resource) -> str | None:
    """The name of the container that trains."""
    containers = pod["spec"]["containers"]
    return next((c["name"] for c in containers if any(e["name"] == MARK for e in c.get("env") or ())), None)


def _without_pod(population: PopulationResource, member: int) -> PbtError:
    status, wanted = population.status(), population.spec["members"]
    told = next((m for m in status.members if m.member == member), None)
    if told is None and member >= wanted:
        return Mistake(f"there is no member {member}; {population.name} has members 0 to {wanted - 1}")
    if told is None or told.state is MemberState.WAITING:
        why = f"{population.name} is {standing(status)}"
    else:
        why = f"it is {told.state}" + (f" ({told.reason})" if told.state is MemberState.FAILED else "")
    return NoLog(f"member {member} has no pod: {why}")
