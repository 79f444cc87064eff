"""All laws together: they see every write at the moment it is made, every pod, every trainer's beginning and step.

So they can tell what the records alone can't: who was alive, and what was there at that time.
"""

from collections.abc import Sequence
from typing import Any

from pbt_contract.records import Birth, Claim, Report
from pbt_operator.core.round_record import Round
from pbt_operator.core.status import Result
from simulate.apiserver import ApiServer, Body
from simulate.bucket import Bucket
from simulate.laws.blame_laws import BlameLaws
from simulate.laws.budget_laws import BudgetLaws
from simulate.laws.demand_laws import DemandLaws
from simulate.laws.end_laws import EndLaws
from simulate.laws.exploit_laws import ExploitLaws
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.keeping_laws import OwnerLaws, RetentionLaws
from simulate.laws.lead_laws import LeadLaws
from simulate.laws.life_laws import LifeLaws
from simulate.laws.piece_laws import PieceLaws
from simulate.laws.pod_laws import PodLaws
from simulate.laws.quorum_laws import QuorumLaws
from simulate.laws.term_laws import TermLaws
from simulate.laws.turn_laws import TurnLaws
from simulate.script import Script
from simulate.trainer import Trainer
from simulate.world import World

TICK_SECONDS = 10.0


class Laws:
    """Watches one location and the pods.

    Attributes:
        facts: what has happened.
        pods: the laws of pods.
    """

    def __init__(self, world: World, bucket: Bucket, server: ApiServer, script: Script, *, base: str) -> None:
        """Takes what is watched, and what the trainers' script does by itself."""
        self.facts = facts = Facts(world, bucket, server, base=base)
        self.pods, quorums, terms = PodLaws(facts), QuorumLaws(facts), TermLaws(facts)
        turns = TurnLaws(facts)
        self._judges: Sequence[Judge] = (
            LifeLaws(facts),
            self.pods,
            quorums,
            turns,
            DemandLaws(facts, turns),
            LeadLaws(facts, quorums),
            BlameLaws(facts, script),
            ExploitLaws(facts),
            RetentionLaws(facts),
            OwnerLaws(facts),
            terms,
            BudgetLaws(facts, terms),
            EndLaws(facts),
            PieceLaws(facts),
        )
        bucket.on_write, bucket.on_delete = self._on_write, self._on_delete
        self._next_on_pod = server.on_pod
        server.on_pod = self._on_pod

    def grow_calm(self) -> None:
        """Nothing goes wrong any more, from now on."""
        self.facts.calm_since = self.facts.world.time.now
        self._tick()

    def _tick(self) -> None:
        for judge in self._judges:
            judge.on_tick()
        self.facts.world.time.after(TICK_SECONDS, self._tick)

    def _on_write(self, key: str, data: bytes, before: bytes | None) -> None:
        key = key.removeprefix(self.facts.base)
        found = self.facts.learn(key, data)
        for judge in self._judges:
            judge.on_write(key, before)
            match found:
                case Birth():
                    judge.on_birth(found)
                case Claim():
                    judge.on_claim(found)
                case Round():
                    judge.on_round(found)
                case Report():
                    judge.on_record(found)
                case Result():
                    judge.on_result(found)

    def _on_delete(self, key: str) -> None:
        key = key.removeprefix(self.facts.base)
        for judge in self._judges:
            judge.on_delete(key)
        self.facts.forget(key)

    def _on_pod(self, pod: Body, gone: bool) -> None:
        self._next_on_pod(pod, gone)
        for judge in self._judges:
            judge.on_pod(pod, gone=gone)

    def on_begin(self, trainer: Trainer, birth: Birth, state: dict[str, Any] | None) -> None:
        """A process begins an incarnation, with what it fetched."""
        for judge in self._judges:
            judge.on_begin(trainer, birth, state)

    def on_step(self, trainer: Trainer) -> None:
        """A process has trained for one step."""
        for judge in self._judges:
            judge.on_step(trainer)

    def judge_deletion(self) -> None:
        """When the resource is gone too."""
        for judge in self._judges:
            judge.when_deleted()

    def judge_end(self, population: Body) -> None:
        """When all is over."""
        for judge in self._judges:
            judge.at_end(population)
