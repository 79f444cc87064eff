"""What the repository learns, and from whom: laggards that catch up unseen, lost answers, other operators."""

import pytest
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.errors import StoreUnavailable
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core.allowance import Allowance
from pbt_operator.core.crashed import crashed_since
from pbt_operator.core.retention import doomed
from pbt_operator.core.round_record import Entry, Round
from pbt_operator.manifest.population import to_core
from pbt_operator.records.repository import Repository
from simulation.memory_store import MemoryStore

INTERVAL = 10


class Forgetful(MemoryStore):
    """Writes, and then loses the answer, as long as `loses` is set."""

    loses = False

    def create(self, key: str, data: bytes) -> bytes:
        stored = super().create(key, data)
        if self.loses:
            raise StoreUnavailable("the answer is lost")
        return stored


def journal_of(store: MemoryStore) -> Repository:
    repository = Repository(
        store,
        interval_steps=INTERVAL,
        on_refused=lambda key, why: pytest.fail(f"{key}: {why}"),
    )
    repository.load()
    return repository


def birth(member: int, incarnation: int = 1, *, cause: Cause = Cause.INITIAL) -> Birth:
    return Birth(member=member, incarnation=incarnation, cause=cause, hyperparameters={}, reason="a test")


def report(member: int, number: int) -> Report:
    return Report(
        member=member,
        incarnation=1,
        step=number * INTERVAL,
        round=number,
        metrics={"score": float(number)},
        hyperparameters={},
        checkpoint=f"checkpoints/{member:05}-000001/{number * INTERVAL:012}-x/",
        files=[],
        seconds=1.0,
    )


def round_of(number: int, *members: int) -> Round:
    entries = [
        Entry(member=m, incarnation=1, score=1.0, source=report(m, number).source, hyperparameters={})
        for m in members
    ]
    return Round(number=number, step=number * INTERVAL, spec=1, entries=entries)


def record(store: MemoryStore, *reports: Report) -> None:
    for one in reports:
        store.create(one.key, encode(one))


def test_a_laggard_that_catches_up_between_two_looks_is_read_whole():
    """Its best report may be one of those that no listing from the newest round on shows."""
    store = MemoryStore()
    repository = journal_of(store)
    for member in (0, 1, 2):
        repository.write_births([birth(member)])
    record(store, *(report(m, n) for m in (0, 1) for n in (1, 2, 3)))
    repository.refresh()
    repository.write_round(round_of(3, 0, 1))
    repository.refresh()
    record(store, *(report(2, n) for n in (1, 2, 3)))
    repository.refresh()
    assert [r.round for r in repository.history.line_reports(2)] == [1, 2, 3]


def test_a_round_whose_answer_was_lost_is_known_at_the_next_look():
    store = Forgetful()
    repository = journal_of(store)
    store.loses = True
    with pytest.raises(StoreUnavailable):
        repository.write_round(round_of(1, 0, 1))
    store.loses = False
    assert repository.history.decided == 0
    repository.refresh()
    assert repository.history.decided == 1


def test_a_birth_whose_answer_was_lost_is_known_at_the_next_look():
    store = Forgetful()
    repository = journal_of(store)
    repository.write_births([birth(0)])
    store.loses = True
    with pytest.raises(StoreUnavailable):
        repository.write_births([birth(0, 2, cause=Cause.RESUME)])
    store.loses = False
    repository.refresh()
    newest = repository.history.newest_birth(0)
    assert newest is not None
    assert newest.incarnation == 2


def test_a_round_that_comes_after_a_later_one_is_not_followed():
    """Another operator was further on: what it decided is what both follow."""
    store = MemoryStore()
    late, ahead = journal_of(store), journal_of(store)
    ahead.write_round(round_of(5, 0, 1))
    assert late.write_round(round_of(4, 0, 1)).number == 5


def test_births_of_another_operator_are_learned_without_gaps():
    store = MemoryStore()
    one, other = journal_of(store), journal_of(store)
    for incarnation, cause in enumerate((Cause.INITIAL, Cause.RESUME, Cause.RESUME), start=1):
        one.write_births([birth(0, incarnation, cause=cause)])
    other.learn_birth(0, 3)
    assert [b.incarnation for b in other.history.line(0)] == [3, 2, 1]
    other.learn_birth(0, 7)  # a label that somebody made up
    assert [b.incarnation for b in other.history.line(0)] == [3, 2, 1]


def numbers(repository: Repository) -> list[int]:
    return [known.number for known in repository.history.rounds.before(99, most=64)]


