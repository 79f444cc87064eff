"""Fewer slots than members: a process that is asked to yield goes on with the birth that it is asked for."""

from time import sleep
from typing import Any

import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Cause, Claim, Ending, Report, Started
from pbt_contract.yields import LifeName, Yield
from unit.trainer.population import Population, Trainer, population_in, until

SHARED = {"in_place": True, "shared_slots": True, "total_steps": 20_000, "interval_steps": 10_000}
RECREATED = {**SHARED, "in_place": False}
BOTH = pytest.mark.parametrize("restart", [SHARED, RECREATED], ids=["InPlace", "Recreate"])
OTHER = 3


@pytest.fixture
def waiting(population: Population) -> Report:
    """Member 3's report of step 4, with a weight of 8; it waits for a slot since."""
    population.birth(member=OTHER, hyperparameters={"rate": 2.0, "layers": 2})
    population.run(member=OTHER, total_steps=4)
    record = population.reported(1, member=OTHER)
    population.resume(record, member=OTHER)
    return record


def running(population: Population, script: str = "plain.py", **given: Any) -> Trainer:
    """Member 0 in its second step, with a weight of 0.5."""
    population.birth(hyperparameters={"rate": 0.5, "layers": 2})
    trainer = population.start(script, **{**SHARED, **given})
    trainer.step_until("step 2")
    return trainer


def ask(population: Population, *, member: int = OTHER, incarnation: int = 2, number: int = 1) -> None:
    to, told = LifeName(member=member, incarnation=incarnation), number if number > 1 else UNSET
    asked = Yield(member=0, incarnation=1, to=to, number=told)
    population.store.create(asked.key, encode(asked))


def pod_of(population: Population, member: int, incarnation: int) -> str | None:
    claim = population.claim(member=member, incarnation=incarnation)
    return claim and claim.pod


def test_it_saves_its_member_and_goes_on_as_the_other_one(population: Population, waiting: Report) -> None:
    trainer = running(population)
    ask(population)
    trainer.step_until("restored 4 8.0")
    assert trainer.hear("step").startswith("step 5 2")
    [save] = population.saves()
    done = save.step
    assert save.hyperparameters == {"rate": 0.5, "layers": 2}
    assert pod_of(population, OTHER, 2) == "pod-0-1"
    trainer.terminate()
    assert trainer.end() == 0
    [own] = population.saves(member=OTHER, incarnation=2)
    assert (own.step, own.hyperparameters) == (5, {"rate": 2.0, "layers": 2})
    assert sum(line.startswith("joined") for line in trainer.said) == 1
    population.assert_no_leftovers()
    population.resume(save)  # no step of the member that made room is lost
    assert f"restored {done} {done * 0.5}" in population.run(incarnation=2, total_steps=done + 1).said


def test_it_makes_no_save_right_after_a_report(population: Population, waiting: Report) -> None:
    trainer = running(population, interval_steps=2)
    ask(population)
    trainer.step_until("restored 4 8.0")
    done = next(int(line.split()[1]) for line in reversed(trainer.said) if line.startswith("reported"))
    assert [save.step for save in population.saves()] in ([], [done + 1])


def test_what_it_then_does_is_what_a_process_of_its_own_does(population: Population, waiting: Report) -> None:
    """Bit for bit: weights, random state, steps."""
    own = population.start(member=OTHER, incarnation=2, total_steps=8, interval_steps=4)
    assert own.end() == 0
    alone = population.reported(2, member=OTHER, incarnation=2)
    drawn = [line.split()[3] for line in own.said if line.startswith("step")]
    population.resume(waiting, member=OTHER, incarnation=3)  # the same start once more
    trainer = running(population)
    ask(population, incarnation=3)
    trainer.step_until("restored 4 8.0")
    trainer.step_until("step 8")
    lived = trainer.said[trainer.said.index("restored 4 8.0") :]
    assert [line.split()[3] for line in lived if line.startswith("step")] == drawn
    trainer.go()
    trainer.hear("step 9")
    trainer.terminate()
    assert trainer.end() == 0
    [save] = population.saves(member=OTHER, incarnation=3)
    assert save.step == 9
    state = population.store.read(alone.checkpoint + "state.json")
    assert b'"value":16.0' in state.replace(b" ", b"")


