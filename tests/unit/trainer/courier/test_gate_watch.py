"""How far a trainer may go follows from the gates; it waits for its peers, and for nobody where nobody decides."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import StoreRefused, StoreUnavailable
from pbt_contract.gates import Gate
from pbt_contract.records import Birth, Cause, Report
from pbt_contract.yields import LifeName
from pbt_trainer.courier.gate_watch import (
    COUNT_SECONDS,
    FIRST_COUNT_SECONDS,
    MARGIN_SECONDS,
    MOST_PEERS,
    QUICK_SECONDS,
    Found,
    GateWatch,
)
from pbt_trainer.courier.incarnation import Incarnation
from pbt_trainer.courier.retry import REFUSED_SECONDS
from simulation.memory_store import MemoryStore

POLL_SECONDS = 2.0


class Counted(MemoryStore):
    """Notes what it is asked for, and may be out of reach or refuse to list."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.is_down = self.refuses_lists = False
        self.error: type[StoreUnavailable] = StoreUnavailable

    def read(self, key: str) -> bytes:
        self.asked.append(key)
        if self.is_down:
            raise self.error("the network is down")
        return super().read(key)

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        self.asked.append(prefix)
        if self.refuses_lists:
            raise StoreRefused("no right to list")
        return super().names(prefix, start_after=start_after)


def gate(number: int, up_to: int, **given: object) -> Gate:
    known: dict[str, object] = {"awaits": up_to, "quorum": 2, "spec": 1, "decided": 0, "lead": 2}
    return Gate(number=number, up_to=up_to, **(known | given))  # type: ignore[arg-type]


class World:
    """A store, a watch over it, and the time."""

    def __init__(self, *gates: Gate) -> None:
        self.store, self.now = Counted(), 0.0
        for each in gates:
            self.write(each)
        life = Incarnation(self.store, member=0, incarnation=1, pod="pod", nonce="nonce")
        self.watch = GateWatch(life, poll_seconds=POLL_SECONDS)

    def write(self, record: Gate | Birth) -> None:
        self.store.put(record.key, encode(record))

    def reports(self, number: int, *members: int) -> None:
        for member in members:
            self.store.put(keys.report(number, member, 1), b"{}")

    def started(self) -> "World":
        self.watch.start(self.now)
        self.watch.look(self.now)
        self.store.asked.clear()
        return self

    def pass_by(self, seconds: float) -> list[Found]:
        """Looks whenever one is due."""
        end, found = self.now + seconds, []
        while self.now + self.watch.wait(self.now) <= end:
            self.now += self.watch.wait(self.now)
            try:
                found.append(self.watch.look(self.now))
            except StoreUnavailable:
                continue
        self.now = end
        return [each for each in found if each is not None]


def test_where_there_is_no_gate_nothing_bounds_it_until_there_is_one() -> None:
    world = World().started()
    assert world.watch.bound == float("inf")
    world.write(gate(1, 3))
    world.watch.reported(1, 5.0, world.now)
    assert world.pass_by(0.0) == [Found.OPENED]
    assert world.watch.bound == 3


@settings(deadline=None)
@given(st.integers(1, 300))
def test_the_newest_gate_is_found_by_few_questions(newest: int) -> None:
    world = World(*(gate(number, number + 2) for number in range(1, newest + 1)))
    world.watch.start(0.0)
    assert world.watch.look(0.0) is Found.OPENED
    assert world.watch.bound == newest + 2
    assert len(world.store.asked) <= 2 * newest.bit_length() + 1


def test_a_report_within_the_bound_costs_no_question_or_one() -> None:
    world = World(gate(1, 3)).started()
    world.watch.reported(1, 5.0, world.now)
    assert world.pass_by(100.0) == []
    assert world.store.asked == []
    world.watch.reported(2, 5.0, world.now)
    world.pass_by(100.0)
    assert world.store.asked == [keys.gate(2)]


def test_the_next_gate_takes_two_questions() -> None:
    world = World(gate(1, 2)).started()
    world.write(gate(2, 3))
    world.watch.reported(1, 5.0, world.now)
    world.pass_by(0.0)
    assert world.store.asked == [keys.gate(2), keys.gate(3)]


