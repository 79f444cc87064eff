"""The laws of turns: while room lacks, slots are kept, and each member gets its turn (15)."""

from collections.abc import Iterator

from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause
from pbt_operator.control.pods import Pod
from pbt_operator.core.spec import Spec
from pbt_operator.runners.kubernetes.pod_state import population_of
from simulate.apiserver import Body
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.quorum_laws import SEEN_SECONDS
from simulate.trainer import Trainer

SHORT_SECONDS = 60.0
"""After how long without a place for somebody, and without a new place for anybody, there is a shortage."""

LAG_SECONDS = 30.0
"""How old what an operator acts on may be where nothing goes wrong."""

SWAP_SECONDS = 60.0
"""How long a process may take at the least to go on with its member's next birth."""

MOST_TURNS = 2
"""How often each other member that is as far or further may be given a slot while one waits."""


class TurnLaws(Judge):
    """What becomes of slots and of members that wait for one."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._leaving: set[str] = set()  # pods whose deletion was asked for
        self._turns: dict[int, dict[int, int]] = {}  # by member that waits, how many turns the others began
        self._lived: dict[str, int] = {}  # by pod, whose life its process lived last

    # slots are kept

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """An operator that ends a pod doesn't give a slot away that somebody waits for."""
        uid = pod["metadata"]["uid"]
        if gone or uid in self._leaving or "deletionTimestamp" not in pod["metadata"]:
            return
        self._leaving.add(uid)
        facts, spec = self.facts, self.facts.in_force
        trainer = facts.trainers.get(uid)
        is_asked = facts.world.is_running("operator")
        if spec is None or trainer is None or not is_asked or self._is_lawless or not facts.is_at_work:
            return
        there = [one for one in self.pods() if not one.stopping or one.uid == uid]
        waiting = self._waiting(spec)
        if not waiting or not self._is_short(there) or not self._is_to_stay(trainer, there, spec):
            return
        told = f"member {trainer.life.member}'s slot was given up, and {sorted(waiting)} wait for one"
        self.blame(f"15: {pod['metadata']['name']} is ended; {told}")

    def _is_short(self, there: list[Pod]) -> bool:
        """Whether every operator must know that room lacks."""
        lag = LAG_SECONDS if self.now > self.facts.calm_since else SEEN_SECONDS
        waits = [pod.unplaced_for for pod in there if pod.unplaced_for is not None]
        placed = [pod.placed_for for pod in there if pod.placed_for is not None]
        return min([max(waits, default=0.0), *placed]) >= SHORT_SECONDS + lag

    @property
    def _is_lawless(self) -> bool:
        return self.facts.is_lawless or self.facts.had_zombies

    def pods(self) -> list[Pod]:
        """The pods of the population that haven't ended."""
        facts, owner = self.facts, self.facts.owner
        body = facts.server.populations.get(owner.name) if owner is not None else None
        if body is None:
            return []
        uid, now = body["metadata"]["uid"], facts.world.now()
        states = (
            facts.server.state_of(pod) for pod in facts.server.pods.values() if population_of(pod) == uid
        )
        found = (state.as_of(now) for state in states if state is not None)
        return [pod for pod in found if not pod.ended]

    def _is_to_stay(self, trainer: Trainer, there: list[Pod], spec: Spec) -> bool:
        """Whether nothing but the wish to hand its slot over can have ended a pod."""
        facts, member = self.facts, trainer.life.member
        birth = facts.newest_birth(member)
        if birth is None or birth.cause.closes or facts.is_through(member, spec) or member >= spec.members:
            return False
        if not trainer.alive or sum(pod.placed_for is not None for pod in there) > spec.slots:
            return False
        if sum(t.alive and facts.lives_now(t) == member for t in facts.trainers.values()) > 1:
            return False
        own = Life(member, trainer.life.number)
        since = max(trainer.recorded_at, trainer.waits_since or 0.0)
        if self.now - since > spec.schedule.progress_deadline_seconds - SEEN_SECONDS:
            return False
        return birth.life == own or self._may_swap(birth, own)

    def _may_swap(self, birth: Birth, own: Life) -> bool:
        """Whether the process has still time to go on with its member's next birth; it looks once it has begun."""
        facts, claim = self.facts, self.facts.claims.get(own)
        is_next = birth.cause is Cause.EXPLOIT and birth.incarnation == own.incarnation + 1
        since = max(facts.written[birth.key], 0.0 if claim is None else facts.written[claim.key])
        return is_next and self.now < since + SWAP_SECONDS

    # who waits

    def _waiting(self, spec: Spec) -> set[int]:
        """The members that need a slot and have none."""
        facts = self.facts
        living = {facts.lives_now(t) for t in facts.trainers.values() if t.alive}
        placed = {pod.member for pod in self.pods() if pod.placed_for is not None}
        return set(self.needy(spec)) - living - placed

    def needy(self, spec: Spec) -> Iterator[int]:
        """Those that have something left to train, and that no crash holds back."""
        for member in range(spec.members):
            birth = self.facts.newest_birth(member)
            is_over = birth is not None and (birth.cause.closes or birth.crashes > 0)
            if not is_over and not self.facts.is_through(member, spec):
                yield member

    # each gets its turn

    def on_begin(self, trainer: Trainer, birth: Birth, state: object) -> None:
        """A process that goes on as another member takes a turn; who waits sees few of them."""
        member, former = birth.member, self._lived.get(trainer.pod)
        self._lived[trainer.pod] = member
        self._turns.pop(member, None)
        spec = self.facts.in_force
        if former is None or former == member or spec is None or self._is_lawless:
            return
        if birth.crashes:
            return  # its turns end before they bring it anywhere
        waiting = {one for one in self._waiting(spec) if one != former and self._may_train(one, spec)}
        waiting -= self._coming()
        self._turns = {one: seen for one, seen in self._turns.items() if one in waiting}
        # Who is behind has to catch up first, and that may take many turns.
        passed_over = {one for one in waiting if self.facts.position(one) <= birth.start_step}
        for one in passed_over:
            seen = self._turns.setdefault(one, {})
            seen[member] = seen.get(member, 0) + 1
            if seen[member] > MOST_TURNS:
                self.blame(f"15: member {member} has begun {seen[member]} turns while member {one} waits")

    def _coming(self) -> set[int]:
        """The members whose own pods may get a place at any moment: nobody need know yet that room lacks."""
        there = [pod for pod in self.pods() if not pod.stopping]
        return set() if self._is_short(there) else {pod.member for pod in there if pod.placed_for is None}

    def _may_train(self, member: int, spec: Spec) -> bool:
        """Whether it could do anything with a slot: it isn't as far as the newest gate lets it."""
        gates = self.facts.gates
        up_to = gates[max(gates)].up_to if gates else 0
        return self.facts.position(member) < spec.schedule.step_of(up_to)
