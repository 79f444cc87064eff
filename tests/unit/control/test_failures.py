"""What becomes of members whose processes end: resumes, crash limits, blame, replacement, coming back, mistakes."""

from dataclasses import replace

import pytest
from msgspec import UNSET

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.told import causes, reasons, told
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import ExitCode
from pbt_contract.records import Cause
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.core.crashed import AFTER_CRASHES
from pbt_operator.core.end_record import End
from pbt_operator.core.status import MemberState, PopulationPhase
from simulation import Simulation, TrainerCrashed
from simulation.pods import Durations


class Crashing(Deterministic):
    """Crashes at the given step, as long as `member_rate` is the one that is assigned, so many times."""

    def __init__(self, *, at: int, times: int, rate: float | None = None) -> None:
        self.at, self.left, self.rate = at, times, rate

    def train(self, state, hyperparameters, step, rng):
        if step >= self.at and self.left and (self.rate is None or hyperparameters["rate"] == self.rate):
            self.left -= 1
            raise TrainerCrashed("RuntimeError: out of luck")
        super().train(state, hyperparameters, step, rng)


class Doomed(Deterministic):
    """Some members crash whatever they train with."""

    def __init__(self, members: set[int], message: str = "RuntimeError: out of luck") -> None:
        self.members, self.message = members, message

    def fate(self, member: int, step: int) -> TrainerCrashed | None:
        return TrainerCrashed(self.message) if member in self.members else None


NONE = {"none": {}}
NOBODY_LOSES = {"truncation": {"percent": 25}, "minGap": 1e9}
QUORUM_75 = {**DETERMINISTIC["schedule"], "quorumPercent": 75}
INITIAL = [{"rate": 0.05, "depth": 1}]


def test_a_crash_resumes_from_the_newest_record_and_loses_at_most_an_interval():
    manifest = spec(DETERMINISTIC, members=2, exploit=NONE, initial=INITIAL)
    simulation = Simulation(manifest, Crashing(at=35, times=1, rate=0.05)).run()
    found = told(simulation)
    assert causes(found, 0) == [Cause.INITIAL, Cause.CRASH]
    assert found.births[0, 2].start_step == 30
    assert "out of luck" in found.births[0, 2].reason
    assert found.births[0, 2].hyperparameters == found.births[0, 1].hyperparameters
    assert found.status().phase is PopulationPhase.COMPLETE


def test_after_three_crashes_in_a_row_without_a_record_a_donor_takes_over():
    manifest = spec(DETERMINISTIC, members=4, exploit=NOBODY_LOSES, initial=INITIAL)
    simulation = Simulation(manifest, Crashing(at=25, times=99, rate=0.05)).run()
    found = told(simulation)
    assert causes(found, 0)[:4] == [Cause.INITIAL, Cause.CRASH, Cause.CRASH, Cause.REPLACE]
    replacement = found.births[0, 4]
    assert replacement.source is not None
    assert replacement.source.member != 0
    assert replacement.hyperparameters["rate"] != 0.05
    assert found.status().phase is PopulationPhase.COMPLETE


def test_a_record_between_crashes_starts_the_count_anew():
    class EachInterval(Deterministic):
        crashed: set[int]

        def train(self, state, hyperparameters, step, rng):
            if step % 40 == 5 and hyperparameters["rate"] == 0.05 and step not in self.crashed:
                self.crashed.add(step)
                raise TrainerCrashed("again")
            super().train(state, hyperparameters, step, rng)

    task = EachInterval()
    task.crashed = set()
    manifest = spec(DETERMINISTIC, members=2, exploit=NONE, initial=INITIAL, backoffLimit=1)
    found = told(Simulation(manifest, task).run())
    assert len(task.crashed) == 5
    assert {birth.crashes for (member, _), birth in found.births.items() if member == 0} == {0, 1}


def test_above_the_backoff_limit_a_member_fails_and_the_others_go_on():
    manifest = spec(DETERMINISTIC, members=3, exploit=NONE, backoffLimit=2)
    simulation = Simulation(manifest, Doomed({0})).run()
    found = told(simulation)
    status = found.status()
    assert [member.state for member in status.members] == [MemberState.FAILED, *[MemberState.FINISHED] * 2]
    assert status.phase is PopulationPhase.COMPLETE
    assert "above backoffLimit 2" in status.members[0].reason