def test_while_it_waits_it_asks_at_growing_pauses_up_to_the_poll() -> None:
    world = World(gate(1, 1)).started()
    world.watch.awaits(2, world.now)
    world.pass_by(QUICK_SECONDS * (1 + 2 + 4) + 2 * POLL_SECONDS)
    assert world.store.asked == 6 * [keys.gate(2)]
    world.write(gate(2, 2))
    assert world.pass_by(POLL_SECONDS) == [Found.OPENED]
    world.store.asked.clear()
    world.pass_by(100.0)
    assert world.store.asked == []


def test_whoever_has_a_successor_is_not_let_through() -> None:
    world = World(gate(1, 1)).started()
    world.watch.awaits(2, world.now)
    birth = Birth(member=0, incarnation=2, cause=Cause.EXPLOIT, hyperparameters={}, reason="")
    world.write(birth)
    world.write(gate(2, 4))
    assert world.pass_by(1000.0) == [Found.FOLLOWED]
    assert world.watch.bound == 1
    world.watch.becomes(
        Incarnation(world.store, member=0, incarnation=2, pod="pod", nonce="nonce"), world.now
    )
    world.watch.awaits(2, world.now)
    assert world.pass_by(0.0) == [Found.OPENED]
    assert world.watch.bound == 4


def test_it_waits_for_its_peers_without_limit() -> None:
    world = World(gate(1, 1, awaits=1)).started()
    world.reports(1, 0)
    world.watch.awaits(2, world.now)
    assert world.pass_by(100_000.0) == []
    listed = [key for key in world.store.asked if key.startswith("reports/")]
    assert listed[0] == keys.reports_of(1)
    assert len(listed) <= 100_000 / COUNT_SECONDS + 1


def test_a_quorum_that_is_there_for_long_lets_it_go_on_until_the_next_gate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(gate(1, 1, awaits=1)).started()
    world.reports(1, 0, 1)
    world.watch.reported(1, 30.0, world.now)
    world.watch.awaits(2, world.now)
    patience = 2 * 30.0 + MARGIN_SECONDS
    with caplog.at_level(logging.WARNING):
        assert world.pass_by(FIRST_COUNT_SECONDS + patience - 1.0) == []
        assert world.pass_by(2 * POLL_SECONDS) == [Found.OPENED]
    assert world.watch.bound == float("inf")
    assert world.watch.in_vain is not None
    assert "round 1 has had its 2 reports" in world.watch.in_vain
    assert len(caplog.records) == 1
    assert world.pass_by(1000.0) == []
    world.write(gate(2, 5))
    world.watch.reported(7, 30.0, world.now)
    assert world.pass_by(1.0) == [Found.OPENED]
    assert (world.watch.bound, world.watch.in_vain) == (5, None)


def test_half_an_interval_of_much_slower_members_is_no_wait_in_vain() -> None:
    """So long a decision waits for the last of them."""
    world = World(gate(1, 1, awaits=1)).started()
    for member in (1, 2):
        slow = Report(
            member=member,
            incarnation=1,
            step=10,
            round=1,
            metrics={},
            hyperparameters={},
            checkpoint=keys.checkpoint(member, 1, 10, "nonce"),
            files=[],
            seconds=1000.0,
        )
        world.store.put(slow.key, encode(slow))
    world.watch.reported(1, 30.0, world.now)
    world.watch.awaits(2, world.now)
    assert world.pass_by(FIRST_COUNT_SECONDS + 2 * 1000.0) == []
    assert world.pass_by(MARGIN_SECONDS + POLL_SECONDS) == [Found.OPENED]


@settings(deadline=None)
@given(st.integers(1, 100))
def test_few_of_the_peers_are_asked_how_long_they_take(members: int) -> None:
    world = World(gate(1, 1, awaits=1, quorum=1)).started()
    for member in range(members):
        world.store.put(keys.report(1, member, 1), b"{}")
    world.watch.awaits(2, world.now)
    assert world.pass_by(FIRST_COUNT_SECONDS + MARGIN_SECONDS + POLL_SECONDS) == [Found.OPENED]
    asked = [key for key in world.store.asked if key.startswith("reports/") and not key.endswith("/")]
    assert 1 <= len(asked) <= MOST_PEERS


