"""Where running processes can't continue with the births that rounds decided, everybody is told how often and why."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause, Claim, Started
from pbt_operator.control.notices import StartedAnew
from pbt_operator.core.accounting import Ledger
from pbt_operator.core.history import History
from pbt_operator.core.status import Takeovers
from pbt_operator.core.takeovers import MAX_REASON, MAX_REASONS, TakeoverCount
from pbt_operator.page.header import header
from pbt_operator.page.words import takeovers_text
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation

WHY = "`depth` was read at train.py:31, before the loop"


def simulated(*, anew=None, **changes) -> Simulation:
    simulation = Simulation(
        spec(DETERMINISTIC, **{"members": 4, "restart": "InPlace", **changes}), Deterministic()
    )
    simulation.pods.anew = anew or simulation.pods.anew
    return simulation


def birth(member: int, incarnation: int = 2, cause: Cause = Cause.EXPLOIT) -> Birth:
    return Birth(member=member, incarnation=incarnation, cause=cause, hyperparameters={}, reason="r")


def claim(member: int, incarnation: int = 2, **fields: object) -> Claim:
    return Claim(member=member, incarnation=incarnation, pod="p", nonce="n", **fields)


def anew(member: int, why: str = WHY, **fields: int) -> Claim:
    return claim(member, started=Started.ANEW, why=why, **fields)


def test_births_that_loops_continue_with_are_counted_and_nothing_is_told():
    simulation = simulated().run()
    status = read_archive(simulation.store).status()
    assert status.takeovers == Takeovers(in_place=status.exploits)
    assert status.exploits > 0
    assert "StartedAnew" not in {event.reason for event in simulation.events}
    assert takeovers_text(status.takeovers) == f"{status.exploits} of {status.exploits} births in place"


def test_a_reason_is_told_once_and_every_birth_is_counted():
    simulation = simulated(anew=lambda _: WHY).run()
    found = read_archive(simulation.store)
    told = [event for event in simulation.events if event.reason == "StartedAnew"]
    assert [event.message for event in told] == [f"births are not taken over in place: {WHY}"]
    assert told[0].member is None
    assert found.status().exploits > 1
    assert found.status().takeovers == Takeovers(anew=found.status().exploits, why=WHY)
    assert audit.violations(simulation.store, found) == []


def test_each_reason_is_told_once():
    simulation = simulated(anew=lambda birth: f"reason {birth.round % 2}").run()
    told = [event.message[-8:] for event in simulation.events if event.reason == "StartedAnew"]
    assert sorted(told) == ["reason 0", "reason 1"]


def test_the_status_of_a_running_population_and_its_result_say_what_the_records_say():
    simulation = simulated(anew=lambda birth: WHY if birth.member % 2 else None)
    simulation.run()
    found = read_archive(simulation.store)
    assert found.result is not None
    assert found.result.takeovers == found.status().takeovers
    again = read_archive(simulation.store)
    simulation.repository.count(takeovers=True)
    counted = simulation.repository.history.ledger.takeovers
    assert (
        Takeovers(in_place=counted.in_place, anew=counted.anew, why=counted.why) == again.status().takeovers
    )


def test_an_operator_that_starts_later_tells_no_reason_again():
    history = History(kept_per_member=8)
    history.ledger = Ledger()
    for member in range(3):
        history.add_birth(birth(member))
    history.ledger.takeovers.add_claim(anew(0))
    notices = StartedAnew(history)
    assert list(notices.remarks([anew(1)])) == []
    assert len(list(notices.remarks([anew(2, "another one"), anew(2, "another one")]))) == 1


@pytest.mark.parametrize("cause", [Cause.INITIAL, Cause.RESUME, Cause.REPLACE, Cause.SCALE])
def test_only_births_that_a_round_decided_are_told_and_counted(cause):
    history = History(kept_per_member=8)
    history.add_birth(birth(0, cause=cause))
    assert list(StartedAnew(history).remarks([anew(0)])) == []
    counted = TakeoverCount()
    counted.add_birth(birth(0, cause=cause))
    counted.add_claim(anew(0))
    assert (counted.in_place, counted.anew) == (0, 0)


def test_a_claim_that_does_not_say_how_its_process_came_is_not_counted():
    counted = TakeoverCount()
    for member in range(3):
        counted.add_birth(birth(member))
    for taken in (claim(0), claim(1, started=Started.IN_PLACE), claim(1, started=Started.IN_PLACE), anew(2)):
        counted.add_claim(taken)
    assert (counted.in_place, counted.anew, counted.why) == (1, 1, WHY)
    assert counted.unclaimed == set()


def test_the_commonest_reason_is_named_and_what_a_trainer_writes_is_bounded():
    counted = TakeoverCount()
    for member in range(4 * MAX_REASONS):
        counted.add_birth(birth(member))
        counted.add_claim(anew(member, WHY if member < 2 else f"{member}" + "x" * 10_000))
    assert counted.why == WHY
    assert counted.anew == 4 * MAX_REASONS
    assert len(counted.reasons) == MAX_REASONS
    assert max(map(len, counted.reasons)) == MAX_REASON


def test_nothing_is_said_where_each_birth_gets_a_pod():
    simulation = simulated(restart="Recreate").run()
    found = read_archive(simulation.store)
    assert found.status().takeovers is UNSET
    assert found.takeovers == []
    assert "Restarts:" not in header(found, found.status())


def test_a_claim_of_an_earlier_version_reads_and_writes_as_before():
    taken = claim(0)
    assert b"started" not in encode(taken)
    assert b"why" not in encode(taken)


def test_the_page_says_it_and_escapes_what_a_trainer_wrote():
    simulation = simulated(anew=lambda _: "`a` was read at <b>:1, before the loop").run()
    found = read_archive(simulation.store)
    assert f"0 of {found.status().exploits} births in place: `a` was read at &lt;b&gt;:1" in header(
        found, found.status()
    )


def test_a_claim_that_was_not_seen_before_the_end_is_counted_at_the_end():
    simulation = simulated(anew=lambda _: WHY).run()
    found = read_archive(simulation.store)
    lives = [life for life, born in found.births.items() if born.cause is Cause.EXPLOIT]
    assert all(keys.claim(*life) in set(simulation.store.names(keys.CLAIMS)) for life in lives)
    assert replace(found.result.takeovers, why="").anew == len(lives)
