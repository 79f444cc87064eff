"""The audit of gates: numbered without gaps, each what follows from the records that it names and the gate before."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from msgspec import UNSET, UnsetType

from pbt_contract import keys
from pbt_contract.errors import RecordRefused
from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.stores import Store
from pbt_contract.yields import LifeName
from pbt_operator.core.gates import Prospect, gate_of
from pbt_operator.core.lead import lead_of, next_choice
from pbt_operator.core.spec import Spec
from pbt_operator.records.archive import Archive
from pbt_operator.records.audit_rounds import AcceptedSpecs
from pbt_operator.records.parallel import decoded, read_each
from pbt_operator.records.violation import Violation
from pbt_operator.records.written_form import form_fault


@dataclass
class Gates:
    """The gates of a location, ascending, and what is wrong with their bytes."""

    known: list[Gate] = field(default_factory=list)
    faults: list[Violation] = field(default_factory=list)


def read_gates(store: Store, *, readers: int = 1) -> Gates:
    """All gates of a location; one of an earlier version has none."""
    found = Gates()
    names = sorted(keys.gate(number) for number in keys.numbers(store.names(keys.GATES)))
    for key, data in zip(names, read_each(store, names, readers=readers), strict=True):
        if data is None:
            continue  # deleted just now
        try:
            gate = decoded(Gate, data, key=key)
        except RecordRefused as refusal:
            found.faults.append(Violation(0, key, str(refusal).removeprefix(f"{key}: ")))
            continue
        found.known.append(gate)
        assert isinstance(data, bytes), "it was decoded"
        fault = form_fault(gate, data)
        if fault is not None:
            found.faults.append(Violation(0, key, fault))
    return found


def gate_violations(gates: Gates, archive: Archive, accepted: AcceptedSpecs) -> Iterator[Violation]:
    """What is wrong with the recorded gates."""
    yield from gates.faults
    judge, previous = _Judge(archive), None
    for gate in gates.known:
        following = previous.number + 1 if previous else 1
        if gate.number != following and not gates.faults:
            yield Violation(7, keys.gate(following), "is missing")
        spec = accepted.get(gate.spec)
        if isinstance(spec, str):
            yield Violation(7, gate.key, f"follows from {spec}")
        else:
            yield from (Violation(7, gate.key, what) for what in judge.faults(gate, previous, spec))
        previous = gate


class _Judge:
    """What a gate follows from, looked up quickly: there may be one for each round."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._rounds = {decided.number: decided for decided in archive.rounds}
        self._numbers = sorted(self._rounds)
        self._over: dict[tuple[Life, int], bool] = {}

    def faults(self, gate: Gate, previous: Gate | None, spec: Spec) -> Iterator[str]:
        """What is wrong with a gate.

        Args:
            gate: the gate.
            previous: the one before; None of the first.
            spec: the one that it follows from.
        """
        if gate.decided and gate.decided not in self._rounds:
            yield f"follows from {keys.round_(gate.decided)}, which doesn't exist"
        if previous is not None and (gate.decided < previous.decided or gate.spec < previous.spec):
            yield "follows from an older round or spec than the gate before"
        schedule = spec.schedule
        leads = {lead_of(replace(spec, parallelism=slots)) for slots in (spec.members, 1)}
        if gate.lead not in leads:  # a runner may have other slots than its spec says
            yield f"says the lead {gate.lead}; should be {schedule.max_lead}"
        yield from self._lives(gate, spec)
        expected = self._expected(gate, previous, spec)
        if gate not in expected:
            told = " or ".join(f"{one.up_to}, awaiting {one.awaits} with {one.quorum}" for one in expected)
            yield f"opens round {gate.up_to}, awaiting {gate.awaits} with {gate.quorum}; should be {told}"

    def _lives(self, gate: Gate, spec: Spec) -> Iterator[str]:
        """Where it doesn't wait for a life that is neither over nor done; who is missing, no record says."""
        named = [*_lives_in(gate.without), *_lives_in(gate.missing)]
        members = {life.member for life in named}
        if len(members) < len(named) or max(members, default=0) >= spec.members:
            yield "names members twice, or some that its spec doesn't have"
        for life in named:
            if life not in self._archive.births:
                yield f"names {keys.birth(*life)}, which doesn't exist"
        for life in _lives_in(gate.without):
            if life in self._archive.births and not self._is_over(life, spec.schedule.total_steps):
                yield f"doesn't wait for {keys.life(*life)}, which is neither over nor done"
        for life in _lives_in(gate.uncounted):
            if keys.report(gate.awaits, *life) not in self._archive.reports:
                yield f"doesn't count what {keys.life(*life)} hasn't reported"
            elif (
                life.member < spec.members
                and Life(life.member, life.incarnation + 1) not in self._archive.births
            ):
                yield f"doesn't count the report of {keys.life(*life)}, which no birth follows"

    def _is_over(self, life: Life, last: int) -> bool:
        known = self._over.get((life, last))
        if known is None:
            birth, reports = self._archive.births[life], self._archive.reports.values()
            known = birth.cause.closes or birth.start_step >= last or life in self._archive.ended
            known = known or any(
                report.step >= last and report.incarnation <= life.incarnation
                for report in reports
                if report.member == life.member
            )
            self._over[life, last] = known
        return known

    def _expected(self, gate: Gate, previous: Gate | None, spec: Spec) -> list[Gate]:
        """What it may be, given what it names."""
        without, missing = _lives_in(gate.without), _lives_in(gate.missing)
        left = spec.members - len(without) - len(missing)
        return [
            gate_of(
                Prospect(awaits, left, without, missing, _lives_in(gate.uncounted)),
                spec,
                spec_number=gate.spec,
                decided=gate.decided,
                lead=gate.lead,
                previous=previous,
            )
            for awaits in self._awaited(gate, spec, left)
        ]

    def _awaited(self, gate: Gate, spec: Spec, left: int) -> Sequence[int]:
        """The rounds that it may await; 0 is none. One that too few could report any more is passed over.

        None of those that were was ever decided, unless others joined: by another spec, or since they came back.
        """
        following = next_choice(self._rounds.get(gate.decided), spec)
        if following is None or left < 2:
            return [0]
        later = self._first_from(following)
        awaited = [following]
        joined = later is not None and self._rounds[later].spec != gate.spec
        joined = joined or any(Life(m, i + 1) in self._archive.births for m, i in _lives_in(gate.without))
        if gate.awaits > following and (later is None or joined or gate.awaits <= later):
            awaited.append(gate.awaits)
        elif not gate.awaits:  # from a round near the end the lead reaches the last one
            awaited.append(0 if later is None or joined else later)
        return awaited

    def _first_from(self, number: int) -> int | None:
        """The first decided round from this one on."""
        place = bisect_left(self._numbers, number)
        return self._numbers[place] if place < len(self._numbers) else None


def _lives_in(names: Sequence[LifeName] | UnsetType) -> tuple[Life, ...]:
    return () if names is UNSET else tuple(name.life for name in names)