def test_who_waits_strictly_waits_for_the_decision() -> None:
    world = World(gate(1, 1, awaits=1, is_strict=True)).started()
    world.reports(1, 0, 1)
    world.watch.awaits(2, world.now)
    assert world.pass_by(10_000.0) == []
    assert not [key for key in world.store.asked if key.startswith("reports/")]


@pytest.mark.parametrize(("is_strict", "decided"), [(True, 1), (False, 1), (False, 3), (False, 4)])
def test_a_round_that_is_decided_without_a_gate_after_it_lets_it_go_on(is_strict: bool, decided: int) -> None:
    """As after a rollback to an operator that knows no gates, and skips rounds for the newest one that is ripe."""
    known = {"awaits": 1, "lead": 2, **({"is_strict": True} if is_strict else {})}
    world = World(gate(1, 3, **known)).started()
    world.watch.awaits(4, world.now)
    assert world.pass_by(1_000.0) == []
    world.store.put(keys.round_(decided), b"{}")
    assert world.pass_by(MARGIN_SECONDS - 1.0) == []
    assert world.pass_by(2 * COUNT_SECONDS + POLL_SECONDS) == [Found.OPENED]
    assert world.watch.in_vain is not None
    assert f"round {decided} is decided, and no gate follows" in world.watch.in_vain


def test_an_outage_after_a_decision_is_no_time_without_a_gate() -> None:
    world = World(gate(1, 1, awaits=1)).started()
    world.store.put(keys.round_(1), b"{}")
    world.watch.awaits(2, world.now)
    world.pass_by(FIRST_COUNT_SECONDS + POLL_SECONDS)
    world.store.is_down = True
    world.pass_by(1_000.0)
    world.store.is_down = False
    assert world.pass_by(MARGIN_SECONDS - 2 * POLL_SECONDS) == []
    assert world.pass_by(COUNT_SECONDS) == [Found.OPENED]


def test_a_large_lead_costs_a_bounded_number_of_looks() -> None:
    world = World(gate(1, 1_000, awaits=1, lead=999)).started()
    world.watch.awaits(1_001, world.now)
    world.pass_by(FIRST_COUNT_SECONDS + POLL_SECONDS)
    assert len([key for key in world.store.asked if key.startswith(keys.ROUNDS)]) <= 10


def test_who_may_not_list_waits_and_asks_for_no_list_again() -> None:
    world = World(gate(1, 1, awaits=1)).started()
    world.reports(1, 0, 1)
    world.store.refuses_lists = True
    world.watch.awaits(2, world.now)
    assert world.pass_by(10_000.0) == []
    assert len([key for key in world.store.asked if key.startswith("reports/")]) == 1


def test_lives_that_are_over_and_second_reports_of_a_member_make_no_quorum() -> None:
    world = World(gate(1, 1, awaits=1, without=[LifeName(member=1, incarnation=1)])).started()
    world.reports(1, 0, 1)
    world.store.put(keys.report(1, 0, 2), b"{}")
    world.store.put("reports/0000001/notes.txt", b"")
    world.watch.awaits(2, world.now)
    assert world.pass_by(10_000.0) == []


def test_a_life_that_was_replaced_makes_no_quorum_and_the_next_one_of_its_member_does() -> None:
    world = World(gate(1, 1, awaits=1, uncounted=[LifeName(member=1, incarnation=1)])).started()
    world.reports(1, 0, 1)
    world.watch.awaits(2, world.now)
    assert world.pass_by(10_000.0) == []
    world.store.put(keys.report(1, 1, 2), b"{}")
    assert world.pass_by(10_000.0) == [Found.OPENED]


def test_a_store_out_of_reach_is_asked_on_and_its_time_does_not_count() -> None:
    world = World(gate(1, 1, awaits=1)).started()
    world.reports(1, 0, 1)
    world.watch.awaits(2, world.now)
    world.pass_by(FIRST_COUNT_SECONDS + POLL_SECONDS)
    world.store.is_down = True
    assert world.pass_by(10_000.0) == []
    world.store.is_down = False
    assert world.pass_by(MARGIN_SECONDS - 2 * POLL_SECONDS) == []
    world.write(gate(2, 2))
    assert world.pass_by(POLL_SECONDS) == [Found.OPENED]
    assert world.watch.bound == 2


