"""Quorum, stragglers and outages: when rounds are decided, who is in them, and that nothing can block."""

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract.records import Cause
from pbt_operator.core import quorum
from pbt_operator.core.round_record import Round
from pbt_operator.core.status import MemberState
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation
from simulation.pods import Durations

QUORUM_75 = {**DETERMINISTIC["schedule"], "quorumPercent": 75}
SLOW = {7}


def slow(factor: float) -> Durations:
    return Durations(step=lambda member: factor if member in SLOW else 1.0)


def run(durations: Durations, **changes: object) -> Archive:
    manifest = spec(DETERMINISTIC, **{"schedule": QUORUM_75, **changes})
    simulation = Simulation(manifest, Deterministic(), durations=durations, tick_seconds=0.5).run()
    found = read_archive(simulation.store)
    assert audit.violations(simulation.store, found) == []
    return found


def members_of(decided: Round) -> set[int]:
    return {entry.member for entry in decided.entries}


def test_equally_fast_members_are_all_in_every_round():
    assert all(members_of(decided) == set(range(8)) for decided in run(slow(1.0)).rounds)


def test_half_an_interval_is_waited_for_slow_members():
    """Without the wait, slower but better members would never donate."""
    assert 7 in members_of(run(slow(1.3)).rounds[0])


def test_a_straggler_is_left_out_after_half_an_interval_and_holds_nobody_up():
    found = run(slow(4.0))
    assert members_of(found.rounds[0]) == set(range(7))
    assert len(found.rounds) >= 19


def test_a_losing_straggler_takes_a_donor_of_the_newest_round_and_catches_up():
    worst = [*({"rate": 0.05, "depth": 1} for _ in range(7)), {"rate": 0.0001, "depth": 8}]
    found = run(slow(4.0), initial=worst)
    late = [b for (m, _), b in sorted(found.births.items()) if m == 7 and b.cause is Cause.EXPLOIT]
    assert late
    assert late[0].round == 1
    assert late[0].start_step > 10
    assert late[0].previous_step == 10
    assert "late for round 1" in late[0].reason


@pytest.mark.parametrize("factor", [1.6, 2.2, 4.0, 9.0])
def test_a_straggler_that_is_judged_after_the_last_round_goes_on_to_the_end(factor):
    """A donor at the last step has nothing left to train: who was born from it could never report."""
    worst = [*({"rate": 0.05, "depth": 1} for _ in range(7)), {"rate": 0.0001, "depth": 8}]
    found = run(slow(factor), initial=worst)
    assert all(birth.start_step < 200 for birth in found.births.values())
    assert {member.state for member in found.status().members} == {MemberState.FINISHED}


@pytest.mark.parametrize("factor", [1.6, 2.2, 4.0])
def test_a_straggler_that_was_thrown_back_to_its_start_is_not_judged_by_the_same_round_again(factor):
    """Where nobody has a finite score, it reports rounds once more that were decided without it."""

    class Nothing(Deterministic):
        def evaluate(self, state, hyperparameters, rng):
            return float("nan")

    simulation = Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Nothing(), durations=slow(factor)).run()
    found = read_archive(simulation.store)
    assert audit.violations(simulation.store, found) == []
    late = [b for b in found.births.values() if b.member == 7 and b.reason.startswith("late")]
    assert late
    assert len({birth.round for birth in late}) == len(late)


def test_a_straggler_that_would_not_have_lost_goes_on():
    best = [*({"rate": 0.001, "depth": 8} for _ in range(7)), {"rate": 0.05, "depth": 1}]
    found = run(slow(4.0), initial=best)
    assert found.births.get((7, 2)) is None or found.births[7, 2].round != 1


@pytest.mark.parametrize("quorum", [75, 100])
def test_rounds_that_ripened_during_an_outage_are_decided_in_order_within_the_lead(quorum):
    schedule = {**QUORUM_75, "quorumPercent": quorum, "maxLead": 3}
    simulation = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic())
    simulation.reconciler.run_once()
    while simulation.time.now < 55:
        simulation.time.advance()  # the operator is away, the trainers go on as far as they may
    assert {report.split("/")[1] for report in simulation.store.names("reports/")} == {
        f"{number:07}" for number in (1, 2, 3, 4)
    }
    simulation.run()
    found = read_archive(simulation.store)
    assert [decided.number for decided in found.rounds] == list(range(1, 21))


