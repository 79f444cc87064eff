"""Opening a location: whose it is, which experiment it holds, and what it goes on with."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partialmethod

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.errors import ExitCode
from pbt_operator.control.ownership import AnotherExperiment, LocationEmptied, LocationTaken, Ownership
from pbt_operator.control.reconcile import Active, Looks
from pbt_operator.control.session import Session, earlier_result
from pbt_operator.control.taking import failed_result
from pbt_operator.core.status import PopulationPhase
from pbt_operator.records import audit, ledger_log, results, specs
from pbt_operator.records.archive import read_archive
from pbt_operator.records.ledger_log import LedgerLog
from simulation import Simulation, TrainerCrashed
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

SHORT = {**DETERMINISTIC["schedule"], "totalSteps": 20}
HERE = Ownership(name="digits", namespace="local")
OWNER = Ownership(name="digits", namespace="team", uid="uid-1")
ADOPTER = Ownership(name="adopter", namespace="team", uid="uid-2", adopts=True)


@pytest.fixture
def place():
    """Where members run, with an empty location."""
    return Simulation(spec(DETERMINISTIC, schedule=SHORT), Deterministic())


def opened(place, ownership=HERE, **changes):
    return Session.open(
        place,
        spec(DETERMINISTIC, **{"schedule": SHORT, **changes}),
        ownership=ownership,
        emit=place.events.append,
    )


def test_an_empty_location_is_new_and_leaves_nothing_of_the_probe(place):
    place.store.purge()
    assert opened(place).is_new
    assert not opened(place).is_new
    assert not list(place.store.names(keys.PROBES))


def test_another_experiment_is_refused_with_the_paths_that_differ(place):
    with pytest.raises(AnotherExperiment) as refused:
        opened(place, seed=99)
    assert refused.value.changed == ["spec.seed"]
    assert specs.newest(place.store).number == 1


def test_who_adopts_a_location_may_name_its_storage_differently(place):
    with pytest.raises(AnotherExperiment):
        opened(place, storage={"prefix": "elsewhere"})
    assert opened(place, OWNER, storage={"prefix": "elsewhere"}).reconciler.spec_number == 2


def test_a_location_has_one_owner(place):
    session = opened(place, OWNER)
    with pytest.raises(LocationTaken) as refused:
        opened(place, replace(ADOPTER, adopts=False))
    assert refused.value.owner.uid == "uid-1"
    session.check_owner()
    opened(place, ADOPTER)
    with pytest.raises(LocationTaken, match="team/adopter"):
        session.check_owner()


def test_a_location_that_was_emptied_is_not_taken_again(place):
    session = opened(place, OWNER)
    place.store.purge()
    with pytest.raises(LocationEmptied):
        session.check_owner()
    with pytest.raises(LocationEmptied):
        session.replace_spec(spec(DETERMINISTIC, schedule=SHORT, finish=True))
    with pytest.raises(LocationEmptied):
        opened(place, replace(OWNER, begun_at=place.store.url))
    assert not list(place.store.names(""))
    assert opened(place, replace(OWNER, begun_at="s3://experiments/elsewhere")).is_new


def test_how_many_train_at_once_here_is_not_recorded(place):
    place.parallelism = 2
    session = opened(place)
    assert session.reconciler.spec.slots == 2
    assert specs.newest(place.store).number == 1


def test_a_population_that_ended_stays_so_until_its_spec_changes(place):
    place.run()
    manifest = spec(DETERMINISTIC, schedule=SHORT)
    ended = earlier_result(place.store, manifest)
    assert ended is not None
    assert opened(place).run_pass().result == ended
    longer = {**SHORT, "totalSteps": 30}
    assert earlier_result(place.store, spec(DETERMINISTIC, schedule=longer)) is None
    assert specs.newest(place.store).number == 1  # asking writes nothing
    assert opened(place, schedule=longer).run_pass().outcome is None


def test_an_end_stays_where_the_spec_is_asked_for_in_other_words(place):
    ended = place.run().last.result
    session = opened(place)
    session.run_pass()
    session.replace_spec(spec(DETERMINISTIC, schedule=SHORT, finish=False))
    assert specs.newest(place.store).number == 1
    assert session.run_pass().result == ended


def test_an_end_is_recorded_only_when_the_times_of_a_long_life_are_read_which_takes_no_pass_long(monkeypatch):
    """The pods are gone at once all the same; until it is recorded nobody is told that the population has ended."""
    schedule = {**DETERMINISTIC["schedule"], "totalSteps": 400}
    place = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic()).run()
    expected = place.last.result
    place.store.delete(list(place.store.names(keys.RESULTS)))
    most = 4
    read_each = ledger_log.read_each
    monkeypatch.setattr(LedgerLog, "read", partialmethod(LedgerLog.read, most=most))
    reads = []

    def counted(store, names, **options):
        reads.append(len(names))
        return read_each(store, names, **options)

    monkeypatch.setattr(ledger_log, "read_each", counted)
    session = Session.open(
        place, spec(DETERMINISTIC, schedule=schedule), ownership=HERE, emit=place.events.append, counts=True
    )
    passes = [session.run_pass()]
    while passes[-1].concludes:
        assert passes[-1].outcome is None
        assert not list(place.store.names(keys.RESULTS))
        passes.append(session.run_pass())
    assert passes[-1].result == expected
    assert len(passes) == len(reads) > 5
    assert max(reads) == most


def test_the_newest_rounds_exploits_can_be_told_again():
    place = Simulation(spec(DETERMINISTIC), Deterministic())

    def told():
        return [event for event in place.events if event.reason == "Exploited"]

    while not told():
        place.step()
    newest = Session.open(
        place, spec(DETERMINISTIC), ownership=HERE, emit=place.events.append
    ).newest_exploits()
    assert newest == told()


WIDE = [{"name": "lr", "logUniform": {"min": 1e-6, "max": 1.0}}]


@pytest.mark.parametrize(("factors", "is_slow"), [([0.8, 1.25], True), ([0.001, 1000], False)])
def test_a_range_that_moves_hardly_cross_is_hinted_at_once(factors, is_slow):
    begun = Simulation(
        spec(DETERMINISTIC, hyperparameters=WIDE, initial=[], explore={"factors": factors}),
        Deterministic(),
    )
    hints = [event.message for event in begun.events if event.reason == "SlowSearch"]
    assert [hint.partition(" takes")[0] for hint in hints] == ["lr"] * is_slow
    assert all("explore.reachPercent" in hint for hint in hints)


@pytest.mark.parametrize(("steps", "is_told"), [(20, True), (1000, False)])
def test_a_run_too_short_for_its_explore_is_hinted_at_once(steps, is_told):
    schedule = {**DETERMINISTIC["schedule"], "totalSteps": steps}
    begun = Simulation(spec(DETERMINISTIC, schedule=schedule, explore={"bandit": {}}), Deterministic())
    hints = [event.message for event in begun.events if event.reason == "ExploreUnused"]
    assert [hint.partition(":")[0] for hint in hints] == ["explore.bandit never chooses"] * is_told


def test_hyperparameters_that_would_share_a_variable_are_hinted_at_once():
    named = [{"name": name, "logUniform": {"min": 1e-3, "max": 1.0}} for name in ("a.b", "a-b", "lr")]
    begun = Simulation(spec(DETERMINISTIC, hyperparameters=named, initial=[]), Deterministic())
    hints = [event.message for event in begun.events if event.reason == "VariableLeftOut"]
    assert hints == ["PBT_HP_a_b would be each of a.b, a-b: it is left out; PBT_HYPERPARAMETERS has them"]


def test_what_auto_chose_is_no_hint():
    begun = Simulation(
        spec(
            {name: value for name, value in DETERMINISTIC.items() if name not in {"exploit", "explore"}},
            strategy="Auto",
            hyperparameters=WIDE,
            initial=[],
            schedule=SHORT,
        ),
        Deterministic(),
    )
    assert "SlowSearch" not in {event.reason for event in begun.events}


class Broken(Deterministic):
    """Crashes at a step, in words that differ, until it is mended."""

    def __init__(self, at: int, code: int = 1) -> None:
        self.at, self.code, self.mended, self.crashes = at, code, False, 0

    def train(self, state, hyperparameters, step, rng):
        if step >= self.at and not self.mended:
            self.crashes += 1
            raise TrainerCrashed(f"RuntimeError: {self.crashes}", code=self.code)
        super().train(state, hyperparameters, step, rng)


@pytest.mark.parametrize(
    ("at", "code", "reason"), [(1, 83, "Mistake"), (1, 1, "AllMembersFailed"), (15, 1, "AllMembersFailed")]
)
def test_a_population_that_failed_is_continued_with_a_result_of_its_own(at, code, reason):
    task = Broken(at, code)
    manifest = spec(
        DETERMINISTIC, members=4, backoffLimit=1, schedule={**DETERMINISTIC["schedule"], "totalSteps": 40}
    )
    place = Simulation(manifest, task).run()
    assert results.newest_result(place.store).reason == reason

    def again() -> Session:
        token = failed_result(place.store)
        return Session.open(place, manifest, ownership=HERE, emit=place.events.append, retry=token)

    for _ in range(2):  # the first one is killed before its first pass
        session = again()
        assert session.retries
        assert specs.newest(place.store).number == 2
    task.mended = True
    place.repository, place.reconciler, place.last = session.repository, session.reconciler, None
    place.run()
    found = read_archive(place.store)
    assert audit.violations(place.store, found) == []
    assert (found.result.phase, found.result.spec) == (PopulationPhase.COMPLETE, 2)
    assert [birth.crashes for birth in found.births.values() if "tries again" in birth.reason] in (
        [0] * 2,
        [0] * 4,
    )
    if at > 10:
        assert {b.start_step for b in found.births.values() if "tries again" in b.reason} == {10}
    assert failed_result(place.store) is None


def test_time_begins_again_once_where_a_failed_population_is_continued_not_with_each_operator():
    manifest = spec(DETERMINISTIC, members=4, schedule=SHORT, backoffLimit=0)
    place = Simulation(manifest, Broken(1), durations=Durations(step=lambda _member: 1.0)).run()
    left = place.time.now + 100
    while place.time.now < left:
        place.step()

    def opens(active_since: float, ended_at: float | None, retry: str | None) -> Session:
        return Session.open(
            place,
            manifest,
            ownership=HERE,
            emit=place.events.append,
            active=Active(active_since, ended_at),
            retry=retry,
        )

    began = place.time.now
    session = opens(0.0, began - 100, failed_result(place.store))
    assert session.run_pass().active_since == began
    place.time.after(5.0, lambda: None)
    while place.time.now == began:
        place.time.advance()
    session = opens(began, None, None)
    assert session.run_pass().active_since == began
    session.replace_spec(spec(DETERMINISTIC, members=4, schedule=SHORT, backoffLimit=1))
    assert session.run_pass().active_since == began


def test_what_stopped_trainers_have_saved_hides_no_mistake_when_it_is_tried_again():
    class Mistaken(Deterministic):
        def fate(self, member, step):
            return (
                TrainerCrashed("UsageError: step 10 was due", code=ExitCode.MISTAKE) if step >= 10 else None
            )

    manifest = spec(DETERMINISTIC, members=8)
    durations = Durations(stop=2, step=lambda member: 1.0 if member < 2 else 3.0)
    place = Simulation(manifest, Mistaken(), durations=durations).run()
    while list(place.pods.observe()):
        place.step()
    assert list(place.store.names(keys.SAVES))
    started = place.pods.num_started
    again = failed_result(place.store)
    session = Session.open(place, manifest, ownership=HERE, emit=place.events.append, retry=again)
    while (ended := session.run_pass().outcome) is None:
        place.time.advance()
    assert ended.reason == "Mistake"
    assert place.pods.num_started - started <= 8


def test_what_was_asked_once_is_no_wish_to_try_again(place):
    session = opened(place)
    session.replace_spec(spec(DETERMINISTIC, schedule=SHORT), retry="1")
    assert session.reconciler.spec_number == 2
    session.replace_spec(spec(DETERMINISTIC, schedule=SHORT), retry="1")
    session.replace_spec(spec(DETERMINISTIC, schedule=SHORT))
    assert session.reconciler.spec_number == 2
    session.replace_spec(spec(DETERMINISTIC, schedule=SHORT), retry="2")
    assert session.reconciler.spec_number == 3
    assert not session.retries


class _Listing(MemoryStore):
    """Counts the listings of what grows with the rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: Counter[str] = Counter()

    def names(self, prefix: str, *, start_after: str = "") -> Iterator[str]:
        self.listed[prefix] += 1
        return super().names(prefix, start_after=start_after)