def test_a_complete_population_says_how_many_members_failed_and_why_in_short():
    doomed = Doomed({0, 2, 4, 5}, f"File {'x' * 1000}\nRuntimeError: out of luck")
    simulation = Simulation(spec(DETERMINISTIC, members=6, exploit=NONE, backoffLimit=1), doomed).run()
    found = told(simulation)
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.COMPLETE, "AllStepsDone")
    message = found.result.message
    assert message.startswith("all members that are left are at step 200; 4 of 6 members failed (member 0: ")
    assert "| RuntimeError: out of luck" in message
    assert "member 4: " in message
    assert "member 5: " not in message, "three causes are enough"
    assert len(message) < 500
    assert [event.message for event in simulation.events if event.reason == "AllStepsDone"] == [message]
    assert found.status().message == message


@pytest.mark.parametrize(("limit", "reason"), [(None, "AllMembersFailed"), (1, "TooManyFailedMembers")])
def test_a_population_fails_with_the_reason_of_its_members(limit, reason):
    changes = {} if limit is None else {"maxFailedMembers": limit}
    manifest = spec(DETERMINISTIC, members=3, backoffLimit=1, **changes)
    simulation = Simulation(manifest, Crashing(at=5, times=99)).run()
    result = told(simulation).result
    assert result is not None
    assert (result.phase, result.reason) == (PopulationPhase.FAILED, reason)
    assert "out of luck" in result.message


def test_who_failed_does_not_come_back_before_the_population_is_found_to_have_failed():
    """The round awaited the crashed one alone, so it is decided in the pass in which that one fails."""

    class FailsLast(Deterministic):
        def fate(self, member, step):
            return TrainerCrashed("RuntimeError: out of luck") if member == 0 and step > 10 else None

    durations = Durations(step=lambda member: 3.0 if member == 0 else 1.0)
    manifest = spec(DETERMINISTIC, members=4, backoffLimit=0, maxFailedMembers=0)
    found = told(Simulation(manifest, FailsLast(), durations=durations).run())
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.FAILED, "TooManyFailedMembers")
    assert causes(found, 0) == [Cause.INITIAL, Cause.FAILED]


def test_crashes_wait_longer_each_time():
    class Numbered(Crashing):
        def train(self, state, hyperparameters, step, rng):
            self.left -= 1
            raise TrainerCrashed(f"RuntimeError: {self.left}")

    manifest = spec(DETERMINISTIC, members=2, backoffLimit=6)
    simulation = Simulation(manifest, Numbered(at=1, times=99)).run()
    assert simulation.time.now >= 2 * (1 + 2 + 4 + 8 + 16)


def test_a_member_without_a_record_in_time_counts_as_crashed():
    schedule = {**DETERMINISTIC["schedule"], "progressDeadlineSeconds": 60}
    manifest = spec(DETERMINISTIC, members=2, schedule=schedule, backoffLimit=1, exploit=NONE)
    durations = Durations(step=lambda member: 1000.0 if member == 1 else 1.0)
    found = told(Simulation(manifest, Deterministic(), durations=durations).run())
    assert causes(found, 1) == [Cause.INITIAL, Cause.CRASH, Cause.FAILED]
    assert "progressDeadlineSeconds" in found.births[1, 3].reason


def test_who_is_replaced_after_the_end_needs_no_process():
    """A member that crashes on while all others are through takes over a finished donor."""
    manifest = spec(DETERMINISTIC, members=4, exploit=NOBODY_LOSES, initial=INITIAL, schedule=QUORUM_75)
    simulation = Simulation(manifest, Crashing(at=195, times=99, rate=0.05)).run()
    found = told(simulation)
    assert causes(found, 0)[-1] is Cause.REPLACE
    assert found.births[0, len(causes(found, 0))].start_step == 200
    assert found.status().phase is PopulationPhase.COMPLETE
    assert {member.state for member in found.status().members} == {MemberState.FINISHED}


def test_a_trainer_that_gives_up_on_the_store_is_told_of_and_goes_on():
    """It has waited for long; that is no crash of its own."""
    simulation = Simulation(spec(DETERMINISTIC, members=2, exploit=NONE), Deterministic())
    while simulation.time.now < 15:
        simulation.step()
    next(iter(simulation.pods._trainers.values()))._end(ExitCode.STORAGE)
    found = told(simulation.run())
    assert reasons(simulation)["StoreGivenUp"] == 1
    assert {birth.cause for birth in found.births.values()} == {Cause.INITIAL, Cause.RESUME}


