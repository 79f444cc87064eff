"""Processes that have saved and then fail, as where somebody sends SIGTERM and the script raises on its way out."""

import pytest
from msgspec import UNSET

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.told import causes, told
from fixtures.toys import Deterministic
from pbt_contract.records import Cause, Ending
from pbt_operator.core.births import MOST_BLAMED, Counters
from pbt_operator.core.status import PopulationPhase
from simulation import Simulation, TrainerCrashed
from simulation.pods import Durations
from simulation.trainable import Leaves

SECOND_A_STEP = Durations(step=lambda _member: 1.0)
NOBODY_LOSES = {"truncation": {"percent": 25}, "minGap": 1e9}
NONE = {"none": {}}


def fails_after_saving(simulation: Simulation, *, at: float) -> int:
    """Member 0's process; the step that it has saved."""
    while simulation.time.now < at:
        simulation.step()
    (trainer,) = (
        trainer
        for trainer in simulation.pods._trainers.values()
        if trainer.member == 0 and not trainer.pod.ended
    )
    trainer._save()
    trainer._end(1)
    return trainer.step


def simulation(task: Deterministic | None = None, **changes: object) -> Simulation:
    return Simulation(
        spec(DETERMINISTIC, members=4, **changes), task or Deterministic(), durations=SECOND_A_STEP
    )


@pytest.mark.parametrize("exploit", [NOBODY_LOSES, NONE])
def test_at_backoff_limit_0_it_fails_and_comes_back_after_the_next_round(exploit):
    """Its save is no more lost than any record: where nobody copies it goes on from there."""
    run = simulation(exploit=exploit, backoffLimit=0)
    saved = fails_after_saving(run, at=44)
    assert saved % 10, "it has saved between two reports"
    found = told(run.run())
    assert causes(found, 0) == [Cause.INITIAL, Cause.FAILED, Cause.SCALE]
    closed, back = found.births[0, 2], found.births[0, 3]
    assert (closed.start_step, Counters.of(closed), closed.decided) == (saved, Counters(1, 0), 4)
    assert (back.seed_round, Counters.of(back)) == (5, Counters(0, MOST_BLAMED))
    assert back.source is not None
    if exploit == NONE:
        assert (back.source.member, back.start_step, back.source.step) == (0, saved, saved)
    else:
        assert (back.source.member == 0, back.start_step) == (False, 50)
    assert found.status().phase is PopulationPhase.COMPLETE
    assert "failed" not in found.status().message


@pytest.mark.parametrize("exploit", [NOBODY_LOSES, NONE])
def test_a_save_after_it_came_back_is_a_record_of_its_own_and_no_second_start(exploit):
    run = simulation(exploit=exploit, backoffLimit=0)
    fails_after_saving(run, at=44)
    fails_after_saving(run, at=68)
    found = told(run.run())
    assert causes(found, 0) == [Cause.INITIAL, *[Cause.FAILED, Cause.SCALE] * 2]
    again = found.births[0, 4]
    assert Counters.of(again) == Counters(1, 0), "what was held against it before its save is forgotten"


def test_below_the_limit_each_save_starts_the_count_anew():
    run = simulation(exploit=NONE, backoffLimit=1)
    saved = [fails_after_saving(run, at=seconds) for seconds in (44, 64, 84)]
    found = told(run.run())
    assert causes(found, 0) == [Cause.INITIAL, *[Cause.CRASH] * 3]
    crashed = [found.births[0, number] for number in (2, 3, 4)]
    assert [(birth.start_step, birth.crashes) for birth in crashed] == [(step, 1) for step in saved]


class LeavesAfterwards(Deterministic):
    """Member 0 crashes `crashes` times at its first steps, then reports, and leaves its loop with an error."""

    def __init__(self, *, crashes: int, at: int) -> None:
        self.crashes, self.at, self.has_left = crashes, at, False

    def fate(self, member, step):
        if member == 0 and self.crashes:
            self.crashes -= 1
            return TrainerCrashed("RuntimeError: out of luck")
        return None

    def leaves(self, member, step):
        if member == 0 and step >= self.at and not self.has_left:
            self.has_left = True
            return Leaves(Ending.LEFT, code=1)
        return None


def test_what_left_its_loop_and_failed_is_the_first_crash_since_it_reported():
    """Only the record by which it left says nothing: those before it were made by the same life."""
    run = simulation(LeavesAfterwards(crashes=1, at=50), exploit=NONE, backoffLimit=1)
    found = told(run.run())
    assert causes(found, 0) == [Cause.INITIAL, Cause.CRASH, Cause.CRASH]
    assert (found.births[0, 2].crashes, found.births[0, 3].crashes) == (1, 1)
    assert found.births[0, 3].start_step == 50
    assert found.births[0, 3].blamed is UNSET
