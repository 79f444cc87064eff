"""Which hyperparameters explain the gains, asked of runs where that is known."""

from random import Random

from pbt_contract.records import Source
from pbt_operator.core.distributions import Choice, LogUniform, Uniform
from pbt_operator.core.round_record import Entry, Round
from pbt_operator.core.rules.explained import MOST, explained
from pbt_operator.core.search import Hyperparameter, Objective, Schedule
from pbt_operator.core.spec import Spec

SPACE = (
    Hyperparameter("rate", LogUniform(min=1e-4, max=1.0)),
    Hyperparameter("idle", Uniform(min=0.0, max=1.0)),
    Hyperparameter("kind", Choice(values=["a", "b"])),
    Hyperparameter("width", Uniform(min=0.0, max=1.0), explored=False),
)


def spec_of(space=SPACE):
    schedule = Schedule(total_steps=1000, interval_steps=10)
    return Spec(members=8, objective=Objective("score"), schedule=schedule, hyperparameters=space)


def rounds_of(gain, *, number=24, members=8):
    """Rounds in which nobody is replaced, and each member gains what its values are worth in the round."""
    rng, rounds = Random(3), []
    values = [{h.name: h.space.sample(rng) for h in SPACE} for _ in range(members)]
    scores = [0.0] * members
    for now in range(1, number + 1):
        scores = [score + gain(values[m], now, rng) for m, score in enumerate(scores)]
        entries = [
            Entry(
                member=m,
                incarnation=1,
                score=scores[m],
                source=Source(member=m, incarnation=1, step=10 * now, checkpoint="c", record="r"),
                hyperparameters=values[m],
            )
            for m in range(members)
        ]
        rounds.append(Round(number=now, step=10 * now, spec=1, entries=entries))
    return rounds


def told(rounds, space=SPACE, **more):
    return explained(spec_of(space).view(rounds[-1].number, rounds[-1].entries), rounds, **more)


def test_what_matters_has_evidence_when_it_does_and_what_does_not_has_less():
    """In the first half the rate alone makes gains, in the second half nothing but noise does."""

    def gain(values, now, rng):
        place = SPACE[0].space.place(values["rate"])
        return (place - 0.3) ** 2 + rng.gauss(0, 0.01) if now <= 12 else rng.gauss(0, 1.0)

    first, second = told(rounds_of(gain), windows=2)
    assert (first.first, first.last, second.first, second.last) == (1, 12, 13, 24)
    assert 8 <= first.gains <= MOST
    assert set(first.alone) == {"rate", "idle", "kind"}, "what is never explored isn't asked"
    assert first.alone["rate"].nats > 20
    assert first.alone["rate"].length is not None
    assert first.alone["kind"].length is None, "a choice lies nowhere"
    assert first.alone["rate"].nats > max(first.alone["idle"].nats, first.alone["kind"].nats)
    assert max(second.together.nats, *(each.nats for each in second.alone.values())) < 3


def test_rounds_without_gains_and_spaces_without_explored_values_explain_nothing():
    rounds = rounds_of(lambda values, now, rng: 1.0)
    assert told(rounds[:1]) == []
    assert told(rounds, space=SPACE[3:]) == []
    assert explained(spec_of().view(1, []), []) == []


def test_the_cost_does_not_grow_with_the_rounds(monkeypatch):
    """Of a window the newest rounds are looked at, and so many gains at most."""
    asked = []
    from pbt_operator.core.rules import explained as module

    real = module.likelihoods
    monkeypatch.setattr(
        module, "likelihoods", lambda points, sizes: asked.append(len(points)) or real(points, sizes)
    )
    told(rounds_of(lambda values, now, rng: rng.random(), number=300), windows=3)
    assert len(asked) == 3 * 4
    assert max(asked) <= MOST
