"""The records that ask a process to go on as another member: the first one counts, and none is passed over."""

import pytest
from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import NewerFormat, StoreUnavailable
from pbt_contract.keys import Life
from pbt_contract.yields import LifeName, Yield
from pbt_operator.core.allowance import Allowance
from pbt_operator.records.handovers import KEPT, Handovers
from simulation.memory_store import MemoryStore


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def refused():
    return []


@pytest.fixture
def yields(store, refused):
    return Handovers(store, on_refused=lambda key, why: refused.append(key))


def asks(to: int, *, incarnation: int = 1, number: int = 1) -> Yield:
    told = number if number > 1 else UNSET
    return Yield(member=0, incarnation=incarnation, to=LifeName(member=to, incarnation=1), number=told)


def test_the_first_request_counts(store, yields):
    assert yields.write(asks(3)).member == 3
    other = Handovers(store, on_refused=lambda *_: None)
    assert other.write(asks(5)).member == 3
    assert [to.member for _, to in other.known(0, since=1)] == [3]


def test_an_operator_that_begins_knows_of_them_and_reads_what_it_needs(store, yields):
    yields.write(asks(3))
    yields.write(asks(4, incarnation=2))
    reads, read = [], store.read
    store.read = lambda key: reads.append(key) or read(key)
    other = Handovers(store, on_refused=lambda *_: None)
    assert other.load(Allowance())
    assert reads == []
    assert list(other.known(0, since=2)) == [(2, Life(member=4, incarnation=1))]
    assert list(other.known(0, since=2)) == [(2, Life(member=4, incarnation=1))]
    assert reads == [keys.yielded(0, 2)]
    assert list(other.known(1, since=1)) == []


def test_a_request_whose_answer_was_lost_is_learned_of(store, yields):
    create = store.create

    def lost(key: str, data: bytes) -> bytes:
        create(key, data)
        raise StoreUnavailable("the answer is lost")

    store.create = lost
    with pytest.raises(StoreUnavailable):
        yields.write(asks(3))
    assert list(yields.known(0, since=1)) == []
    yields.settle_doubts()
    assert [to.member for _, to in yields.known(0, since=1)] == [3]


@pytest.mark.parametrize("stored", [b"nonsense", b"{}", encode(asks(3, incarnation=7))])
def test_what_makes_no_sense_is_told_once_and_asks_nobody(store, yields, refused, stored):
    """Whoever can write there can keep a process from yielding in place; it is stopped then."""
    store.put(keys.yielded(0, 1), stored)
    yields.load(Allowance())
    assert list(yields.known(0, since=1)) == []
    assert yields.write(asks(3)) is None
    assert yields.ask(0, 1) is None
    assert refused == [keys.yielded(0, 1)]


def test_a_newer_format_stops_the_operator(store, yields):
    store.put(keys.yielded(0, 1), b'{"format": 2}')
    yields.load(Allowance())
    with pytest.raises(NewerFormat):
        list(yields.known(0, since=1))


def test_few_are_kept(yields):
    for incarnation in range(1, 3 * KEPT):
        yields.write(asks(3, incarnation=incarnation))
    assert len(list(yields.known(0, since=1))) == KEPT


def test_the_first_request_is_stored_as_it_always_was():
    assert encode(asks(3)) == b'{"format":1,"incarnation":1,"member":0,"to":{"incarnation":1,"member":3}}\n'


def test_of_several_requests_to_a_life_the_newest_counts(store, yields):
    """Whatever order they are learned in, and an operator that begins reads no other one."""
    for number, to in ((1, 3), (2, 4), (3, 5)):
        assert yields.write(asks(to, number=number)) == Life(to, 1)
    assert yields.write(asks(6, number=2)) == Life(4, 1)
    reads, read = [], store.read
    store.read = lambda key: reads.append(key) or read(key)
    other = Handovers(store, on_refused=lambda *_: None)
    assert other.load(Allowance())
    assert other.unread(0, since=1)
    assert list(other.known(0, since=1)) == [(1, Life(5, 1))] == list(yields.known(0, since=1))
    assert other.number(Life(0, 1)) == 3
    assert not other.unread(0, since=1)
    assert reads == [keys.yielded(0, 1, 3)]


def test_a_request_that_another_operator_has_made_since_is_found_by_one_look(store, yields):
    yields.write(asks(3))
    assert yields.ask_again(Life(0, 1)) is None
    assert yields.ask(0, 1) == Life(3, 1)
    Handovers(store, on_refused=lambda *_: None).write(asks(4, number=2))
    assert yields.ask_again(Life(0, 1)) == Life(4, 1)
    assert yields.ask(0, 1) == Life(4, 1)
    assert yields.number(Life(0, 1)) == 2


def test_after_the_last_request_that_a_life_can_get_none_is_looked_for(store, yields):
    yields.write(asks(3, number=keys.MOST_REQUESTS))
    store.read = None
    assert yields.ask_again(Life(0, 1)) is None


def test_a_later_request_whose_answer_was_lost_is_learned_of_and_one_that_never_came_changes_nothing(
    store, yields
):
    yields.write(asks(3))
    create = store.create

    def lost(key: str, data: bytes) -> bytes:
        if key == keys.yielded(0, 1, 2):
            create(key, data)
        raise StoreUnavailable("the answer is lost")

    store.create = lost
    for number in (2, 3):
        with pytest.raises(StoreUnavailable):
            yields.write(asks(number + 2, number=number))
    assert yields.ask(0, 1) == Life(3, 1)
    yields.settle_doubts()
    assert (yields.ask(0, 1), yields.number(Life(0, 1))) == (Life(4, 1), 2)


def test_a_later_request_that_makes_no_sense_is_told_once_and_hides_the_one_before(store, yields, refused):
    yields.write(asks(3))
    store.put(keys.yielded(0, 1, 2), encode(asks(4)))
    other = Handovers(store, on_refused=lambda key, why: refused.append(key))
    other.load(Allowance())
    for _ in range(2):
        assert list(other.known(0, since=1)) == []
        assert other.write(asks(5, number=2)) is None
    assert (yields.ask_again(Life(0, 1)), yields.ask(0, 1)) == (None, Life(3, 1))
    assert refused == 2 * [keys.yielded(0, 1, 2)]
