"""The simulated trainers of `bench.growth` do what the storage contract asks of a trainer that takes turns."""

from bench.turn_takers import TurnTakers
from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.gates import Gate
from pbt_contract.keys import Life
from pbt_contract.records import Claim
from pbt_contract.yields import LifeName, Yield
from simulation.memory_store import MemoryStore
from support.lagging import birth

INTERVAL = 100


def trainers(store: MemoryStore) -> TurnTakers:
    return TurnTakers(store, INTERVAL, interval_seconds=0.0)


def born(store: MemoryStore, member: int, incarnation: int = 1) -> Life:
    made = birth(member, incarnation)
    store.create(keys.birth(member, incarnation), encode(made))
    return made.life


def holder(store: MemoryStore, life: Life) -> str:
    key = keys.claim(*life)
    return decode(Claim, store.read(key), key=key).pod


def test_a_claim_says_that_its_process_looks_for_requests() -> None:
    """Nobody else is asked to make room."""
    store = MemoryStore()
    own = born(store, 0)
    trainers(store).look({"pod": own})
    key = keys.claim(*own)
    claim = decode(Claim, store.read(key), key=key)
    assert (claim.yields, claim.requests) == (True, keys.MOST_REQUESTS)


def gate(store: MemoryStore, number: int, *, up_to: int) -> None:
    opened = Gate(number=number, up_to=up_to, awaits=1, quorum=1, spec=1, decided=0, lead=2, without=[])
    store.create(keys.gate(number), encode(opened))


def test_a_process_trains_as_far_as_the_gate_says_and_goes_on_as_it_is_asked_to() -> None:
    store = MemoryStore()
    own, other = born(store, 0), born(store, 1)
    made = trainers(store)
    for _ in range(4):
        made.look({"pod": own})
    assert list(store.names(keys.REPORTS)) == []
    gate(store, 1, up_to=2)
    for _ in range(4):
        made.look({"pod": own})
    assert [*store.names(keys.REPORTS)] == [keys.report(number, *own) for number in (1, 2)]
    asked = Yield(member=0, incarnation=1, to=LifeName(member=1, incarnation=1))
    store.create(asked.key, encode(asked))
    for _ in range(2):
        made.look({"pod": own})
    assert (holder(store, other), made.turns) == ("pod", 1)
    assert keys.report(1, *other) in store.names(keys.REPORTS)


def test_a_process_that_was_asked_in_vain_goes_on_as_it_is_asked_next() -> None:
    store = MemoryStore()
    own, other, third = born(store, 0), born(store, 1), born(store, 2)
    made = trainers(store)
    made.look({"pod": own, "other": other})
    asked = Yield(member=0, incarnation=1, to=LifeName(member=1, incarnation=1))
    store.create(asked.key, encode(asked))
    made.look({"pod": own})
    again = Yield(member=0, incarnation=1, to=LifeName(member=2, incarnation=1), number=2)
    store.create(again.key, encode(again))
    made.look({"pod": own})
    assert (holder(store, other), holder(store, third), made.turns) == ("other", "pod", 1)


def test_a_process_whose_birth_is_taken_takes_the_one_that_it_is_named_instead() -> None:
    store = MemoryStore()
    own, other = born(store, 0), born(store, 1)
    made = trainers(store)
    made.look({"first": own})
    made.look({"late": own})
    assert made.lost == {"late"}
    asked = Yield(member=0, incarnation=1, to=LifeName(member=1, incarnation=1))
    store.create(asked.key, encode(asked))
    made.look({"late": own})
    assert (holder(store, other), made.lost) == ("late", set())


def test_a_process_continues_with_its_members_next_birth() -> None:
    store = MemoryStore()
    own = born(store, 0)
    made = trainers(store)
    made.look({"pod": own})
    following = born(store, 0, 2)
    made.look({"pod": own})
    assert holder(store, following) == "pod"