def test_a_member_that_starts_from_scratch_is_taken_up_by_a_fresh_image(population: Population) -> None:
    population.birth(member=OTHER, hyperparameters={"rate": 2.0, "layers": 5})
    trainer = running(population)
    pid = trainer.pid
    ask(population, incarnation=1)
    assert trainer.step_until("joined 3 1").endswith("{'layers': 5}")
    trainer.go()
    assert trainer.hear("step").startswith("step 1 1")
    assert trainer.pid == pid
    assert pod_of(population, OTHER, 1) == "pod-0-1"
    assert len(population.saves()) == 1


def begun_anew(population: Population, member: int, incarnation: int) -> str | None:
    """The pod whose process has run its command again for a birth, because `restart` is Recreate."""
    claim = population.claim(member=member, incarnation=incarnation)
    assert claim is not None
    assert (claim.started, claim.why, claim.yields) == (Started.ANEW, "restart is Recreate", True)
    return claim.pod


def test_under_recreate_it_saves_its_member_and_starts_anew_as_the_other_one(
    population: Population, waiting: Report
) -> None:
    trainer = running(population, **RECREATED)
    claim = population.claim()
    assert claim is not None
    assert claim.yields is True
    pid = trainer.pid
    ask(population)
    assert trainer.step_until("joined 3 2").endswith("{'layers': 2}")
    assert trainer.pid == pid
    assert trainer.step_until("restored") == "restored 4 8.0"
    assert begun_anew(population, OTHER, 2) == "pod-0-1"
    [save] = population.saves()
    trainer.terminate()
    assert trainer.end() == 0
    population.assert_no_leftovers()
    population.resume(save)  # no step of the member that made room is lost
    done = save.step
    assert f"restored {done} {done * 0.5}" in population.run(incarnation=2, total_steps=done + 1).said


def test_under_recreate_it_is_asked_to_go_on_with_what_follows_its_own_life(
    population: Population, waiting: Report
) -> None:
    """Nothing of its life is read any more, so nothing is saved."""
    trainer = running(population, **RECREATED)
    pid = trainer.pid
    population.exploit(waiting, hyperparameters={"rate": 0.25, "layers": 2})
    ask(population, member=0)
    trainer.step_until("joined 0 2")
    assert trainer.step_until("restored") == "restored 4 8.0"
    assert trainer.pid == pid
    assert begun_anew(population, 0, 2) == "pod-0-1"
    assert population.saves() == []
    trainer.terminate()
    assert trainer.end() == 0
    population.assert_no_leftovers()


def test_under_recreate_it_does_not_look_for_its_next_birth_unasked(
    population: Population, waiting: Report
) -> None:
    trainer = running(population, **{**RECREATED, "total_steps": 12, "interval_steps": 4})
    population.exploit(waiting, hyperparameters={"rate": 0.25, "layers": 2})
    trainer.go(12)
    assert trainer.end() == 0
    assert population.claim(incarnation=2) is None


def test_it_makes_room_again_as_the_member_that_it_began_anew_as(
    population: Population, waiting: Report
) -> None:
    trainer = running(population, **RECREATED)
    ask(population)
    trainer.step_until("joined 3 2")
    trainer.step_until("step 6")
    population.resume(until(lambda: next(iter(population.saves()), None)))
    asked = Yield(member=OTHER, incarnation=2, to=LifeName(member=0, incarnation=2))
    population.store.create(asked.key, encode(asked))
    trainer.step_until("joined 0 2")
    assert begun_anew(population, 0, 2) == "pod-0-1"
    assert [save.step for save in population.saves(member=OTHER, incarnation=2)][-1] >= 6


