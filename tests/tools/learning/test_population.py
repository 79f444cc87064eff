"""The fast harness is the product: same decisions, same scores; and what it promises to those who compare arms."""

import math

import pytest
from msgspec.structs import replace

from fixtures.manifests import TEMPLATE
from learning.arms import auto_spec
from learning.forms import form
from learning.population import Population, first_values, run, seeded, spec_of
from learning.tasks import make
from pbt_operator.core.rules import NoExploit
from pbt_operator.core.spec import Exploit
from pbt_operator.manifest.population import PopulationSpec, to_core
from pbt_operator.records.archive import read_archive
from simulation import Simulation


class Simulated:
    """A task for simulated trainers, which train it an interval at a time."""

    def __init__(self, task):
        self.task = task

    def build(self, hyperparameters, rng):
        return self.task.build(rng)

    def train(self, state, hyperparameters, step, rng):
        start = (step - 1) // self.task.interval_steps * self.task.interval_steps
        if step in {start + self.task.interval_steps, self.task.total_steps}:
            self.task.advance(state, hyperparameters, start, step, rng)

    def evaluate(self, state, hyperparameters, rng):
        return self.task.evaluate(state, hyperparameters, rng)


def arm_of(space):
    """A distribution as a manifest writes it."""
    kind = {"LogUniform": "logUniform"}.get(type(space).__name__, type(space).__name__.lower())
    return {kind: space.model_dump(by_alias=True, exclude_none=True)}


def manifest(task, members, seed, **more):
    space = [{"name": h.name, **arm_of(h.space)} for h in task.space]
    spec = seeded(task, spec_of(task, members), seed)
    return PopulationSpec.model_validate(
        {
            "members": members,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": {
                "totalSteps": task.total_steps,
                "intervalSteps": task.interval_steps,
                "quorumPercent": 100,
            },
            "hyperparameters": space,
            "initial": [dict(values) for values in spec.initial],
            "seed": seed,
            "strategy": "Explicit",
            "template": TEMPLATE,
        }
        | more
    )


def told(rounds):
    """What of rounds must be the same: who had which score and values, who copied whom, and when it is due."""
    return [
        (
            r.number,
            [(e.member, e.incarnation, e.score, e.values, e.hyperparameters) for e in r.entries],
            [
                (
                    d.member,
                    d.cause,
                    d.source and (d.source.member, d.source.step),
                    d.hyperparameters,
                    d.reason,
                )
                for d in r.decisions
            ],
            r.due,
            r.sub_populations,
            [e.sub_population for e in r.entries],
        )
        for r in rounds
    ]


@pytest.mark.parametrize(
    ("name", "kind", "members", "steps", "more"),
    [
        ("deceptive", "constant", 6, 300, {}),
        ("deceptive", "annealed", 5, 300, {"exploit": {"horizonPercent": 20}}),
        ("triangle", "constant", 4, 100, {"exploit": {"binaryTournament": {}}}),
        ("paper", "noisy", 4, 100, {"explore": {"resamplePercent": 50}}),
        ("mixed", "failing", 4, 200, {"exploit": {"horizonPercent": 10}}),
        ("mixed", "failing", 9, 200, {"subPopulations": [{"everyRounds": 1}, {"horizonPercent": 20}]}),
    ],
)
def test_the_harness_equals_the_real_reconcile(name, kind, members, steps, more):
    for seed in range(4):
        inner = make(name, seed)
        inner.total_steps = steps
        task = form(inner, kind)
        asked = manifest(task, members, seed, **more)
        archive = read_archive(Simulation(asked, Simulated(task)).run().store)
        population = Population(task, to_core(asked))
        outcome = population.run()
        assert told(population.rounds) == told(archive.rounds)
        assert outcome.observed == archive.final.score
        assert outcome.replaced == sum(len(r.decisions) for r in archive.rounds) > 0


@pytest.mark.parametrize("members", [2, 7])
def test_the_arm_auto_is_what_a_manifest_without_exploit_and_explore_gets(members):
    inner = make("tracking", 1)
    inner.total_steps = 300
    asked = manifest(inner, members, 1, strategy="Auto")
    archive = read_archive(Simulation(asked, Simulated(inner)).run().store)
    population = Population(inner, seeded(inner, auto_spec(inner, members), 1))
    population.run()
    assert told(population.rounds) == told(archive.rounds)


@pytest.mark.parametrize("seed", [98, 113])
def test_members_that_all_fail_go_back_and_train_the_lost_steps_again_as_in_the_real_reconcile(seed):
    """With these seeds both members fail at first, so nobody is a donor; with 113 one fails again on its way."""
    inner = make("tracking", seed)
    inner.total_steps = 100
    task = form(inner, "failing")
    asked = manifest(task, 2, seed)
    archive = read_archive(Simulation(asked, Simulated(task)).run().store)
    population = Population(task, to_core(asked))
    outcome = population.run()
    assert told(population.rounds) == told(archive.rounds)
    assert not any(entry.score for entry in population.rounds[0].entries)
    assert outcome.steps == 2 * 100 + 2 * 20


def test_arms_share_first_values_states_and_noise():
    """Until the first exploit two arms are equal; without one they stay so."""
    for name in ("triangle", "tracking", "entropy"):
        task = form(make(name, 3), "noisy")
        nobody = Population(task, seeded(task, spec_of(task, 4, exploit=Exploit(NoExploit())), 3))
        late = Population(task, seeded(task, spec_of(task, 4, exploit=Exploit(horizon_percent=50)), 3))
        nobody.run(), late.run()
        first = next(r.number for r in late.rounds if r.decisions)
        assert first > 10
        assert told(nobody.rounds)[: first - 1] == [
            (number, entries, [], nobody.rounds[0].due, *parts)
            for number, entries, _, _, *parts in told(late.rounds)[: first - 1]
        ]
        assert [e.hyperparameters for e in late.rounds[0].entries] == first_values(task, 4, 3)


def test_rounds_are_replayed_as_an_audit_does(monkeypatch):
    task = form(make("mixed", 2), "failing")
    spec = seeded(task, spec_of(task, 6, exploit=Exploit(horizon_percent=20)), 2)
    population = Population(task, spec)
    population.run()
    assert population.faults() == []
    at = next(i for i, r in enumerate(population.rounds) if r.decisions)
    population.rounds[at] = replace(population.rounds[at], decisions=[])
    assert "its decisions don't follow from its scores" in population.faults()[0]
    monkeypatch.setattr(Population, "faults", lambda self: ["wrong"])
    run(task, spec_of(task, 2), 2)
    with pytest.raises(RuntimeError, match="mixed, 2 members, seed 20: wrong"):
        run(task, spec_of(task, 2), 20)


def test_nobody_with_a_score_is_worth_as_much_as_the_untrained_start():
    task = form(make("tracking"), "failing")
    failing = [{**task.defaults, "a": 1.0}] * 2
    spec = spec_of(task, 2, exploit=Exploit(NoExploit()), first=failing)
    outcome = run(task, spec, 0)
    assert (outcome.score, outcome.replaced) == (task.start, 0)
    assert math.isnan(outcome.observed)


def test_other_deciders_are_asked_where_the_schedule_decides():
    task, asked = make("paper"), []
    run(task, spec_of(task, 2), 0, decide=lambda view, spec: asked.append(view.number) or [])
    assert asked == list(range(1, 20))
