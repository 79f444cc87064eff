"""The laws of the lead: nobody trains past its bound but after a wait in vain, and none waits for nothing (9, 13b)."""

import math
from collections.abc import Iterator

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.gates import Gate
from pbt_operator.core.horizon import due
from pbt_operator.core.spec import Spec
from pbt_operator.core.sub_populations import planned
from simulate.laws.facts import Facts
from simulate.laws.judge import Judge
from simulate.laws.quorum_laws import SEEN_SECONDS, QuorumLaws
from simulate.trainer import Trainer

OPENED_SECONDS = 300.0
"""How long a gate may stay shut, with a working operator, once nobody has to wait any more."""

VAIN_SECONDS = 60.0


class LeadLaws(Judge):
    """Gates and who waits at them."""

    def __init__(self, facts: Facts, quorums: QuorumLaws) -> None:
        """Asks the laws of quorums who may be missing."""
        super().__init__(facts)
        self._quorums = quorums
        self._shut_since: tuple[int, float] | None = None
        self._gave_up: dict[str, int] = {}

    # trainers

    def on_step(self, trainer: Trainer) -> None:
        """The step is of a round that is open, unless it gave up in vain; and it gives up only if nobody decides."""
        facts, spec, known = self.facts, self.facts.in_force, trainer.gates.gate
        self._judge_wait(trainer)
        if trainer.gates.ignores or known is None or spec is None or not facts.gates:
            return
        number = -(-trainer.step // spec.schedule.interval_steps)
        open_to = facts.gates[max(facts.gates)].up_to
        if number > open_to and not trainer.gates.is_unbounded:
            self.blame(f"9: {trainer.pod} trains for round {number}, the newest gate opens {open_to}")

    def _judge_wait(self, trainer: Trainer) -> None:
        given_up = trainer.gates.in_vain
        if len(given_up) <= self._gave_up.get(trainer.pod, 0):
            return
        self._gave_up[trainer.pod] = len(given_up)
        gate = self.facts.gates.get(given_up[-1])
        if gate is None or self._is_left(gate):
            return
        if gate.is_strict is True:
            self.blame(f"9: {trainer.pod} gave up at {gate.key}, at quorum 100")
        since = self._quorum_since(gate)
        if self.now - since < 2 * trainer.gates.interval_seconds + VAIN_SECONDS:
            told = "lacks its quorum" if since == math.inf else f"has its quorum since {since:.1f} s only"
            self.blame(f"9: {trainer.pod} gave up at {gate.key}, and round {gate.awaits} {told}")
        if self.now > self.facts.calm_since + OPENED_SECONDS + VAIN_SECONDS and self.facts.is_at_work:
            self.blame(f"9: {trainer.pod} gave up at {gate.key}, and somebody decides")

    def _is_left(self, gate: Gate) -> bool:
        """Whether what the gate awaits has been decided for long, and no gate follows: its operator is down."""
        facts = self.facts
        decided = [facts.written[one.key] for number, one in facts.rounds.items() if number >= gate.awaits]
        return bool(decided) and self.now - min(decided) >= VAIN_SECONDS

    def _quorum_since(self, gate: Gate) -> float:
        """When the quorum that a gate awaits was there; infinite if it isn't yet."""
        first: dict[int, float] = {}
        for life, records in self.facts.records.items():
            for one in records:
                if one.round == gate.awaits:
                    first[life.member] = min(first.get(life.member, math.inf), self.facts.written[one.key])
        return sorted(first.values())[gate.quorum - 1] if 0 < gate.quorum <= len(first) else math.inf

    # gates

    def on_write(self, key: str, before: bytes | None) -> None:
        """A gate opens no more than its lead, and never less than the one before."""
        if not key.startswith(keys.GATES):
            return
        facts = self.facts
        gate = facts.gates[keys.number_in(key)]
        previous = facts.gates.get(gate.number - 1)
        if gate.number > 1 and previous is None:
            self.blame(f"9: {key} is written before the gate before")
        if previous is not None and gate.up_to < previous.up_to:
            self.blame(f"9: {key} opens {gate.up_to}, less than {previous.up_to}")
        if not (facts.is_lawless or facts.had_zombies):
            self.blame_all(f"9: {key}", self._too_wide(gate, previous))

    def _too_wide(self, gate: Gate, previous: Gate | None) -> Iterator[str]:
        spec = self.facts.spec(gate.spec)
        following = next((n for n in self._choices(spec) if self._must_be_waited_for(n, spec)), None)
        if following is None:
            return
        widest = max(previous.up_to if previous is not None else 0, following + lead_of(spec))
        if gate.up_to > widest:
            yield f"opens {gate.up_to}; round {following} isn't decided, so that {widest} is enough"

    def _choices(self, spec: Spec) -> Iterator[int]:
        """The rounds after the newest decided one that can replace somebody."""
        facts, schedule = self.facts, spec.schedule
        newest = facts.rounds[facts.decided] if facts.rounds else None
        percent = spec.exploit.horizon_percent
        first_due = due(newest, percent, schedule) if percent else 0
        if spec.sub_populations:
            turns = planned(newest, spec.sub_populations, schedule)
            first_due = min(turn.due for turn in turns if turn.into is UNSET)
        for number in range(facts.decided + 1, schedule.last_round):
            if (
                number >= first_due
                and schedule.burn_in_steps < schedule.step_of(number) < schedule.total_steps
            ):
                yield number

    def _must_be_waited_for(self, number: int, spec: Spec) -> bool:
        """Whether every operator must know that a round can still be decided."""
        comes = self._can_report(number, spec, at_least=True)
        others = set(range(spec.members)) - self._closed(spec)
        percent = spec.schedule.quorum_percent
        if spec.sub_populations and percent < 100:  # one that is due may lack its own quorum for good
            return comes >= others and len(others) > 1
        needed = 2 if percent >= 100 else max(2, math.ceil(len(others) * percent / 100))
        return len(comes) >= needed

    def _closed(self, spec: Spec) -> set[int]:
        births = {member: self.facts.newest_birth(member) for member in range(spec.members)}
        return {m for m, birth in births.items() if birth is not None and birth.cause.closes}

    def _can_report(self, number: int, spec: Spec, *, at_least: bool) -> set[int]:
        """The members that have reported a round or still can; `at_least`: those whose pods surely aren't missing."""
        facts, step = self.facts, spec.schedule.step_of(number)
        found = set()
        for member in set(range(spec.members)) - self._closed(spec):
            birth = facts.newest_birth(member)
            reports = [r for r in facts.line_records(member) if r.round == number and r.step == step]
            has, known_by = bool(reports), self.now - SEEN_SECONDS
            is_known = any(facts.written[r.key] < known_by for r in reports)
            can = birth is not None and not facts.is_through(member, spec) and facts.position(member) < step
            may_wait = self._quorums.may_be_missing(member, spec.schedule.straggler_timeout_seconds)
            is_waiting = at_least and not is_known and (may_wait or not (has or self._runs(member)))
            if (has or can or (birth is None and not at_least)) and not is_waiting:
                found.add(member)
        return found

    def _runs(self, member: int) -> bool:
        """Whether a process lives the member; one that doesn't may be missing."""
        return any(t.alive and self.facts.lives_now(t) == member for t in self.facts.trainers.values())

    # with a working operator

    def on_tick(self) -> None:
        """What nobody has to wait for is opened soon: a decided round, and all where fewer than two are left."""
        facts, spec = self.facts, self.facts.in_force
        if spec is None or not facts.is_at_work or not (facts.gates or facts.newest_birth(0)):
            self._shut_since = None
            return
        up_to = facts.gates[max(facts.gates)].up_to if facts.gates else 0
        wanted = self._open_to(spec)
        if up_to >= wanted:
            self._shut_since = None
        elif self._shut_since is None or self._shut_since[0] != wanted:
            self._shut_since = (wanted, self.now)
        elif self.now > self._shut_since[1] + OPENED_SECONDS:
            self.blame(
                f"9: the newest gate opens {up_to}; it should be {wanted} since {self._shut_since[1]:.1f} s"
            )

    def _open_to(self, spec: Spec) -> int:
        """How far one must be able to train, whatever the operator can't know yet."""
        last = spec.schedule.last_round
        able = (n for n in self._choices(spec) if len(self._can_report(n, spec, at_least=False)) >= 2)
        following = next(able, None)
        return last if following is None else min(last, following + lead_of(spec))


def lead_of(spec: Spec) -> int:
    """How many rounds past the one that is waited for may be trained."""
    is_shared = spec.slots < spec.members and spec.schedule.quorum_percent < 100
    return max(1, spec.schedule.max_lead) if is_shared else spec.schedule.max_lead
