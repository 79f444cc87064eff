"""Members that have too few evaluations so far: compared with nobody, and shown as such."""

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.told import told
from fixtures.toys import Deterministic
from pbt_contract.encoding import encode
from pbt_operator.core.rules import EXPLOITS
from pbt_operator.page.words import member_score_text
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive
from simulation import Simulation
from simulation.pods import Durations

RATES = [{"rate": rate, "depth": 1} for rate in (0.01, 0.02, 0.03, 0.09)]
UNSCORED = 0  # the worst, had it a score


class Slow(Deterministic):
    """The member with the lowest rate has no evaluations before a step; all others have two."""

    def __init__(self, *, until: int) -> None:
        self.until = until

    def build(self, hyperparameters, rng):
        return {"w": 0.0, "steps": 0}

    def train(self, state, hyperparameters, step, rng):
        super().train(state, hyperparameters, step, rng)
        state["steps"] = step

    def evaluate(self, state, hyperparameters, rng):
        if hyperparameters["rate"] == RATES[UNSCORED]["rate"] and state["steps"] < self.until:
            return []
        score = super().evaluate(state, hyperparameters, rng)
        return [score, score + 1e-9]


def simulation(*, until: int = 1000, **changes: object) -> Simulation:
    given = {"members": 4, "initial": RATES, "exploit": {"truncation": {"percent": 50}}, **changes}
    return Simulation(
        spec(DETERMINISTIC, **given), Slow(until=until), durations=Durations(step=lambda _: 1.0)
    )


@pytest.mark.parametrize("exploit", sorted(EXPLOITS))
def test_it_neither_loses_nor_is_copied_whatever_the_exploit(exploit):
    found = told(simulation(exploit={exploit: {}}).run())
    assert [life for life in found.births if life.member == UNSCORED] == [(UNSCORED, 1)]
    entries = [entry for one in found.rounds for entry in one.entries if entry.member == UNSCORED]
    assert len(entries) == 20
    assert {(e.unscored, e.score, e.ancestor, tuple(e.values)) for e in entries} == {(True, None, None, ())}
    sources = [d.source for one in found.rounds for d in one.decisions]
    assert UNSCORED not in {source.member for source in sources if source is not None}


def test_it_is_compared_once_it_has_a_score():
    found = told(simulation(until=55).run())
    flags = [e.unscored for one in found.rounds for e in one.entries if e.member == UNSCORED]
    assert flags[:6] == [True] * 5 + [UNSET]
    assert UNSCORED in {decision.member for decision in found.rounds[5].decisions}


def test_rounds_wait_for_it_and_count_it():
    found = told(simulation(members=2, initial=RATES[:2]).run())
    assert [one.number for one in found.rounds] == list(range(1, 21))
    assert not any(one.decisions for one in found.rounds), "there is nobody to compare the other one with"


def test_the_event_and_the_status_say_so():
    run = simulation()
    while run.time.now < 45:
        run.step()
    event = next(event for event in run.events if event.reason == "RoundDecided")
    assert "3 members compared, 1 not scored yet, best" in event.message
    member = told(run).status().members[UNSCORED]
    assert member.score is None
    assert member_score_text(member) == "not scored yet"
    assert member.reason.startswith("not scored yet: its report of step 40 has too few evaluations; ")


def test_a_round_that_calls_somebody_unscored_who_is_not_is_found():
    run = simulation(exploit={"none": {}}).run()
    decided = read_archive(run.store).rounds[3]
    entries = [decided.entries[0], replace(decided.entries[1], unscored=True), *decided.entries[2:]]
    run.store.put(decided.key, encode(replace(decided, entries=entries)))
    (violation,) = audit.violations(run.store, read_archive(run.store))
    assert "has unscored true" in violation.what


def test_rounds_of_versions_that_took_it_for_diverged_stay_right():
    run = simulation(exploit={"none": {}}).run()
    for decided in read_archive(run.store).rounds:
        entries = [replace(entry, unscored=UNSET) for entry in decided.entries]
        run.store.put(decided.key, encode(replace(decided, entries=entries)))
    found = read_archive(run.store)
    wrong = [violation.what for violation in audit.violations(run.store, found)]
    # `none` replaces nobody who has diverged, so these are rounds as such a version has recorded them.
    assert wrong == []