def test_a_start_while_the_store_is_out_of_reach_waits_for_what_the_gates_say() -> None:
    world = World(gate(1, 1))
    world.store.is_down = True
    world.watch.start(world.now)
    assert world.pass_by(100.0) == []
    assert world.watch.bound < 0
    world.store.is_down = False
    assert world.pass_by(POLL_SECONDS) == [Found.OPENED]
    assert world.watch.bound == 1


def _gives_up(world: World, patience: float = 100.0) -> bool:
    """What a look that fails now would come to."""
    try:
        world.watch.look(world.now)
    except StoreUnavailable as error:
        return world.watch.gives_up(error, world.now, patience_seconds=patience)
    return False


def test_a_start_ends_after_a_minute_where_the_store_refuses_and_later_where_it_is_out_of_reach() -> None:
    world = World(gate(1, 1))
    world.watch.start(world.now)
    world.store.is_down = True
    assert not _gives_up(world)
    world.pass_by(50.0)
    world.watch.awaits(1, world.now)
    assert not _gives_up(world)
    world.pass_by(50.0)
    assert _gives_up(world)
    world = World(gate(1, 1))
    world.store.is_down, world.store.error = True, StoreRefused
    world.watch.start(world.now)
    assert not _gives_up(world, patience=1000.0)
    world.pass_by(REFUSED_SECONDS)
    assert _gives_up(world, patience=1000.0)


@pytest.mark.parametrize("error", [StoreRefused, StoreUnavailable])
def test_a_wait_ends_once_the_store_has_been_out_of_reach_for_long(
    error: type[StoreUnavailable], caplog: pytest.LogCaptureFixture
) -> None:
    """An outage that began while it trained counts from the wait on: its report has just been handed over."""
    world = World(gate(1, 1)).started()
    world.store.is_down, world.store.error = True, error
    world.watch.reported(1, 1.0, world.now)
    world.pass_by(500.0)
    assert not _gives_up(world)
    world.watch.awaits(2, world.now)
    world.pass_by(99.0)
    assert not _gives_up(world)
    world.store.is_down = False
    world.pass_by(2 * POLL_SECONDS)
    assert len(caplog.records) == 1
    world.store.is_down = True
    assert not _gives_up(world)
    world.pass_by(99.0)
    assert not _gives_up(world)
    world.pass_by(1.0)
    assert _gives_up(world)
    assert len(caplog.records) == 2


def test_a_gate_that_cannot_be_read_bounds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World(gate(1, 1))
    world.store.put(keys.gate(2), b'{"format": 99}')
    world.started()
    assert world.watch.bound == float("inf")
    world.watch.reported(1, 1.0, world.now)
    world.pass_by(10.0)
    assert len(caplog.records) == 1


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("gate"), st.integers(0, 3)),
            st.tuples(st.just("report"), st.integers(0, 0)),
            st.tuples(st.just("wait"), st.integers(0, 300)),
            st.tuples(st.just("down"), st.integers(0, 1)),
        ),
        max_size=40,
    )
)
def test_it_never_goes_beyond_the_newest_gate_and_learns_of_each_that_it_waits_for(
    events: list[tuple[str, int]],
) -> None:
    """No quorum is ever there, so that no wait is in vain."""
    newest = gate(1, 1)
    world = World(newest).started()
    done = 0
    for event, number in events:
        match event:
            case "gate":
                newest = gate(newest.number + 1, newest.up_to + number)
                world.write(newest)
            case "report" if world.watch.bound > done:
                done += 1
                world.watch.reported(done, 1.0, world.now)
                if world.watch.bound <= done:
                    world.watch.awaits(done + 1, world.now)
            case "wait":
                world.pass_by(float(number))
            case "down":
                world.store.is_down = bool(number)
        assert done <= world.watch.bound <= newest.up_to
    world.store.is_down = False
    world.pass_by(POLL_SECONDS)
    if newest.up_to > done:
        assert world.watch.bound > done
