"""Learns at once what placing asks of many pods: few reads in a pass, and each no oftener than it must be."""

from collections.abc import Mapping, Sequence

from pbt_contract.keys import Life
from pbt_contract.records import Birth
from pbt_operator.control.pods import Pod
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.repository import Repository

READS_OF_A_START = 8
"""What it takes at the most to start a member, in this process or another: its claim, end, newest records and birth."""

Live = Mapping[int, Pod]
"""The pod of each member that hasn't ended."""


class _Turns:
    """Whose turn it is to be looked for, where these are too many for a pass."""

    def __init__(self) -> None:
        self._start = 0

    def next(self, births: Sequence[Birth], most: int) -> Sequence[Birth]:
        """So many of them, those after them with the next call."""
        if most >= len(births):
            return births
        start = self._start % len(births)
        self._start = start + most
        return [*births[start:], *births[:start]][:most]


class Knowledge:
    """Of the pods of one population."""

    def __init__(self, repository: Repository) -> None:
        """Knows nothing yet."""
        self._repository, self._history = repository, repository.history
        self._looked: set[Life] = set()
        self._successors, self._waiting = _Turns(), _Turns()

    def learn_holders(self, live: Live, allowance: Allowance) -> bool:
        """Looks once who has claimed the newest births of these that have reported; returns whether that were all."""
        births = [b for b in self._newest(live) if self._history.own_record(b.member) is not None]
        self._looked &= {birth.life for birth in births}
        claims = self._repository.claims
        unknown = [b for b in births if b.life not in self._looked and not claims.knows(b.life)]
        some = unknown[: allowance.at_once(len(unknown))]
        claims.learn(some)
        self._looked |= {birth.life for birth in some}
        return len(some) == len(unknown)

    def learn_successors(self, live: Live, allowance: Allowance, *, most: int | None) -> set[int]:
        """Looks who has taken births that are newer than those that the pods live, in turn where these are many.

        Args:
            live: the pod of each member that hasn't ended.
            allowance: half of it is left to whoever waits for a slot.
            most: how many are looked for; None is as many as there are.

        Returns:
            The members that were not looked for; in this pass nobody has taken their births.
        """
        newer = [
            birth
            for birth in self._newest(live)
            if birth.incarnation > live[birth.member].incarnation and not live[birth.member].stopping
        ]
        wanted = len(newer) if most is None else min(most, len(newer))
        asked = self._successors.next(newer, allowance.at_once(wanted, each=2))
        self._repository.learn_claims(asked)
        self._repository.claims.presume([birth.life for birth in newer])
        return {birth.member for birth in newer} - {birth.member for birth in asked}

    def learn_waiting(self, members: Sequence[int], demand: Sequence[Pod], allowance: Allowance) -> set[int]:
        """Looks who has taken the births of members that wait; who has a pod that waits for it is asked in turn.

        Args:
            members: those that wait.
            demand: the pods that wait for a place.
            allowance: half of it is for those that have no pod yet.

        Returns:
            The members that are left to the next pass.
        """
        waiting = {pod.life for pod in demand}
        newest = {m: b for m in members if (b := self._history.newest_birth(m)) is not None}
        own = [birth for birth in newest.values() if birth.life in waiting]
        others = [m for m in members if m not in newest or newest[m].life not in waiting]
        self._repository.learn_claims(self._waiting.next(own, allowance.at_once(len(own), each=2)))
        self._repository.claims.presume([birth.life for birth in own])
        return set(others[allowance.at_once(len(others), each=READS_OF_A_START) :])

    def _newest(self, live: Live) -> Sequence[Birth]:
        found = (self._history.newest_birth(member) for member in live)
        return [birth for birth in found if birth is not None]
