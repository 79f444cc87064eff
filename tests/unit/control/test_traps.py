"""The traps of PBT controllers that concern rounds, records and lives; the others are in tests/unit/core.

Each test names its trap by the number in the project's list of correctness traps.
"""

from random import Random

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.scaled import scale
from fixtures.told import told
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Birth, Cause, File, Report
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation
from simulation.pods import STATE, Durations
from support.checksums import sha256


@pytest.fixture(scope="module")
def found() -> Archive:
    return told(Simulation(spec(DETERMINISTIC), Deterministic()).run())


def exploits(found: Archive) -> list[Birth]:
    return [birth for birth in found.births.values() if birth.cause is Cause.EXPLOIT]


def test_trap_01_only_reports_of_the_same_step_are_compared(found):
    for decided in found.rounds:
        assert {entry.source.step for entry in decided.entries} == {decided.step}


def test_trap_02_time_plays_no_part():
    """Members of very different speed, decided in order: the same decisions as at equal speed."""
    slow = Durations(step=lambda member: 1.0 + 2 * member)
    even = told(Simulation(spec(DETERMINISTIC), Deterministic()).run())
    uneven = told(Simulation(spec(DETERMINISTIC), Deterministic(), durations=slow).run())
    assert [r.decisions for r in even.rounds] == [r.decisions for r in uneven.rounds]


def test_trap_03_a_newborn_has_no_score_until_it_reports_one_past_its_start(found):
    for birth in exploits(found):
        line = [
            r
            for r in found.reports.values()
            if (r.member, r.incarnation) == (birth.member, birth.incarnation)
        ]
        assert all(report.step > birth.start_step for report in line)
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while not exploits(read_archive(simulation.store)):
        simulation.step()
    newborn = exploits(read_archive(simulation.store))[0]
    status = read_archive(simulation.store).status().members[newborn.member]
    assert status.score is None


def test_trap_04_a_late_report_of_a_previous_incarnation_is_credited_to_nobody():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while not exploits(read_archive(simulation.store)):
        simulation.step()
    born = exploits(read_archive(simulation.store))[0]
    before = read_archive(simulation.store).births[born.member, born.incarnation - 1]
    zombie = forged(simulation, before, step=20, score=1000.0)
    simulation.store.create(zombie.key, encode(zombie))
    after = told(simulation.run())
    assert not after.counts(zombie)
    assert after.best is not None
    assert after.best.score < 1000
    assert all(entry.score != 1000 for decided in after.rounds for entry in decided.entries)


def forged(simulation: Simulation, birth: Birth, *, step: int, score: float, **changes: object) -> Report:
    """A report such as a process of that birth could have written."""
    checkpoint = keys.checkpoint(birth.member, birth.incarnation, step, "zombie")
    data = b'{"w": 9.0}'
    simulation.store.put(checkpoint + STATE, data)
    report = Report(
        member=birth.member,
        incarnation=birth.incarnation,
        step=step,
        round=step // 10,
        metrics={"score": score},
        hyperparameters=birth.hyperparameters,
        checkpoint=checkpoint,
        files=[File(name=STATE, size=len(data), sha256=sha256(data))],
    )
    return replace_record(report, **changes)


def replace_record(report: Report, **changes: object) -> Report:
    fields = {name: getattr(report, name) for name in report.__struct_fields__}
    return Report(**{**fields, **changes})


def test_trap_05_score_step_checkpoint_and_hyperparameters_come_from_one_report(found):
    for decided in found.rounds:
        entries = {entry.member: entry for entry in decided.entries}
        for decision in decided.decisions:
            assert decision.source is not None
            donor = entries[decision.source.member]
            report = found.reports[decision.source.record]
            assert donor.source == decision.source == report.source
            assert (donor.score, donor.hyperparameters) == (report.score("score"), report.hyperparameters)


def test_trap_06_when_nobody_has_a_finite_score_each_goes_back_to_its_newest_finite_ancestor():
    class Diverges(Deterministic):
        def evaluate(self, state, hyperparameters, rng):
            return float("nan") if state["steps"] == 30 and not state.get("again") else state["w"]

        def train(self, state, hyperparameters, step, rng):
            super().train(state, hyperparameters, step, rng)
            state["again"] = state.get("steps", 0) == 30 or step < state.get("steps", 0)
            state["steps"] = step

    simulation = Simulation(spec(DETERMINISTIC, members=4), Diverges())
    while not any(b.cause is Cause.ROLLBACK for b in read_archive(simulation.store).births.values()):
        simulation.step()
    rolled = [b for b in read_archive(simulation.store).births.values() if b.cause is Cause.ROLLBACK]
    assert len(rolled) == 4
    assert {birth.start_step for birth in rolled} == {20}
    assert all(
        birth.source and birth.source.member == birth.member for birth in rolled if birth.incarnation == 2
    )


def test_trap_10_failed_and_departed_members_are_in_no_ranking():
    simulation = Simulation(spec(DETERMINISTIC, members=6), Deterministic())
    while simulation.time.now < 55:
        simulation.step()
    scale(simulation, DETERMINISTIC, 4)
    found = told(simulation.run())
    late = [decided for decided in found.rounds if decided.number > 6]
    assert late
    assert all(entry.member < 4 for decided in late for entry in decided.entries)