def test_after_the_last_step_it_goes_on_as_a_member_that_still_waits(
    population: Population, waiting: Report
) -> None:
    """It has made room before, so members take turns; nobody asks again, and it ends."""
    trainer = running(population, total_steps=200, interval_steps=200, poll_seconds=1.0)
    ask(population)
    sleep(2.5)  # it looks once a second
    trainer.step_until("restored 4 8.0")
    [save] = population.saves()
    population.resume(save)  # its own member waits now
    trainer.go(196)
    trainer.hear("reported 200")
    asked = Yield(member=OTHER, incarnation=2, to=LifeName(member=0, incarnation=2))
    population.store.create(asked.key, encode(asked))
    assert trainer.hear("restored").startswith(f"restored {save.step} ")
    assert pod_of(population, 0, 2) == "pod-0-1"
    trainer.go(200 - save.step)
    assert trainer.end() == 0
    assert trainer.said[-1] == "ended FINISHED"
    assert [population.reported(1, member=member, incarnation=2).step for member in (0, OTHER)] == [200, 200]


def test_after_the_last_step_it_ends_at_once_where_it_took_no_turn(population: Population) -> None:
    trainer = running(population, total_steps=3, interval_steps=3, poll_seconds=60.0)
    trainer.go(2)
    assert trainer.end() == 0


def is_asked_in_vain(population: Population, trainer: Trainer) -> None:
    """Another process has the birth that it is asked to take: it goes on as before."""
    claim = Claim(member=OTHER, incarnation=2, pod="new", nonce="theirs")
    population.store.create(keys.claim(OTHER, 2), encode(claim))
    ask(population)
    while "going on as member 0" not in trainer.errors():
        trainer.go()
        trainer.hear("step")


@BOTH
def test_whoever_took_the_birth_before_keeps_it(
    population: Population, waiting: Report, restart: dict[str, Any]
) -> None:
    trainer = running(population, **restart)
    is_asked_in_vain(population, trainer)
    assert trainer.said[-1].split()[2] == "1"
    trainer.terminate()
    assert trainer.end() == 0
    assert max(save.step for save in population.saves()) >= 2
    assert population.saves(member=OTHER, incarnation=2) == []


@BOTH
def test_whoever_was_asked_in_vain_goes_on_as_it_is_asked_next(
    population: Population, waiting: Report, restart: dict[str, Any]
) -> None:
    trainer = running(population, **restart)
    is_asked_in_vain(population, trainer)
    population.resume(waiting, member=OTHER, incarnation=3)
    ask(population, incarnation=3, number=2)
    trainer.step_until("restored 4 8.0")
    assert pod_of(population, OTHER, 3) == "pod-0-1"
    trainer.terminate()
    assert trainer.end() == 0


