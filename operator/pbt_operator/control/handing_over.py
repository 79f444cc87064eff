"""Asks processes to go on with other births, so that nobody gives a place back that the cluster was slow to grant."""

from collections.abc import Mapping

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.occupancy import has_claimed, next_request
from pbt_operator.control.pods import Pod
from pbt_operator.control.record import Recorder
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core.spec import Spec
from pbt_operator.records.repository import Repository


class HandingOver:
    """Knows whose process can be asked, and asks."""

    def __init__(self, repository: Repository, *, recorder: Recorder, vacancies: Vacancies) -> None:
        """`vacancies` tells the births of members that wait, `recorder` writes the requests."""
        self._repository, self._recorder, self._vacancies = repository, recorder, vacancies

    def is_possible(self, pod: Pod) -> bool:
        """Whether the process can be asked to go on as another member: it lives its own one's newest life."""
        request = next_request(self._repository, pod)
        newest = self._repository.history.newest_birth(pod.member)
        return request is not None and newest is not None and request.life == newest.life

    def ask(self, waiters: Mapping[int, int], live: Mapping[int, Pod], spec: Spec) -> dict[int, Life | None]:
        """Asks processes to go on as other members.

        Args:
            waiters: by the member that yields, the one that waits.
            live: the pod of each member that hasn't ended.
            spec: what is asked.

        Returns:
            By the member that yields, as whom its process was asked to go on; None where nobody can follow what is
            stored. Whoever isn't in it was not asked: the one that waits is lived somewhere.
        """
        births = self._vacancies.births(list(waiters.values()), spec)
        answers = {}
        for member, waiter in waiters.items():
            to, request = births.get(waiter), next_request(self._repository, live[member])
            if to is not None and request is not None:
                answers[member] = self._recorder.handover(request, to)
        return answers

    def follows(self, pod: Pod, birth: Birth) -> bool:
        """Whether the process goes on with what follows its own life: it is asked, or will be once it has begun."""
        if birth.cause.resumes or birth.cause.closes:
            return False
        request = next_request(self._repository, pod)
        if request is None:
            return not has_claimed(self._repository, pod)
        return self._recorder.handover(request, birth) is not None