def test_how_each_life_ended_is_a_record_that_is_there_before_the_birth_that_follows():
    manifest = spec(DETERMINISTIC, members=2, exploit=NONE, initial=INITIAL)
    simulation = Simulation(manifest, Crashing(at=35, times=1, rate=0.05))
    create, written = simulation.store.create, []

    def noted(key, data):
        written.append(key)
        return create(key, data)

    simulation.store.create = noted
    simulation.run()
    key = keys.ended(0, 1)
    end = decode(End, simulation.store.read(key), key=key)
    assert (end.exit_code, end.message, end.stopped) == (1, "RuntimeError: out of luck", False)
    assert written.index(key) < written.index(keys.birth(0, 2))
    assert list(simulation.store.names(keys.ENDS)) == [key], "who is through and ended with 0 needs none"


def test_the_end_that_is_stored_counts_whoever_saw_it_otherwise():
    manifest = spec(DETERMINISTIC, members=2, exploit=NONE, initial=INITIAL)
    simulation = Simulation(manifest, Crashing(at=35, times=1, rate=0.05))
    seen = End(
        member=0, incarnation=1, pod="pod-1", exit_code=None, disrupted=True, message="its node is lost"
    )
    simulation.store.put(seen.key, encode(seen))
    found = told(simulation.run())
    assert causes(found, 0) == [Cause.INITIAL, Cause.RESUME]