def test_trap_12_no_chains_within_a_round(found):
    """Every copy is of a report of the round, never of what a loser becomes in it."""
    for decided in found.rounds:
        sources = {decision.source.record for decision in decided.decisions if decision.source}
        assert sources <= {entry.source.record for entry in decided.entries}


def test_trap_13_two_operators_at_once_decide_once():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    first = simulation.reconciler
    simulation.operator_restarts()
    while not simulation.ended:
        first.run_once()
        simulation.step()
    found = told(simulation)
    births = [(birth.member, birth.round) for birth in exploits(found)]
    assert len(births) == len(set(births))
    assert [r.decisions for r in found.rounds] == [
        r.decisions for r in told(Simulation(spec(DETERMINISTIC), Deterministic()).run()).rounds
    ]


def test_trap_18_a_birth_names_its_checkpoint_and_never_takes_the_latest_of_its_own(found):
    for birth in exploits(found):
        assert birth.source is not None
        own = [
            r.step
            for r in found.reports.values()
            if r.member == birth.member and r.key == birth.source.record
        ]
        assert own == []
        assert birth.start_step == birth.source.step


def test_trap_21_a_crash_between_decision_and_birth_is_caught_up(found):
    """The round is recorded, then the operator dies before any birth: the next one follows the same record."""
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    create = simulation.store.create
    calls = 0

    def dying(key: str, data: bytes) -> bytes:
        nonlocal calls
        if key.startswith(keys.BIRTHS) and decode(Birth, data, key=key).cause is Cause.EXPLOIT:
            calls += 1
            if calls % 2:
                raise KeyboardInterrupt
        return create(key, data)

    simulation.store.create = dying  # type: ignore[method-assign]
    while not simulation.ended:
        try:
            simulation.step()
        except KeyboardInterrupt:
            simulation.operator_restarts()
    assert [r.decisions for r in told(simulation).rounds] == [r.decisions for r in found.rounds]
    assert calls > 20


def test_trap_22_the_best_ever_survives_a_population_that_drifts_away():
    class Drifts(Deterministic):
        def train(self, state, hyperparameters, step, rng):
            state["w"] += 0.1 if step <= 50 else -0.1

    simulation = Simulation(spec(DETERMINISTIC, retention={"checkpointsPerMember": 1}), Drifts())
    found = told(simulation.run())
    assert found.best is not None
    assert found.final is not None
    assert found.best.step == 50
    assert found.final.score < found.best.score
    assert any(True for _ in simulation.store.names(found.best.source.checkpoint))


def test_trap_23_a_member_that_was_evicted_goes_on_from_its_own_newest_record_and_is_counted_once():
    chance = Random(5)
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while not simulation.ended:
        simulation.step()
        pods = [pod for pod in simulation.pods.observe() if not pod.ended]
        if pods and chance.random() < 0.3:
            simulation.pods.stop(chance.choice(pods))
    found = told(simulation)  # the audit compares every resume with its newest record
    assert any(birth.cause is Cause.RESUME for birth in found.births.values())
    for decided in found.rounds:
        members = [entry.member for entry in decided.entries]
        assert len(members) == len(set(members))


def test_trap_30_what_is_explored_is_what_the_donor_had_at_its_checkpoint(found):
    """Not what the donor has by now."""
    for decided in found.rounds:
        for decision in decided.decisions:
            assert decision.source is not None
            donor = found.births[decision.source.member, decision.source.incarnation].hyperparameters
            for name, operation in decision.operations.items():
                if (
                    operation.startswith("x")
                    and "reflected" not in operation
                    and isinstance(donor[name], float)
                ):
                    expected = float(donor[name]) * float(operation.removeprefix("x"))
                    assert decision.hyperparameters[name] == pytest.approx(
                        expected, rel=0.005
                    )  # three digits


def test_trap_32_rounds_are_at_multiples_of_the_interval_for_ever(found):
    assert [decided.step for decided in found.rounds] == [10 * n for n in range(1, 21)]
    for report in found.reports.values():
        assert report.step % 10 == 0


def test_trap_34_an_operator_that_restarts_before_every_pass_changes_nothing(found):
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while not simulation.ended:
        simulation.operator_restarts()
        simulation.step()
        simulation.reconciler.run_once()
    assert [r.decisions for r in told(simulation).rounds] == [r.decisions for r in found.rounds]


def test_trap_36_every_step_is_accounted_for(found):
    steps = found.status().steps
    assert steps.left == 0
    assert steps.productive >= 8 * 200
    assert steps.discarded >= 0


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"hyperparameters": {"rate": 0.09, "depth": 1}}, "hyperparameters"),
        ({"round": 3}, "not of round"),
        ({"checkpoint": keys.checkpoint(1, 1, 10, "x")}, "not this incarnation's"),
        ({"incarnation": 7, "checkpoint": keys.checkpoint(0, 7, 10, "x")}, "no such birth"),
        ({"metrics": {"score": "many"}}, "not a number"),
    ],
)
def test_a_report_that_contradicts_its_birth_is_refused_with_the_reason(changes, what):
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    simulation.step()
    birth = read_archive(simulation.store).births[0, 1]
    report = forged(simulation, birth, step=10, score=1000.0, **changes)
    simulation.store.put(report.key, encode(report))
    simulation.repository.refresh()
    refused = [event.message for event in simulation.events if event.reason == "RecordRefused"]
    assert len(refused) == 1
    assert what in refused[0]
    simulation.repository.refresh()
    assert [e.message for e in simulation.events if e.reason == "RecordRefused"] == refused
