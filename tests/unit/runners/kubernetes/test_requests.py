"""What a pass costs: requests and work follow from what is new, however many members there are."""

from collections import Counter
from dataclasses import replace
from unittest.mock import patch

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause, Claim, File, Report
from pbt_operator.control import placement, sweep
from pbt_operator.control.pods import Phase, Pod
from pbt_operator.control.reconcile import FEW, Looks, Reconciler
from pbt_operator.core.history import History
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.status import PopulationPhase
from pbt_operator.manifest.population import to_core, to_wire
from pbt_operator.records import specs
from pbt_operator.records.archive import read_archive
from pbt_operator.records.poller import RECORDS_PER_MEMBER
from pbt_operator.records.repository import Repository
from pbt_operator.records.results import Conclusion
from simulation import Simulation
from simulation.memory_store import MemoryStore
from unit.page.populations import concluded

INTERVAL = DETERMINISTIC["schedule"]["intervalSteps"]
SIZES = [20, 200]


class Counted(MemoryStore):
    """Counts its requests, by kind and by the kind of record."""

    def __init__(self):
        super().__init__()
        self.requests: Counter[str] = Counter()
        self.listed = 0

    def create(self, key, data):
        self.requests[f"create {key.split('/')[0]}"] += 1
        return super().create(key, data)

    def read(self, key):
        self.requests[f"read {key.split('/')[0]}"] += 1
        return super().read(key)

    def names(self, prefix, *, start_after=""):
        self.requests[f"list {prefix.split('/')[0]}"] += 1
        for key in super().names(prefix, start_after=start_after):
            self.listed += 1
            yield key

    def delete(self, doomed):
        doomed = list(doomed)
        self.requests["delete"] += len(doomed)
        super().delete(doomed)


class Pods:
    """Pods that run as soon as they are started, and are gone as soon as they are stopped."""

    refused_for = None

    def __init__(self):
        self.pods = {}

    def observe(self):
        return list(self.pods.values())

    def vacant(self, members):
        return set(members) - {pod.member for pod in self.pods.values() if not pod.ended}

    def start(self, birth):
        name = keys.life(birth.member, birth.incarnation)
        self.pods.setdefault(name, replace(Pod.pending(birth, uid=name), phase=Phase.RUNNING))

    def stop(self, pod):
        self.pods[pod.name] = replace(pod, phase=Phase.ENDED, stopping=True)

    def forget(self, pod):
        del self.pods[pod.name]


class Population:
    """One whose trainers are the test."""

    def __init__(self, members, *, quorum=100, wholly=True, **changes):
        schedule = {**DETERMINISTIC["schedule"], "quorumPercent": quorum, "totalSteps": 100 * INTERVAL}
        manifest = spec(
            {**DETERMINISTIC, "schedule": schedule}, members=members, parallelism=members, **changes
        )
        self.spec, self.store, self.pods, self.now = to_core(manifest), Counted(), Pods(), 0.0
        record = specs.accept(self.store, name="p", namespace="n", asked=lambda _: to_wire(manifest))
        self.repository = self.loaded()
        self.reconciler = Reconciler(
            repository=self.repository,
            pods=self.pods,
            clock=lambda: self.now,
            spec=self.spec,
            spec_number=record.number,
            emit=lambda event: None,
        )
        self.last = self.reconciler.run_once()
        while wholly and self.last.num_left:
            self.last = self.reconciler.run_once()

    def loaded(self):
        repository = Repository(
            self.store,
            interval_steps=INTERVAL,
            on_refused=lambda key, why: pytest.fail(f"{key}: {why}"),
        )
        repository.load()
        return repository

    def report(self, number, members, *, score=float):
        for member in members:
            birth = self.repository.history.newest_birth(member)
            life = (member, birth.incarnation)
            claim = Claim(member=member, incarnation=life[1], pod=keys.life(*life), nonce="x")
            self.store.create(claim.key, encode(claim))
            checkpoint = keys.checkpoint(*life, number * INTERVAL, "x")
            self.store.put(checkpoint + "state.json", b"{}")
            report = Report(
                member=member,
                incarnation=life[1],
                step=number * INTERVAL,
                round=number,
                metrics={self.spec.objective.metric: score(member)},
                hyperparameters=birth.hyperparameters,
                effective=dict(birth.hyperparameters),
                checkpoint=checkpoint,
                files=[File(name="state.json", size=2, sha256="0" * 64)],
                seconds=1.0,
            )
            self.store.create(report.key, encode(report))

    def requests(self, looks=Looks.LISTS):
        self.store.requests.clear()
        self.store.listed = 0
        self.last = self.reconciler.run_once(looks)
        return {name: count for name, count in self.store.requests.items() if count}