@pytest.mark.parametrize("quorum", [75, 100])
def test_where_nobody_else_writes_the_same_is_decided_without_any_listing_of_rounds_and_reports(
    quorum: int,
) -> None:
    schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum}
    listing = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic()).run()
    store = _Listing()
    asking = Simulation(spec(DETERMINISTIC, schedule=schedule), Deterministic(), store=store, is_alone=True)
    asking.passes()
    store.listed.clear()
    while not asking.ended:
        asking.last = asking.reconciler.run_once(Looks.ASKS)
        asking.time.advance()
    assert store.listed[keys.REPORTS] <= 1  # at the end, for the result
    assert store.listed[keys.ROUNDS] <= 1
    for prefix in (keys.ROUNDS, keys.BIRTHS, keys.GATES):
        names = list(listing.store.names(prefix))
        assert names == list(store.names(prefix))
        assert [listing.store.read(name) for name in names] == [store.read(name) for name in names]


def with_token(value: str | None) -> dict[str, object]:
    """A template whose trainer has a variable; without a value where None."""
    variable = {"name": "TOKEN"} if value is None else {"name": "TOKEN", "value": value}
    return {
        "spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"], "env": [variable]}]}
    }


def test_another_value_of_env_is_no_other_spec_and_reaches_the_pods(place, monkeypatch):
    made = []
    open_pods = place.open_pods
    monkeypatch.setattr(place, "open_pods", lambda store, spec: made.append(spec) or open_pods(store, spec))
    for number, token in enumerate(["first-secret", "second-secret"]):
        session = opened(place, template=with_token(token))
        session.replace_spec(spec(DETERMINISTIC, schedule=SHORT, template=with_token("third-secret")))
        assert made[number].template == with_token(token)
    assert specs.newest(place.store).number == 2  # the first one has no variable
    assert specs.newest(place.store).spec["template"] == with_token(None)
    for key in place.store.names(""):
        assert b"-secret" not in place.store.read(key), key


