"""Members whose scripts are done before the last step: a donor for the round, no birth, no wait, a free slot."""

from collections import Counter
from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.told import told
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Cause, Ending
from pbt_operator.core import births
from pbt_operator.core.status import MemberState, PopulationPhase
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from simulation import Simulation
from simulation.pods import Durations
from simulation.trainable import Leaves

RATES = [
    {"rate": 0.01, "depth": 1},
    {"rate": 0.02, "depth": 1},
    {"rate": 0.03, "depth": 1},
    {"rate": 0.09, "depth": 1},
]
WORST, BEST = 0, 3
WAYS = [Leaves(Ending.FINISHED), Leaves(Ending.LEFT), Leaves(None)]
HALF = {"truncation": {"percent": 25}}


class Leaving(Deterministic):
    """Ends at a step, one member or all."""

    def __init__(self, way: Leaves, *, at: int, member: int | None = None) -> None:
        self.way, self.at, self.member, self.left = way, at, member, 0

    def leaves(self, member: int, step: int) -> Leaves | None:
        if step >= self.at and self.member in {None, member}:
            self.left += 1
            return self.way
        return None


def simulation(task: Deterministic, **changes: object) -> Simulation:
    manifest = spec(DETERMINISTIC, **{"members": 4, "initial": RATES, "exploit": HALF, **changes})
    return Simulation(manifest, task, durations=Durations(step=lambda _: 1.0))


def compared(found: Archive, member: int) -> list[int]:
    return [one.number for one in found.rounds if any(entry.member == member for entry in one.entries)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("restart", ["Recreate", "InPlace"])
def test_who_is_done_is_a_donor_of_that_round_and_then_left_alone(way, restart):
    task = Leaving(way, at=50, member=BEST)
    run = simulation(task, restart=restart).run()
    found = told(run)
    assert task.left == 1
    assert [life for life in found.births if life.member == BEST] == [(BEST, 1)]
    assert compared(found, BEST) == [1, 2, 3, 4, 5]
    assert any(d.source and d.source.member == BEST for d in found.rounds[4].decisions)
    assert found.rounds[-1].number == 20
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.COMPLETE, "AllStepsDone")
    assert found.result.message == "all members are at step 200, but for 1 whose scripts were done before"
    member = found.result.members[BEST]
    assert (member.state, member.step) == (MemberState.FINISHED, 50)
    how = "its script said so" if way.ending is Ending.FINISHED else "its script left the loop"
    assert member.reason == f"done at step 50: {how}"
    assert Counter(event.reason for event in run.events)["MemberFinished"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_population_whose_scripts_stop_early_ends_with_the_births_that_are_due(way):
    """Each end was followed by a birth, again and again to the last step."""
    run = simulation(Leaving(way, at=50)).run()
    found = told(run)
    causes = Counter(birth.cause for birth in found.births.values())
    assert set(causes) <= {Cause.INITIAL, Cause.EXPLOIT}
    assert causes[Cause.EXPLOIT] <= 5
    assert run.pods.num_started == len(found.births)
    assert found.result is not None
    assert found.result.message.endswith("but for 4 whose scripts were done before")
    assert found.status().steps.left == 0


def test_who_is_done_and_among_the_worst_is_not_replaced():
    found = told(
        simulation(Leaving(WAYS[0], at=50, member=WORST), exploit={"truncation": {"percent": 50}}).run()
    )
    fifth = found.rounds[4]
    entry = next(entry for entry in fifth.entries if entry.member == WORST)
    assert entry.ended is True
    assert min(entry.score for entry in fifth.entries) == entry.score
    assert WORST not in {decision.member for decision in fifth.decisions}
    assert {entry.ended for one in found.rounds[:4] for entry in one.entries} != {True}


def test_its_slot_is_free():
    task = Leaving(WAYS[0], at=50, member=BEST)
    run = simulation(task, parallelism=1).run()
    told(run)
    assert {pod.member for pod in run.pods.observe()} == set()
    assert run.last is not None
    assert run.last.outcome is not None


@pytest.mark.parametrize("way", WAYS)
def test_an_operator_that_begins_anew_starts_nobody_who_is_done(way):
    task = Leaving(way, at=50, member=BEST)
    run = simulation(task)
    while task.left == 0 or any(pod.member == BEST for pod in run.pods.observe()):
        run.step()
    for _ in range(3):
        run.operator_restarts()
        run.step()
    found = told(run.run())
    assert [life for life in found.births if life.member == BEST] == [(BEST, 1)]
    assert task.left == 1


def test_who_left_its_loop_and_then_failed_has_crashed():
    class Once(Leaving):
        def leaves(self, member, step):
            return super().leaves(member, step) if self.left == 0 else None

    found = told(simulation(Once(Leaves(Ending.LEFT, code=1), at=50, member=BEST)).run())
    second = found.births[BEST, 2]
    assert (second.cause, second.start_step, second.crashes) == (Cause.CRASH, 50, 1)
    assert {member.step for member in found.status().members} == {200}


def test_what_fails_after_finish_is_the_scripts_own_affair():
    found = told(simulation(Leaving(Leaves(Ending.FINISHED, code=1), at=50, member=BEST)).run())
    assert [life for life in found.births if life.member == BEST] == [(BEST, 1)]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_best_of_a_member_that_leaves_goes_to_nobody_who_is_done(way, restarted):
    """Nor where only a save says so, which an operator that has just started hasn't read."""
    run = simulation(Leaving(way, at=50, member=WORST), exploit={"none": {}})
    while run.time.now < 65:
        run.step()
    if restarted:
        run.operator_restarts()
    run.reconciler.spec = replace(run.reconciler.spec, members=3)
    found = told(run.run())
    rescued = [life for life, birth in found.births.items() if birth.cause is Cause.SCALE]
    assert [life.member for life in rescued] == [1]


def test_the_audit_finds_a_birth_of_a_member_that_was_done():
    run = simulation(Leaving(WAYS[0], at=50, member=BEST), exploit={"none": {}}).run()
    found = read_archive(run.store)
    report = found.reports[keys.report(5, BEST, 1)]
    wrong = births.resumed(found.births[BEST, 1], report, reason="a fault")
    run.store.put(wrong.key, encode(wrong))
    (violation,) = audit.violations(run.store, read_archive(run.store))
    assert (violation.invariant, violation.key) == (3, wrong.key)
    assert "says that the member was done" in violation.what


def test_the_audit_finds_a_round_that_calls_somebody_done_who_is_not():
    run = simulation(Deterministic(), exploit={"none": {}}).run()
    decided = read_archive(run.store).rounds[3]
    entries = [changed(decided.entries[0], ended=True), *decided.entries[1:]]
    run.store.put(decided.key, encode(changed(decided, entries=entries)))
    (violation,) = audit.violations(run.store, read_archive(run.store))
    assert "says that member 0 was done" in violation.what
