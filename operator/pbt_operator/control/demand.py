"""The pods that wait for a place: as many as members do, each for one of them, so that queues and autoscalers see them.

Which member a pod is for changes while it waits: a turn that is taken in a running process needs no pod of its own, and
a pod that was made anew for each turn would go to the end of every queue.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.knowledge import Knowledge
from pbt_operator.control.look import Seen
from pbt_operator.control.pods import Pod, Pods
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.slots import Waiter, in_turn
from pbt_operator.core.spec import Spec


class Demand:
    """Keeps the demand of one population up."""

    def __init__(
        self, pods: Pods, *, vacancies: Vacancies, knowledge: Knowledge, stop: Callable[[Pod], None]
    ) -> None:
        """`vacancies` tells the births of members that wait, `stop` ends a pod that nobody needs."""
        self._pods, self._vacancies, self._knowledge, self._stop = pods, vacancies, knowledge, stop

    def keep_up(
        self,
        seen: Seen,
        spec: Spec,
        *,
        waiters: Sequence[Waiter],
        heirs: Mapping[int, Life],
        allowance: Allowance,
        started: Collection[int] = (),
    ) -> int:
        """Gives each pod that waits a member that waits, makes those that lack, and ends those that are too many.

        Args:
            seen: the pods.
            spec: what is asked.
            waiters: members without a process.
            heirs: whom processes were asked to go on as: their former members wait from then on.
            allowance: what looking for their births may take.
            started: those of them that pods were made for just now, which `seen` doesn't hold.

        Returns:
            How many members are left to the next pass.
        """
        pods = [pod for pod in seen.demand if not pod.stopping]
        promised = {to.member for to in heirs.values()}
        needy = [one.member for one in in_turn(waiters) if one.member not in {*promised, *started}]
        most = max(0, spec.slots - len(seen.live) - len(seen.leaving) - len(started))
        wanted = min(most, len(needy) + len(promised))
        left = self._knowledge.learn_waiting(needy[:wanted], pods, allowance)
        lacking = self._vacancies.births([m for m in needy[:wanted] if m not in left], spec)
        self._assign(pods, lacking, wanted)
        return len(left)

    def _assign(self, pods: Sequence[Pod], lacking: dict[int, Birth], wanted: int) -> None:
        """Gives these pods these births, with so many pods in the end."""
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
