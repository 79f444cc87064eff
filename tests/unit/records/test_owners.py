"""Who drives a location: the newest owner, of whom there is one, and nobody twice."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import NotFound
from pbt_operator.core.location_records import OwnerRecord
from pbt_operator.records import owners
from simulation.memory_store import MemoryStore

uids = st.sampled_from("abcde")


def settle(store, uid, *, adopt):
    return owners.settle(store, uid=uid, name=f"pop-{uid}", namespace="team", adopt=adopt).uid


def history(store):
    """The uids of all owners, by number."""
    return [owners._read(store, keys.number_in(name)).uid for name in store.names(keys.OWNERS)]


def test_an_empty_location_belongs_to_nobody():
    assert owners.current(MemoryStore()) is None


@given(st.lists(st.tuples(uids, st.booleans()), max_size=20))
def test_nobody_owns_twice_and_the_newest_counts(calls):
    store = MemoryStore()
    for uid, adopt in calls:
        before = history(store)
        answer = settle(store, uid, adopt=adopt)
        after = history(store)
        assert owners.current(store).uid == after[-1] == answer
        assert after[: len(before)] == before
        takes = not before or (adopt and uid not in before)
        assert after[len(before) :] == ([uid] if takes else [])
    assert len(set(history(store))) == len(history(store))


def test_who_was_succeeded_never_takes_it_back():
    store = MemoryStore()
    assert settle(store, "first", adopt=True) == "first"
    assert settle(store, "second", adopt=False) == "first"
    assert settle(store, "second", adopt=True) == "second"
    for adopt in (True, False):
        assert settle(store, "first", adopt=adopt) == "second"
    assert settle(store, "second", adopt=True) == "second"


class Meeting(MemoryStore):
    """Everybody has looked before anybody writes an owner."""

    def __init__(self, size):
        super().__init__()
        self._barrier = threading.Barrier(size)
        self._met = threading.local()

    def create(self, key, data):
        if not hasattr(self._met, "once") and threading.current_thread() is not threading.main_thread():
            self._met.once = True
            self._barrier.wait(10)
        return super().create(key, data)


@pytest.mark.parametrize("owned", [True, False])
def test_of_racing_adopters_one_is_current_and_all_know_it_afterwards(owned):
    rivals = ["a", "b", "c"]
    store = Meeting(len(rivals))
    if owned:
        settle(store, "first", adopt=False)
    answers: dict[str, str] = {}

    def adopt(uid):
        answers[uid] = settle(store, uid, adopt=True)

    threads = [threading.Thread(target=adopt, args=(uid,)) for uid in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = history(store)
    # Each of them got it once, the one after the other, so that the last one has it for good.
    assert sorted(told) == sorted([*(["first"] if owned else []), *rivals])
    assert owners.current(store).uid == told[-1]
    for uid in told:
        assert settle(store, uid, adopt=True) == told[-1]
    assert answers[told[-1]] == told[-1]


def test_an_owner_that_was_deleted_is_missed_though_the_newest_one_is_there():
    store = MemoryStore()
    for number in (1, 3):
        mine = OwnerRecord(number=number, uid="a", name="pop", namespace="team")
        store.put(keys.owner(number), encode(mine))
    with pytest.raises(NotFound, match=keys.owner(2)):
        settle(store, "a", adopt=False)