def test_who_failed_tries_again_after_each_round_and_its_slot_is_never_lost_for_good():
    class Mended(Doomed):
        def fate(self, member, step):
            return super().fate(member, step) if step <= 30 else None

    manifest = spec(DETERMINISTIC, members=4, backoffLimit=1, schedule=QUORUM_75)
    simulation = Simulation(manifest, Mended({0})).run()
    found = told(simulation)
    assert Cause.FAILED in causes(found, 0)
    assert Cause.SCALE in causes(found, 0)
    assert {member.state for member in found.status().members} == {MemberState.FINISHED}
    assert reasons(simulation)["Returned"] == causes(found, 0).count(Cause.SCALE)
    crashed = [one.life for decided in found.rounds if decided.crashed for one in decided.crashed]
    assert (
        len(crashed)
        == len(set(crashed))
        == sum(birth.cause in AFTER_CRASHES for birth in found.births.values())
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_region_of_the_space_that_crashes_costs_no_slot(seed):
    class Region(Deterministic):
        def train(self, state, hyperparameters, step, rng):
            if hyperparameters["depth"] > 5:
                raise TrainerCrashed("RuntimeError: CUDA out of memory")
            super().train(state, hyperparameters, step, rng)

    simulation = Simulation(spec(DETERMINISTIC, seed=seed), Region()).run()
    found = told(simulation)
    assert found.status().phase is PopulationPhase.COMPLETE
    assert {member.state for member in found.status().members} == {MemberState.FINISHED}
    reverted = [b for b in found.births.values() if b.cause is Cause.REPLACE]
    assert reverted
    assert all(found.births[b.member, b.incarnation - 1].hyperparameters["depth"] > 5 for b in reverted)


@pytest.mark.parametrize(
    ("limit", "incarnation", "cause", "waits"),
    [(6, 2, Cause.CRASH, 0.0), (6, 3, Cause.CRASH, 1.0), (0, 2, Cause.FAILED, None)],
)
def test_an_operator_that_dies_before_the_birth_that_follows_leaves_it_to_the_next_one(
    limit, incarnation, cause, waits
):
    """That one tells of the crash, lets the member wait, and starts nothing for one that failed."""
    manifest = spec(DETERMINISTIC, members=2, exploit=NONE, initial=INITIAL, backoffLimit=limit)
    simulation = Simulation(manifest, Crashing(at=35, times=incarnation - 1, rate=0.05))
    create, start, recorded, started = simulation.store.create, simulation.pods.start, [], {}

    def dies(key, data):
        if key == keys.birth(0, incarnation):
            raise KeyboardInterrupt
        return create(key, data)

    def noted(key, data):
        if key == keys.birth(0, incarnation):
            recorded.append(simulation.time.now)
        return create(key, data)

    def starts(birth):
        started.setdefault(birth.life, simulation.time.now)
        start(birth)

    simulation.store.create = dies
    with pytest.raises(KeyboardInterrupt):
        simulation.run()
    simulation.store.create = noted
    simulation.pods.start = starts
    simulation.pods.kill()
    simulation.operator_restarts()
    before = reasons(simulation)
    found = told(simulation.run())
    assert found.births[0, incarnation].cause is cause
    after = reasons(simulation)
    reason = "MemberFailed" if cause is Cause.FAILED else "Crashed"
    assert after[reason] - before[reason] == 1
    if waits is None:
        assert (0, incarnation) not in started
    else:
        assert started[0, incarnation] - recorded[0] >= waits


class Mistaken(Deterministic):
    def train(self, state, hyperparameters, step, rng):
        raise TrainerCrashed("UsageError: step 10 was due", code=ExitCode.MISTAKE)


def test_a_mistake_of_the_script_ends_the_population_at_the_second_member_that_meets_it():
    simulation = Simulation(spec(DETERMINISTIC, members=8), Mistaken(), durations=Durations(stop=2)).run()
    found = told(simulation)
    assert simulation.pods.num_started == 8
    assert simulation.time.now <= 10 + 5
    assert found.result is not None
    assert (found.result.phase, found.result.reason) == (PopulationPhase.FAILED, "Mistake")
    assert found.result.message.endswith("UsageError: step 10 was due")
    assert [event.reason for event in simulation.events if event.reason == "Mistake"] == ["Mistake"]


def test_who_meets_a_mistake_first_waits_for_those_who_start_slowly():
    durations = Durations(stop=2, late=dict.fromkeys(range(1, 8), 80.0))
    simulation = Simulation(spec(DETERMINISTIC, members=8), Mistaken(), durations=durations).run()
    found = told(simulation)
    assert simulation.pods.num_started == 8
    assert found.result is not None
    assert found.result.reason == "Mistake"


def test_who_meets_a_mistake_waits_no_longer_for_one_that_starts_for_ever():
    durations = Durations(stop=2, late={1: 1000.0})
    simulation = Simulation(spec(DETERMINISTIC, members=2), Mistaken(), durations=durations)
    while simulation.pods.num_started < 3:
        simulation.step()
    assert 120 <= simulation.time.now <= 150


@pytest.mark.parametrize("code", [1, ExitCode.MISTAKE])
def test_two_of_eight_that_crash_alike_stop_nobody_who_has_recorded_something(code):
    class Some(Doomed):
        def fate(self, member, step):
            crashes = member in self.members and step > 10
            return TrainerCrashed("UsageError: step 10 was due", code=code) if crashes else None

    manifest = spec(DETERMINISTIC, members=8, schedule=QUORUM_75)
    simulation = Simulation(manifest, Some({2, 5})).run()
    assert told(simulation).status().phase is PopulationPhase.COMPLETE


def test_what_another_operator_recorded_of_the_crash_before_counts():
    """Of two SIGKILLs in a row, the first one seen by another operator, nobody blames the hyperparameters."""

    class Killed(Deterministic):
        left = 2

        def fate(self, member, step):
            if member == 0 and self.left:
                self.left -= 1
                return TrainerCrashed("", code=137)
            return None

    simulation = Simulation(spec(DETERMINISTIC, members=2, exploit=NONE), Killed())
    other = simulation.reconciler
    simulation.operator_restarts()
    simulation.step()
    while not list(simulation.store.names(keys.ENDS)):
        other.run_once()
        simulation.time.advance()
    found = told(simulation.run())
    assert causes(found, 0)[:3] == [Cause.INITIAL, Cause.CRASH, Cause.CRASH]


def test_what_another_operator_has_read_of_the_line_before_a_crash_counts():
    """Member 0 was evicted, as that one saw, and had saved: its hyperparameters have run, two crashes blame nobody."""

    class Crashing(Deterministic):
        left = 0

        def fate(self, member, step):
            if member == 0 and self.left:
                self.left -= 1
                return TrainerCrashed("RuntimeError: no luck", code=1)
            return None

    crashing = Crashing()
    simulation = Simulation(spec(DETERMINISTIC, members=2, exploit=NONE), crashing)
    other = simulation.reconciler
    simulation.operator_restarts()
    simulation.step()
    simulation.step()
    (pod,) = (pod for pod in simulation.pods.observe() if pod.member == 0)
    simulation.pods.stop(pod)
    crashing.left = 2
    while keys.birth(0, 2) not in simulation.store.names(keys.BIRTHS):
        other.run_once()
        simulation.time.advance()
    found = told(simulation.run())
    assert causes(found, 0)[:4] == [Cause.INITIAL, Cause.RESUME, Cause.CRASH, Cause.CRASH]


def test_the_deadline_counts_where_a_pod_can_not_start_and_not_where_it_is_slow():
    deadline = 30.0
    schedule = {**DETERMINISTIC["schedule"], "progressDeadlineSeconds": deadline}
    simulation = Simulation(
        spec(DETERMINISTIC, members=1, schedule=schedule, backoffLimit=0),
        Deterministic(),
        durations=Durations(start=10 * deadline),
    )
    real, stuck = simulation.pods.observe, [False]
    simulation.pods.observe = lambda: [replace(pod, stuck=stuck[0]) for pod in real()]

    def crashed_after(seconds: float) -> bool:
        until = simulation.time.now + seconds
        while simulation.time.now < until:
            simulation.step()
        return any(event.reason == "MemberFailed" for event in simulation.events)

    stuck[0] = True
    assert not crashed_after(0.9 * deadline)
    stuck[0] = False  # its image is there, and its data are staged
    assert not crashed_after(2 * deadline)
    stuck[0] = True
    assert not crashed_after(0.9 * deadline), "what it was stuck for before doesn't count"
    assert crashed_after(0.2 * deadline)


@pytest.mark.parametrize("kept_by", ["init container", "image"])
def test_where_the_trainers_never_run_no_values_change_whatever_keeps_them(kept_by):
    """Five times, of which two would blame the values of a trainer that had run; then one crash of its own."""
    schedule = {**DETERMINISTIC["schedule"], "progressDeadlineSeconds": 30}
    manifest = spec(DETERMINISTIC, members=2, schedule=schedule, exploit=NONE, initial=INITIAL)
    simulation = Simulation(manifest, Crashing(at=1, times=1, rate=0.05), durations=Durations(start=20))
    observe = simulation.pods.observe
    failed = {
        "phase": Phase.ENDED,
        "unstarted": True,
        "message": "init container fetch ended with exit code 1",
    }

    def seen() -> list[Pod]:
        is_kept = len(list(simulation.store.names(keys.BIRTHS))) < 2 + 5
        found = []
        for pod in observe():
            if pod.member == 0 and pod.phase is Phase.PENDING and is_kept:
                simulation.pods._trainers[pod.name].next.cancelled = True
                found.append(replace(pod, **(failed if kept_by == "init container" else {"stuck": True})))
            else:
                found.append(pod)
        return found

    simulation.pods.observe = seen
    found = told(simulation.run())
    assert causes(found, 0) == [Cause.INITIAL, *[Cause.CRASH] * 6]
    assert [found.ends[0, n].unstarted for n in range(1, 7)] == [True] * 5 + [UNSET]
    assert [found.births[0, n].crashes for n in range(2, 8)] == [1, 2, 3, 4, 5, 6]
    assert {found.births[0, n].hyperparameters["rate"] for n in range(1, 8)} == {0.05}
    assert found.status().phase is PopulationPhase.COMPLETE


def test_trainers_that_the_store_refuses_end_what_has_recorded_nothing_until_the_spec_changes():
    simulation = Simulation(
        spec(DETERMINISTIC, members=4), Deterministic(), durations=Durations(start=5), tick_seconds=1
    )
    simulation.step()
    for trainer in list(simulation.pods._trainers.values())[:2]:
        trainer.pod = replace(trainer.pod, message="pbt: giving up on the store: s3://b: no; correct the key")
        trainer._end(ExitCode.ACCESS)
    simulation.step()
    outcome = simulation.passes().outcome
    assert outcome is not None
    assert (outcome.phase, outcome.reason) == (PopulationPhase.FAILED, "TrainersRefused")
    assert outcome.message.endswith("giving up on the store: s3://b: no; correct the key")
    assert reasons(simulation)["StoreDenied"] == 2
    reconciler = simulation.reconciler
    reconciler.replace_spec(reconciler.spec, reconciler.spec_number + 1)
    assert simulation.passes().outcome is None


def test_a_refusal_after_somebody_has_recorded_is_an_outage():
    simulation = Simulation(spec(DETERMINISTIC, members=2, exploit=NONE), Deterministic())
    while not simulation.repository.history.has_recorded:
        simulation.step()
    for trainer in list(simulation.pods._trainers.values()):
        trainer._end(ExitCode.ACCESS)
    found = told(simulation.run())
    assert found.status().phase is PopulationPhase.COMPLETE
    assert {birth.cause for birth in found.births.values()} == {Cause.INITIAL, Cause.RESUME}
