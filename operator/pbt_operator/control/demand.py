"""The pods that wait for a place: as many as members do, each for one of them, so that queues and autoscalers see them.

Which member a pod is for changes while it waits: a turn that is taken in a running process needs no pod of its own, and
a pod that was made anew for each turn would go to the end of every queue.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from pbt_contract.keys import Life
from pbt_operator.control.look import Seen
from pbt_operator.control.pods import Pod, Pods
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core.slots import Waiter, in_turn
from pbt_operator.core.spec import Spec


class Demand:
    """Keeps the demand of one population up."""

    def __init__(self, pods: Pods, *, vacancies: Vacancies, stop: Callable[[Pod], None]) -> None:
        """`vacancies` tells the births of members that wait, `stop` ends a pod that nobody needs."""
        self._pods, self._vacancies, self._stop = pods, vacancies, stop

    def keep_up(
        self,
        seen: Seen,
        spec: Spec,
        *,
        waiters: Sequence[Waiter],
        heirs: Mapping[int, Life],
        started: Collection[int] = (),
    ) -> None:
        """Gives each pod that waits a member that waits, makes those that lack, and ends those that are too many.

        Args:
            seen: the pods.
            spec: what is asked.
            waiters: members without a process.
            heirs: whom processes were asked to go on as: their former members wait from then on.
            started: those of them that pods were made for just now, which `seen` doesn't hold.
        """
        pods = [pod for pod in seen.demand if not pod.stopping]
        promised = {to.member for to in heirs.values()}
        needy = [one.member for one in in_turn(waiters) if one.member not in {*promised, *started}]
        most = max(0, spec.slots - len(seen.live) - len(seen.leaving) - len(started))
        wanted = min(most, len(needy) + len(promised))
        lacking = self._vacancies.births(needy[:wanted], spec)
        idle = list[Pod]()
        for pod in pods:  # those that are for the right birth already
            birth = lacking.get(pod.member)
            if birth is not None and birth.life == pod.life:
                del lacking[pod.member]
            else:
                idle.append(pod)
        made = [*lacking.values()]
        for pod, birth in zip(idle, made, strict=False):
            self._pods.readdress(pod, birth)
        for birth in made[len(idle) :][: max(0, wanted - len(pods))]:
            self._pods.start(birth)
        for pod in idle[len(made) :][: max(0, len(pods) - wanted)]:
            self._stop(pod)
