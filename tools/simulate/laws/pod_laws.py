"""The laws of pods: no more than there are slots, one for each member, labelled as whose life they live (7, 8, 10)."""

from pbt_contract.keys import Life
from pbt_contract.records import Claim
from pbt_operator.runners.kubernetes.pod_template import MEMBER, POPULATION_UID
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.trainer import Trainer

LABEL_SECONDS = 120.0
"""How long a pod's labels may tell of its former life, with a working operator and API server."""


class PodLaws(Judge):
    """What pods there are.

    Attributes:
        most_slots: the most that the spec has asked for so far.
    """

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self.most_slots = 0
        self._late: dict[
            str, tuple[Life, float]
        ] = {}  # by pod whose labels are late, which life and since when
        self._waited: set[str] = set()  # pods that had no place at first
        self._superseded: set[str] = (
            set()
        )  # pods whose process claimed a birth though a later one was claimed

    def on_claim(self, claim: Claim) -> None:
        """A pod that waited may start as what it was for, though its member has a later birth by then: it leaves."""
        newest = self.facts.newest_birth(claim.member)
        if newest is not None and newest.incarnation > claim.incarnation:
            self._superseded.add(claim.pod)
        else:
            self._superseded.discard(claim.pod)

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """Slots are counted, and no member has two pods."""
        facts = self.facts
        if facts.is_lawless:
            return  # two owners have pods of their own for a while
        live = [
            found
            for found in facts.server.pods.values()
            if (seen := facts.server.state_of(found)) is not None and not seen.pod.ended
        ]
        if len(live) > self.most_slots:
            self.blame(f"8: {len(live)} live pods, {self.most_slots} slots")
        self._waited |= {one["metadata"]["uid"] for one in live if has_no_place(one)}
        # Whose birth another process took meanwhile lives nobody, wherever it may be.
        lived = [one for one in live if self._lives(one["metadata"]["uid"])]
        members = [facts.members.get(found["metadata"]["uid"], labelled_member(found)) for found in lived]
        if len(set(members)) < len(members):
            self.blame(f"8: two live pods of a member: {sorted(members)}")

    def _lives(self, uid: str) -> bool:
        """Whether a pod counts as its member's, who may have no second one."""
        return uid not in self._waited or (uid in self.facts.members and uid not in self._superseded)

    def on_step(self, trainer: Trainer) -> None:
        """Its pod's labels say whose life it lives, but for a while after it went on as another."""
        pod = self.facts.server.pod(trainer.pod)
        seen = self.facts.server.state_of(pod) if pod is not None else None
        if seen is None or seen.pod.member == trainer.life.member or seen.pod.stopping:
            self._late.pop(trainer.pod, None)
            return
        life = Life(trainer.life.member, trainer.life.number)
        known = self._late.get(trainer.pod)
        if known is None or known[0] != life:
            known = self._late[trainer.pod] = (life, self.now)
        if self.now > max(self.facts.calm_since, known[1]) + LABEL_SECONDS:
            told = f"labelled as member {seen.pod.member}'s and lives member {trainer.life.member}"
            self.blame(f"10: {seen.pod.name} is {told}")

    def at_end(self, population: Body) -> None:
        """None runs any more."""
        uid = population["metadata"]["uid"]
        left = [p for p in self.facts.server.pods.values() if p["metadata"]["labels"][POPULATION_UID] == uid]
        for pod in left:
            seen = self.facts.server.state_of(pod)
            if seen is not None and not seen.pod.ended:
                self.blame(f"7: {pod['metadata']['name']} still runs")


def has_no_place(pod: Body) -> bool:
    """Whether the scheduler knows no node for it."""
    conditions = pod["status"].get("conditions", ())
    return any(one["type"] == "PodScheduled" and one["status"] == "False" for one in conditions)


def labelled_member(pod: Body) -> int:
    """Whose pod it is, by its label."""
    return int(pod["metadata"]["labels"][MEMBER])
