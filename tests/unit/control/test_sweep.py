"""Retention keeps what anybody may still need, and nothing grows without bound (trap 16)."""

from collections import defaultdict

import pytest
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Cause, Ending
from pbt_operator.core import retention
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.retention import unread_saves
from pbt_operator.core.standing import standing_of
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations
from simulation.trainable import Leaves


def kept(simulation: Simulation) -> dict[int, set[str]]:
    found = defaultdict(set)
    for key in simulation.store.names(keys.CHECKPOINTS):
        member, _ = keys.parse_life(key.split("/")[1])
        found[member].add(key)
    return found


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_member_keeps_the_newest_few_and_what_is_referred_to(count):
    manifest = spec(DETERMINISTIC, retention={"checkpointsPerMember": count})
    simulation = Simulation(manifest, Deterministic()).run()
    found = read_archive(simulation.store)
    assert audit.violations(simulation.store, found) == []
    referred = 3  # the start of the line, the newest round, the best
    assert max(len(keys_) for keys_ in kept(simulation).values()) <= count + referred
    for member in range(8):
        newest = found.history.line_records(member)[-1]
        assert any(True for _ in simulation.store.names(newest.checkpoint))


class LeavesEarly(Deterministic):
    """The script of member 0 leaves its loop in its third round: one more record of the same checkpoint's step."""

    def leaves(self, member: int, step: int) -> Leaves | None:
        return Leaves(Ending.LEFT) if member == 0 and step >= 30 else None


def test_the_last_word_of_a_member_takes_no_checkpoints_place():
    manifest = spec(DETERMINISTIC, exploit={"none": {}}, retention={"checkpointsPerMember": 3})
    simulation = Simulation(manifest, LeavesEarly()).run()
    assert {int(key.split("/")[2].split("-")[0]) for key in kept(simulation)[0]} >= {10, 20, 30}


def test_a_save_that_a_new_operator_has_not_read_keeps_its_checkpoint():
    simulation = Simulation(spec(DETERMINISTIC, retention={"checkpointsPerMember": 2}), Deterministic()).run()
    history = simulation.repository.history
    report = history.counting(0)[-1]
    save = replace(report, step=report.step + 1, round=None)
    names = [f"{keys.checkpoint(0, report.incarnation, save.step, 'nonce')}state.json"]
    assert unread_saves(names, history=history, spec=simulation.spec) == [save.key]
    history.add_record(save)
    assert unread_saves(names, history=history, spec=simulation.spec) == []


def test_at_every_moment_every_start_and_every_donor_can_be_read():
    """A checkpoint is never deleted under a member that will load it, however late it comes to it."""
    durations = Durations(start=7, stop=3, step=lambda member: 1.0 + member / 4)
    manifest = spec(DETERMINISTIC, parallelism=3, retention={"checkpointsPerMember": 1})
    simulation = Simulation(manifest, Deterministic(), durations=durations)
    while not simulation.ended:
        simulation.step()
        history = simulation.repository.history
        needed = [
            birth.source for m in history.members if (birth := history.newest_birth(m)) and birth.source
        ]
        if history.newest_round is not None:
            needed += [entry.source for entry in history.newest_round.entries]
        for source in needed:
            assert any(True for _ in simulation.store.names(source.checkpoint)), source


class Blinks(Deterministic):
    """Nobody has a score yet at step 20, all diverge at step 30, and the leader is well again further on."""

    def build(self, hyperparameters, rng):
        return {**super().build(hyperparameters, rng), "step": 0}

    def train(self, state, hyperparameters, step, rng):
        super().train(state, hyperparameters, step, rng)
        state["step"] = step

    def evaluate(self, state, hyperparameters, rng):
        blind = {20: [], 30: float("nan")}
        return blind.get(state["step"], super().evaluate(state, hyperparameters, rng))


def test_who_is_ahead_and_well_again_keeps_what_it_may_have_to_go_back_to():
    """The round that sends it back is decided when the slow one comes to it."""
    schedule = {**DETERMINISTIC["schedule"], "maxLead": 8, "quorumPercent": 75}
    # Member 0 is neither the best nor the worst: nobody else keeps its checkpoints, and it isn't replaced.
    initial = [{"rate": rate, "depth": depth} for rate, depth in ((0.03, 1), (0.05, 1), (0.0001, 8))]
    keeps = {"checkpointsPerMember": 1}
    manifest = spec(DETERMINISTIC, members=3, schedule=schedule, retention=keeps, initial=initial)
    durations = Durations(step=lambda member: 5.0 if member else 1.0)
    simulation = Simulation(manifest, Blinks(), durations=durations)
    history, ahead = simulation.repository.history, 0
    while history.decided < 3:
        ahead = max([ahead, *(record.step for record in history.counting(0))])
        assert history.decided < 2 or (0, 1, 10) in retention.kept(history, simulation.spec)
        simulation.step()
    assert ahead > 30
    found = read_archive(simulation.run().store)
    assert audit.violations(simulation.store, found) == []
    backwards = [b for b in found.births.values() if b.cause is Cause.ROLLBACK and b.source is not None]
    assert backwards
    assert {birth.start_step for birth in backwards} == {10}
    assert not [event for event in simulation.events if event.reason == "Crashed"]


def test_what_a_round_names_the_best_that_another_operator_has_just_recorded_stays():
    """A former owner of the location, say: the report may be of a life that is closed here."""
    schedule = {**DETERMINISTIC["schedule"], "totalSteps": 100}
    manifest = spec(DETERMINISTIC, schedule=schedule, retention={"checkpointsPerMember": 10})
    store = Simulation(manifest, Deterministic()).run().store
    found = read_archive(store)
    newest = found.rounds[-1]
    store.delete([newest.key, *store.names(keys.RESULTS)])
    few = spec(DETERMINISTIC, schedule=schedule, retention={"checkpointsPerMember": 1})
    simulation = Simulation(few, Deterministic(), store=store)
    second = found.reports[next(iter(store.names(keys.reports_of(2))))]
    gone = [second.checkpoint, found.reports[next(iter(store.names(keys.reports_of(3))))].checkpoint]
    standing = standing_of(second, simulation.spec.objective)
    assert standing is not None
    store.put(newest.key, encode(replace(newest, best=replace(standing, score=1e9))))
    simulation.reconciler._retention.sweep(simulation.spec, begins=True, allowance=Allowance())
    assert [any(True for _ in store.names(checkpoint)) for checkpoint in gone] == [True, False]


def test_reports_stay_though_their_checkpoints_go():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic()).run()
    found = read_archive(simulation.store)
    assert sum(len(checkpoints) for checkpoints in kept(simulation).values()) < len(found.reports) / 2