def test_as_many_rounds_are_known_as_the_rules_look_at():
    store = MemoryStore()
    for number in (1, 2, 4, 5, 7):
        store.put(keys.round_(number), encode(round_of(number, 0, 1)))
    repository = journal_of(store)
    assert numbers(repository) == [7]
    repository.look_back(3)
    assert numbers(repository) == [4, 5, 7]
    repository.write_round(round_of(8, 0, 1))
    assert numbers(repository) == [5, 7, 8]
    assert [known.number for known in repository.history.rounds.before(8, most=2)] == [5, 7]
    repository.look_back(1)
    assert numbers(repository) == [8]


def test_all_rounds_of_another_operator_are_known_that_the_rules_look_at():
    store = MemoryStore()
    ahead, behind = journal_of(store), journal_of(store)
    behind.look_back(3)
    for number in (1, 2, 3, 4):
        ahead.write_round(round_of(number, 0, 1))
    behind.learn_rounds()
    assert numbers(behind) == [2, 3, 4]


def test_rounds_of_another_operator_are_learned_before_a_donor_is_picked():
    store = MemoryStore()
    behind, ahead = journal_of(store), journal_of(store)
    behind.write_round(round_of(1, 0, 1))
    ahead.write_round(round_of(4, 0, 1))
    behind.learn_rounds()
    assert behind.history.decided == 4


@pytest.mark.parametrize(
    ("later", "crashed"),
    [
        ([birth(0, 3, cause=Cause.REMOVED)], [(0, 1)]),
        ([birth(0, 3, cause=Cause.REMOVED), birth(0, 4, cause=Cause.SCALE)], [(0, 1)]),
        ([replace(birth(0, 3, cause=Cause.EXPLOIT), round=1)], [(0, 1)]),
        ([replace(birth(0, 3, cause=Cause.EXPLOIT), round=2)], [(0, 1)]),
        ([replace(birth(0, 3, cause=Cause.CRASH), decided=1)], [(0, 1), (0, 2)]),
    ],
)
def test_an_operator_that_begins_anew_knows_what_crashed_since_the_newest_round(later, crashed):
    """Its next round says so, though the member was scaled away or replaced since."""
    store, first = MemoryStore(), round_of(1, 1, 2)
    record(store, report(1, 1), report(2, 1))
    after = replace(birth(0, 2, cause=Cause.CRASH), decided=1)
    for written in (first, birth(0), birth(1), birth(2), after, *later):
        store.create(written.key, encode(written))
    assert [one.life for one in crashed_since(journal_of(store).history)] == crashed


def test_a_checkpoint_of_a_life_that_another_operator_ordered_is_never_deleted():
    repository = journal_of(MemoryStore())
    repository.write_births([birth(0, 1), birth(0, 2, cause=Cause.RESUME)])
    repository.write_round(round_of(4, 0, 1))
    names = [f"{keys.checkpoint(0, incarnation, 1, 'nonce')}state.json" for incarnation in (1, 2, 3)]
    names.append(f"{keys.checkpoint(7, 1, 1, 'nonce')}state.json")
    assert doomed(names, history=repository.history, spec=to_core(spec(DETERMINISTIC))) == names[:1]


class Away(MemoryStore):
    """Can't be read as long as it `is_away`."""

    is_away = False

    def read(self, key: str) -> bytes:
        if self.is_away:
            raise StoreUnavailable("it is away")
        return super().read(key)


def test_births_of_another_operator_that_could_not_be_read_are_asked_for_again():
    """Else retention would delete what they start from."""
    store = Away()
    one, other = journal_of(store), journal_of(store)
    one.write_births([birth(member) for member in range(3)])
    other.write_births([birth(0), birth(1)])  # it finds out that it isn't alone
    one.write_births([birth(member, 2, cause=Cause.RESUME) for member in range(3)])
    other.write_births([replace(birth(2), reason="another")])

    def goes_on() -> bool:
        allowance = Allowance(reads=1)
        allowance.watch(other.store)
        return other.learn_births(allowance)

    store.is_away = True
    with pytest.raises(StoreUnavailable):
        goes_on()
    store.is_away, passes = False, 1
    while not goes_on():
        passes += 1
    assert passes > 1
    newest = [other.history.newest_birth(member) for member in range(3)]
    assert [b.incarnation for b in newest if b is not None] == [2, 2, 2]


def test_what_was_begun_to_be_counted_under_another_spec_is_counted_anew():
    store = MemoryStore()
    repository = journal_of(store)
    repository.write_births([birth(member) for member in range(2)])
    store.put(report(0, 1).key, encode(report(0, 1)))
    repository.refresh()
    while repository.history.ledger is None:  # the names of reports come with the next pass
        repository.count(takeovers=False, allowance=Allowance(reads=1))
    store.put(report(1, 1).key, encode(report(1, 1)))
    repository.ledgers.begin_again()
    ledger = repository.count(takeovers=False)
    assert ledger is not None
    repository.ledgers.read_all(Allowance())
    assert ledger.spent.total == 2.0