@pytest.mark.parametrize("members", SIZES)
def test_a_pass_with_nothing_new_is_one_listing(members):
    population = Population(members)
    assert population.requests() == {"list reports": 1}
    assert population.requests(Looks.NOT) == {}


@pytest.mark.parametrize("members", SIZES)
def test_each_report_is_read_once(members):
    population = Population(members)
    population.report(1, range(7))
    found = population.requests()
    assert (found.pop("list reports"), found.pop("read reports")) == (1, 7)
    assert set(found) <= {"list checkpoints"}  # retention, once for a round
    assert population.requests() == {"list reports": 1}


@pytest.mark.parametrize("members", SIZES)
def test_what_is_known_is_not_listed_again_once_its_round_is_decided(members):
    population = Population(members)
    population.report(1, range(members))
    population.requests()
    assert population.repository.history.decided == 1
    population.requests()
    population.requests()
    assert population.store.listed == 0


@pytest.mark.parametrize("members", SIZES)
def test_the_work_of_a_pass_follows_what_is_new(members):
    """However many members there are, only those with news are worked out anew."""
    population = Population(members)
    population.report(1, range(5))
    with patch.object(History, "_work_out", autospec=True, side_effect=History._work_out) as worked_out:
        population.reconciler.run_once()
        assert {call.args[1] for call in worked_out.call_args_list} == set(range(5))
        worked_out.reset_mock()
        population.reconciler.run_once()
        assert not worked_out.called


@pytest.mark.parametrize("members", SIZES)
def test_the_few_that_a_round_lacks_are_looked_for_by_their_keys(members):
    population = Population(members)
    population.report(1, range(members - FEW))
    population.requests()
    assert population.last.awaited == set(range(members - FEW, members))
    assert population.requests(Looks.GLANCES) == {"read reports": FEW}
    population.report(1, range(members - FEW, members))
    found = population.requests(Looks.GLANCES)
    assert population.repository.history.decided == 1
    assert "list reports" not in found
    assert found["read reports"] == 2 * FEW  # who has made one, is asked for the next
    assert population.last.awaited == set()


def test_many_that_a_round_lacks_are_not_looked_for():
    population = Population(20)
    population.report(1, range(20 - FEW - 1))
    population.requests()
    assert population.last.awaited == set()
    assert population.requests(Looks.GLANCES) == {}


def test_a_member_that_is_closed_for_good_is_not_asked_for_anything():
    population = Population(20, quorum=50)
    births = population.repository.history.newest_birth
    last = births(19)
    end = Birth(
        member=19, incarnation=2, cause=Cause.FAILED, hyperparameters=last.hyperparameters, reason="a test"
    )
    population.repository.write_births([end])
    population.report(1, range(19))
    population.requests()
    assert population.repository.history.decided == 1
    population.requests()
    assert population.requests() == {"list reports": 1}


def test_who_lags_is_asked_for_the_next_report():
    population = Population(20, quorum=50)
    population.report(1, range(17))
    population.requests()
    population.now += 1000
    population.requests()
    assert population.repository.history.decided == 1
    population.requests()
    found = population.requests()
    # 20 members fit into one page, so that the listing begins where they are, and nobody is asked one by one.
    assert found == {"list reports": 1}
    population.report(1, [18])
    assert population.requests()["read reports"] == 1
    assert population.repository.history.position(18) == INTERVAL


def test_retention_goes_through_a_bounded_number_of_keys_in_a_pass(monkeypatch):
    monkeypatch.setattr(sweep, "KEYS_A_PASS", 8)
    monkeypatch.setattr(sweep, "SECONDS_BETWEEN", 0.0)
    population = Population(20, exploit={"none": {}}, retention={"checkpointsPerMember": 1})
    for number in range(1, 4):
        population.report(number, range(20))
        population.requests()
        assert population.last.sweeps
        while population.last.sweeps:
            population.requests(Looks.NOT)
            assert population.store.listed <= 8
    kept = {key.split("-x/")[0] for key in population.store.names(keys.CHECKPOINTS)}
    best = keys.checkpoint(19, 1, INTERVAL, "x").removesuffix("-x/")
    assert kept == {best, *(f"{keys.checkpoints_of(m, 1)}{3 * INTERVAL:012}" for m in range(20))}