def test_below_quorum_100_rounds_that_ripened_beyond_the_lead_are_skipped():
    """An operator of an earlier version wrote no gates, and a trainer may ignore them."""
    simulation = Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Deterministic())
    simulation.pods.ignores_gates = lambda _member: True
    simulation.reconciler.run_once()
    while simulation.time.now < 55:
        simulation.time.advance()  # the operator is away, the trainers go on
    simulation.run()
    found = read_archive(simulation.store)
    assert [decided.number for decided in found.rounds][:2] == [6, 7]


def test_at_quorum_100_every_round_is_decided_in_order_after_an_outage():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    simulation.pods.ignores_gates = lambda _member: True
    simulation.reconciler.run_once()
    while simulation.time.now < 55:
        simulation.time.advance()
    simulation.run()
    found = read_archive(simulation.store)
    assert [decided.number for decided in found.rounds] == list(range(1, 21))


def test_reports_that_a_loser_made_after_the_round_it_lost_never_count():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    simulation.reconciler.run_once()
    while simulation.time.now < 55:
        simulation.time.advance()
    simulation.run()
    found = read_archive(simulation.store)
    losers = {(decision.member, decision.incarnation) for decision in found.rounds[0].decisions}
    overrun = [r for r in found.reports.values() if (r.member, r.incarnation) in losers and r.step > 10]
    assert overrun
    assert not any(found.counts(report) for report in overrun)
    assert found.status().steps.discarded > 0


def test_two_members_need_both():
    found = run(Durations(step=lambda member: 1.0 + 3 * member), members=2)
    assert all(len(decided.entries) == 2 for decided in found.rounds)


def test_one_member_alone_trains_to_the_end_and_decides_nothing():
    found = run(Durations(), members=1)
    assert found.rounds == []
    assert found.result is not None
    assert found.best is not None
    assert found.best.member == 0


@pytest.mark.parametrize("parallelism", [1, 3])
@pytest.mark.parametrize("quorum", [50, 75, 100])
def test_no_barrier_deadlocks_when_members_outnumber_the_slots(parallelism, quorum):
    """Trap 33: population larger than the GPUs, with a barrier."""
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum}
    found = run(Durations(start=1, stop=1), schedule=schedule, parallelism=parallelism)
    assert found.result is not None
    assert all(member.step == 200 for member in found.status().members)


def test_total_steps_need_not_be_a_multiple_of_the_interval():
    schedule = {"totalSteps": 205, "intervalSteps": 10, "quorumPercent": 100}
    found = run(Durations(), schedule=schedule)
    assert (found.rounds[-1].number, found.rounds[-1].step) == (21, 205)
    assert found.rounds[-1].decisions == []
    assert found.rounds[-2].decisions


def test_burn_in_and_the_last_step_decide_nothing():
    """Trap 15."""
    schedule = {**DETERMINISTIC["schedule"], "burnInSteps": 50}
    found = run(Durations(), schedule=schedule)
    assert [bool(decided.decisions) for decided in found.rounds] == [False] * 5 + [True] * 14 + [False]


def test_an_operator_that_passes_a_round_over_learns_first_whether_another_one_has_decided_it(monkeypatch):
    simulation = Simulation(spec(DETERMINISTIC, schedule=QUORUM_75), Deterministic())
    simulation.passes()
    away, repository = simulation.reconciler, simulation.repository
    simulation.operator_restarts()
    while simulation.repository.history.decided < 1:
        simulation.step()
    while not list(simulation.store.names("reports/0000002/")):
        simulation.time.advance()
    candidates, create, known = quorum.candidates, simulation.store.create, list[int]()

    def note(key: str, data: bytes) -> bytes:
        if key == "rounds/0000002.json":
            known.append(repository.history.decided)
        return create(key, data)

    monkeypatch.setattr(
        quorum, "candidates", lambda *told, **more: [n for n in candidates(*told, **more) if n > 1]
    )
    monkeypatch.setattr(simulation.store, "create", note)
    simulation.reconciler = away
    while not known:
        simulation.step()
    assert known == [1]