def test_a_record_that_holds_values_stays_in_force():
    """A version before this one wrote it."""
    place = Simulation(
        spec(DETERMINISTIC, schedule=SHORT, template=with_token("old-secret")), Deterministic()
    )
    key = keys.spec(1)
    record = json.loads(place.store.read(key))
    record["spec"]["template"] = with_token("old-secret")
    place.store.delete([key])
    place.store.create(key, json.dumps(record).encode())
    place.run()
    manifest = spec(DETERMINISTIC, schedule=SHORT, template=with_token("new-secret"))
    assert earlier_result(place.store, manifest) is not None
    opened(place, template=with_token("new-secret"))
    assert list(place.store.names(keys.SPECS)) == [key]


def test_a_change_that_no_record_shows_continues_what_failed_once_for_each_generation():
    task = Broken(1)
    base = {**DETERMINISTIC, "members": 4, "backoffLimit": 0, "schedule": SHORT}
    place = Simulation(spec(base, template=with_token("wrong")), task).run()
    mended = spec(base, template=with_token("right"))

    def opens(generation: int | None) -> Session:
        return Session.open(
            place, mended, ownership=HERE, emit=place.events.append, retry="asked", generation=generation
        )

    first = Session.open(place, mended, ownership=HERE, emit=place.events.append)
    assert not first.retries  # it is the same spec
    first.replace_spec(mended, generation=2)
    assert first.retries
    record = specs.newest(place.store)
    assert (record.number, record.generation, record.spec["template"]) == (2, 2, with_token(None))
    place.repository, place.reconciler, place.last = first.repository, first.reconciler, None
    place.run()
    assert results.newest_result(place.store).spec == 2
    assert opens(2).retries  # by the annotation, which is new
    assert specs.newest(place.store).number == 3
    session = opens(3)  # nothing failed under the newest one yet
    assert specs.newest(place.store).number == 3
    task.mended = True
    place.repository, place.reconciler, place.last = session.repository, session.reconciler, None
    place.run()
    assert results.newest_result(place.store).phase is PopulationPhase.COMPLETE
    assert not opens(4).retries  # what is complete has nothing to continue
    assert specs.newest(place.store).number == 3