def test_the_members_of_a_large_population_start_in_pieces(monkeypatch):
    """Each start takes a look at the claim; nobody is looked at before it is its turn."""
    monkeypatch.setattr(placement, "STARTS_A_PASS", 8)
    population = Population(20, wholly=False)
    assert (len(population.pods.pods), population.last.num_left) == (8, 12)
    assert population.requests(Looks.NOT) == {"read claims": 8}
    assert population.requests(Looks.NOT) == {"read claims": 4}
    assert (len(population.pods.pods), population.last.num_left) == (20, 0)
    assert population.requests(Looks.NOT) == {}


def test_the_losers_of_a_large_round_are_stopped_in_pieces(monkeypatch):
    """Each has its claim looked at once before it is stopped, and once when it is over."""
    monkeypatch.setattr(placement, "STARTS_A_PASS", 2)
    population = Population(20, exploit={"truncation": {"percent": 25}})
    population.report(1, range(20))
    population.requests()
    losers = [decision.member for decision in population.repository.history.newest_round.decisions]
    assert (len(losers), population.last.num_left) == (5, 3)
    claims = 2
    while population.last.num_left or any(pod.ended for pod in population.pods.observe()):
        claims += population.requests(Looks.NOT).get("read claims", 0)
    running = {pod.member: pod.incarnation for pod in population.pods.observe()}
    assert running == {member: 2 if member in losers else 1 for member in range(20)}
    assert claims == 2 * len(losers)


def test_after_a_restart_few_reports_are_read_whatever_the_age():
    population = Population(20, exploit={"none": {}})
    for number in range(1, 21):
        population.report(number, range(20))
        population.requests()
    population.store.requests.clear()
    again = population.loaded()
    assert population.store.requests["read reports"] == RECORDS_PER_MEMBER * 20
    for member in range(20):
        assert (
            again.history.position(member) == population.repository.history.position(member) == 20 * INTERVAL
        )
    assert again.history.best(population.spec.objective) == population.repository.history.best(
        population.spec.objective
    )


def test_after_a_restart_the_best_is_known_also_if_it_came_late():
    population = Population(4, quorum=50, exploit={"none": {}})
    population.report(2, [0, 1, 2])
    population.requests()
    population.now += 1000
    population.requests()
    assert population.repository.history.decided == 2
    for number in range(1, 8):
        population.report(number, [3], score=lambda _, late=number == 1: 99.0 if late else 0.0)
    for repository in (population.loaded(), population.loaded()):
        best = repository.history.best(population.spec.objective)
        assert (best.member, best.step, best.score) == (3, INTERVAL, 99.0)


def test_after_a_restart_the_last_finite_score_is_found_however_far_back():
    """Should everybody diverge, the member goes back to there."""
    population = Population(4, exploit={"none": {}})
    for number in range(1, 9):
        population.report(number, range(4), score=float if number == 1 else lambda _: "NaN")
        population.requests()
    for repository in (population.repository, population.loaded()):
        for member in range(4):
            finite = [
                r.round for r in repository.history.line_records(member) if r.score("score") is not None
            ]
            assert finite == [1]


def test_the_end_is_told_as_the_whole_story_tells_it():
    simulation = Simulation(spec(DETERMINISTIC), Deterministic()).run()
    outcome = Outcome(PopulationPhase.COMPLETE, "AllStepsDone", "a test")
    told = read_archive(simulation.store)
    found = Conclusion(simulation.repository).go_on(simulation.spec, outcome, spec_number=told.record.number)
    assert found is not None
    assert len(found.lineage) > 1
    assert found == concluded(told, phase=outcome.phase, reason=outcome.reason, message=outcome.message)


LISTED_AT_END = ("rounds", "claims", "reports", "saves")
"""Names alone say what lives that were over have recorded unseen."""


def test_the_end_reads_nothing_again_but_what_is_behind_the_best():
    population = Population(20)
    for number in range(1, 6):
        population.report(number, range(20))
        population.requests()
        population.requests()
    population.repository.count(takeovers=True)
    population.store.requests.clear()
    outcome = Outcome(PopulationPhase.COMPLETE, "Finished", "a test")
    found = Conclusion(population.repository).go_on(population.spec, outcome, spec_number=1)
    assert found is not None
    assert set(population.store.requests) <= {f"list {kind}" for kind in LISTED_AT_END} | {"read births"}
    assert population.store.requests["read births"] <= len(found.lineage)
