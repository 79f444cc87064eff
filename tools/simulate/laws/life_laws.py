"""The laws of lives: one writer each, births in order, and what a life begins with is there (1 to 5)."""

from collections.abc import Iterator
from typing import Any

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.round_record import Round
from simulate.apiserver import Body
from simulate.laws.ending_laws import born_though_done
from simulate.laws.facts import JOURNAL, Facts
from simulate.laws.judge import Judge
from simulate.trainer import Trainer
from simulate.world import Process

MOST_BIRTHS = 2000  # each turn is one: with twelve members in two places they come to hundreds


class LifeLaws(Judge):
    """Births, claims, and what processes write and begin with."""

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._ended: set[str] = set()  # pods that ended by themselves: they stay until an operator has looked
        self._taken_by: dict[str, Process] = {}  # who took them away: it may have taken them for running

    def on_pod(self, pod: Body, *, gone: bool) -> None:
        """Notes who ended before anybody asked for it, unless anybody but an operator took the pod away."""
        if gone and self.facts.world.is_running("operator"):
            self._taken_by[pod["metadata"]["uid"]] = self.facts.world.current
        elif gone:
            self._ended.discard(pod["metadata"]["uid"])
        is_over = pod["status"].get("phase") in {"Failed", "Succeeded"}
        if is_over and not gone and "deletionTimestamp" not in pod["metadata"]:
            self._ended.add(pod["metadata"]["uid"])

    def on_write(self, key: str, before: bytes | None) -> None:
        """Records are written once."""
        if before is not None and key.startswith(JOURNAL):
            self.blame(f"5: {key} was overwritten")

    def on_birth(self, birth: Birth) -> None:
        """It follows the one before, and a decided round if it names one."""
        facts, key = self.facts, birth.key
        previous = facts.births.get(Life(birth.member, birth.incarnation - 1))
        if len(facts.births) == MOST_BIRTHS:
            self.blame(f"7: {MOST_BIRTHS} births, and no end")
        if birth.incarnation > 1 and previous is None:
            self.blame(f"2: {key} before the birth before it")
        if birth.round is not None and birth.round not in facts.rounds:
            self.blame(f"5: {key} is born of round {birth.round}, which isn't recorded")
        if birth.cause.resumes and previous is not None:
            self._on_resume(birth, previous)
        if previous is not None and not (facts.had_zombies or facts.is_lawless):
            self.blame_all(f"9: {key}", born_though_done(birth, facts.records.get(previous.life, [])))

    def _on_resume(self, birth: Birth, previous: Birth) -> None:
        facts, key = self.facts, birth.key
        records = facts.records.get(previous.life, [])
        newest = max(records, key=lambda record: (record.step, record.round is not None), default=None)
        claim = facts.claims.get(previous.life)
        writer = facts.trainers.get(claim.pod) if claim is not None else None
        step = newest.step if newest is not None else previous.start_step
        if facts.had_zombies:
            pass  # what they write after the resume is lost
        elif writer is not None and writer.alive and facts.lives_now(writer) == birth.member:
            self.blame(f"1: {key} while the writer before it is alive")
        elif birth.start_step < step:
            self.blame(f"3: {key} resumes at step {birth.start_step}; its newest record is at {step}")
        if writer is not None and self._is_forgotten(previous, writer):
            self.blame(f"13: {key} goes on, and no record says how {previous.key} ended")
        told = [record.source for record in records] + [previous.source]
        if birth.source not in told:
            self.blame(f"3: {key} resumes from {birth.source}, which isn't the former life's")
        if birth.hyperparameters != previous.hyperparameters:
            self.blame(f"3: {key} resumes with other hyperparameters")

    def _is_forgotten(self, previous: Birth, writer: Trainer) -> bool:
        """Whether the end of the process that lived a life is recorded nowhere, though its pod was there to be seen."""
        facts = self.facts
        if facts.is_lawless or facts.had_zombies or facts.results or writer.pod not in self._ended:
            return False
        taker = self._taken_by.get(writer.pod)
        if taker is not None and not taker.alive:
            return False  # it died before it saw what it had taken away
        return facts.lives_now(writer) == previous.member and previous.life not in facts.ends

    def on_round(self, decided: Round) -> None:
        """What it compares counts, and its donors' checkpoints are there."""
        facts, key = self.facts, decided.key
        for entry in decided.entries:
            closed = facts.closed_by(entry.life, entry.source.step)
            if closed is not None and not facts.is_lawless:
                self.blame(f"1: {key} counts {entry.source.record}, which incarnation {closed} closed before")
        is_late = any(number > decided.number for number in facts.rounds)  # nobody follows it any more
        for decision in [] if is_late else decided.decisions:
            if decision.source is not None and not facts.bucket.has(facts.base + decision.source.checkpoint):
                self.blame(f"2: {key} has a donor whose checkpoint is gone")

    def on_record(self, record: Report) -> None:
        """It is its claimed process's own, and what it commits is stored."""
        facts, key = self.facts, record.key
        if not facts.owners or (facts.had_zombies and record.life not in facts.births):
            return  # all was purged, or is being purged, and this is a zombie
        claim = facts.claims.get(record.life)
        process = facts.world.current.name
        writer = facts.trainers.get(claim.pod) if claim is not None else None
        # Of a process that ended with 0 right after a report, the operator says that the member is done.
        is_said_for_it = record.ends and writer is not None and not writer.alive
        if (claim is None or claim.pod != process) and not is_said_for_it:
            self.blame(f"1: {key} is written by {process}, which has no claim on it")
        # What a zombie commits past the step at which its incarnation was closed, is never read. It may be deleted, but
        # nothing past the newest round: another operator may not know of the birth yet.
        decided = max((one.step for one in facts.rounds.values()), default=0)
        is_needed = facts.closed_by(record.life, record.step) is None or record.step > decided
        for file in record.files if is_needed else []:
            if facts.base + record.checkpoint + file.name not in facts.bucket.objects:
                self.blame(f"4: {key} commits {file.name}, which isn't stored")

    def on_begin(self, trainer: Trainer, birth: Birth, state: dict[str, Any] | None) -> None:
        """What it starts from is there, and it has the claim."""
        name = keys.birth(birth.member, birth.incarnation)
        if trainer.step > trainer.recorded and birth.member != trainer.lived:
            self.blame(
                f"3: {name} is begun by a process whose former member is at step {trainer.step}, unsaved"
            )
        trainer.lived = birth.member
        if birth.source is not None and (state is None or state["step"] != birth.start_step):
            self.blame(f"2: {name} starts at step {birth.start_step} with {state}")
        claim = self.facts.claims.get(birth.life)
        if claim is None or claim.pod != trainer.pod:
            self.blame(f"1: {name} is lived by {trainer.pod}, which has no claim on it")

    # at the end

    def at_end(self, _population: object) -> None:
        """Each loser is born once from its decision, and nobody else from any."""
        for birth in self.facts.births.values():
            if birth.cause not in {Cause.EXPLOIT, Cause.ROLLBACK} or birth.round is None:
                continue
            decided = self.facts.rounds[birth.round]
            judged_late = all(entry.member != birth.member for entry in decided.entries)
            if not judged_late and all(d.member != birth.member for d in decided.decisions):
                self.blame(f"3: member {birth.member} is reborn by round {birth.round}, which it didn't lose")
        self.blame_all("5:", self._unborn())

    def _unborn(self) -> Iterator[str]:
        """Losers that never got their births, but of the newest round: the population may have ended with it."""
        facts = self.facts
        for number, decided in facts.rounds.items():
            for decision in decided.decisions if number < facts.decided else ():
                born = any((b.member, b.round) == (decision.member, number) for b in facts.births.values())
                # Something else may have closed the line: another decision, a crash too many, its removal.
                later = (b for b in facts.after(Life(decision.member, decision.incarnation)))
                is_excused = facts.is_lawless or any(not birth.cause.resumes for birth in later)
                if not born and not is_excused:
                    yield f"member {decision.member} was never born from round {number}"