def test_a_birth_that_somebody_else_took_leaves_values_and_random_state_as_they_were(
    population: Population, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The build function has drawn random numbers under the other member's values by then."""

    def begun(among: Population) -> Trainer:
        among.birth(hyperparameters={"lr": 1.0})
        trainer = among.start("builder.py", **SHARED)
        trainer.step_until("step 2")
        return trainer

    population.birth(member=OTHER, hyperparameters={"lr": 0.25})
    population.run("builder.py", member=OTHER, total_steps=4)
    population.resume(population.reported(1, member=OTHER), member=OTHER)
    claim = Claim(member=OTHER, incarnation=2, pod="new", nonce="theirs")
    population.store.create(keys.claim(OTHER, 2), encode(claim))
    trainer = begun(population)
    ask(population)
    while "going on as member 0" not in trainer.errors():
        trainer.step_until("drew")
    last = trainer.step_until("step")
    with population_in(tmp_path_factory.mktemp("undisturbed")) as other:
        undisturbed = begun(other)
        undisturbed.step_until(last)
    assert trainer.said == undisturbed.said
    assert len(population.saves()) == 1


def test_after_finish_it_goes_on_as_a_member_that_waits(population: Population, waiting: Report) -> None:
    """Its slot isn't given back, as at the last step; and where nobody asks, it ends after a while."""
    trainer = running(population)
    ask(population)
    trainer.step_until("restored 4 8.0")
    [save] = population.saves()
    population.resume(save)
    trainer.hear("step")
    trainer.go(told="finish")
    finished = until(lambda: population.saves(member=OTHER, incarnation=2) or None)
    assert [(record.step, record.ending) for record in finished] == [(5, Ending.FINISHED)]
    asked = Yield(member=OTHER, incarnation=2, to=LifeName(member=0, incarnation=2))
    population.store.create(asked.key, encode(asked))
    trainer.hear(f"restored {save.step} {save.step * 0.5}")
    assert trainer.hear("step").startswith(f"step {save.step + 1} 2")
    trainer.go(told="finish")
    trainer.hear("ended FINISHED")
    assert trainer.end() == 0
    done = population.saves(incarnation=2)
    assert [(record.step, record.ending) for record in done] == [(save.step + 1, Ending.FINISHED)]
    population.assert_no_leftovers()


def test_a_decision_about_the_member_comes_first(population: Population, waiting: Report) -> None:
    trainer = running(population)
    population.exploit(waiting, hyperparameters={"rate": 0.25, "layers": 2})
    ask(population)
    trainer.step_until("restored 4 8.0")
    assert trainer.hear("step").startswith("step 5 2")
    assert pod_of(population, 0, 2) == "pod-0-1"
    assert pod_of(population, OTHER, 2) is None


def test_it_swaps_to_a_decision_about_the_member_that_it_has_become(
    population: Population, waiting: Report
) -> None:
    trainer = running(population)
    ask(population)
    trainer.step_until("restored 4 8.0")
    trainer.step_until("step 6")
    population.birth(
        3, member=OTHER, cause=Cause.EXPLOIT, source=waiting, hyperparameters={"rate": 1.0, "layers": 7}
    )
    assert trainer.step_until("joined 3 3").endswith("{'layers': 7}")


def test_sigterm_with_a_request_at_hand_saves_the_member(population: Population, waiting: Report) -> None:
    """It is no successor: nobody else goes on with what was trained."""
    trainer = running(population, grace_seconds=20.0)
    ask(population)
    trainer.terminate()
    assert trainer.end() == 0
    assert [save.step for save in population.saves()] == [2]
    assert pod_of(population, OTHER, 2) is None
    population.assert_no_leftovers()


def test_a_process_that_shares_no_slot_does_not_look(population: Population, waiting: Report) -> None:
    trainer = running(population, shared_slots=False, interval_steps=4, total_steps=12)
    claim = population.claim()
    assert claim is not None
    assert claim.yields is UNSET
    ask(population)
    trainer.go(12)
    assert trainer.end() == 0
    assert not any(line.startswith("restored") for line in trainer.said)
    assert pod_of(population, OTHER, 2) is None


@pytest.mark.parametrize(
    "record",
    [
        b"{}",
        b'{"format": 1, "member": 0, "incarnation": 1, "to": {"member": 0, "incarnation": 1}}',
        b'{"format": 1, "member": 0, "incarnation": 1, "to": {"member": 0, "incarnation": 9}}',
    ],
)
def test_a_request_that_makes_no_sense_is_told_and_left_alone(
    population: Population, waiting: Report, record: bytes
) -> None:
    trainer = running(population)
    population.store.create(keys.yielded(0, 1), record)
    while "can't be taken over by this process" not in trainer.errors():
        trainer.go()
        trainer.hear("step")
    population.exploit(waiting, hyperparameters={"rate": 0.25, "layers": 2})
    trainer.step_until("restored 4 8.0")  # its own successor it still sees
    assert population.claim(incarnation=2) is not None
