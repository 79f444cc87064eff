"""Known ways to get the decisions of PBT wrong, numbered as in the project's list of traps."""

import math
from random import Random

import msgspec
import pytest

from fixtures.hypothesis_strategies import (
    INTERVAL,
    ROUND,
    choice,
    chosen,
    entry,
    explored,
    integer,
    log_uniform,
    make_spec,
    round_of,
    source_of,
    truncation,
    uniform,
    values_of,
)
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Report, Value
from pbt_contract.scores import wire_metrics
from pbt_operator.core.exploit import judge
from pbt_operator.core.ranking import rank
from pbt_operator.core.rules import BinaryTournament, Perturb, Truncation, TTest
from pbt_operator.core.search import Schedule

FACTORS = (0.8, 1.25)


def decide(entries, strategy=None, *, number=ROUND, **changes):
    return chosen(entries, spec=make_spec(strategy, **changes), round_number=number)


def report(metrics):
    """A report as it is read back from the store."""
    written = Report(
        member=0,
        incarnation=1,
        step=ROUND * INTERVAL,
        round=ROUND,
        metrics=wire_metrics(metrics),
        hyperparameters={},
        checkpoint="checkpoints/00000-000001/",
        files=[],
    )
    return decode(Report, encode(written), key=written.key)


# comparison


def test_trap_05_checkpoint_and_hyperparameters_come_from_the_scored_report():
    """Trap 5: a donor ranked at one step and copied at another."""
    (decision,) = decide(round_of(0.0, 1.0), explore=Perturb(resamplePercent=0))
    assert decision.source == source_of(1)
    assert decision.hyperparameters["layers"] == values_of(1)["layers"]


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"score": math.nan},
        {"score": math.inf},
        {"score": -math.inf},
        {"score": []},
        {"score": [1.0, math.nan]},
        {"score": [math.inf, -math.inf]},
        {"score": [1e308, 1e308]},
    ],
)
@pytest.mark.parametrize("goal", ["Maximize", "Minimize"])
def test_trap_06_nan_ranks_last_and_is_replaced(metrics, goal):
    """Trap 6: NaN, infinite or missing metrics that donate, or that are never replaced."""
    score = report(metrics).score("score")
    assert score is None
    entries = [entry(0, score), *round_of(0.0, 0.5, 1.0)[1:], entry(3, 0.75)]
    spec = make_spec(goal=goal)
    assert rank(entries, objective=spec.objective, seed=0, round_number=1)[-1].member == 0
    for seed in range(20):
        decisions = decide(entries, goal=goal, seed=seed)
        assert 0 in {d.member for d in decisions}
        assert 0 not in {d.source.member for d in decisions}


def test_trap_06_diverged_members_lose_in_addition_to_the_worst():
    """Trap 6: a diverged member that takes the place of the worst finite one."""
    decisions = decide(round_of(None, 1.0, 2.0, 3.0, 4.0))
    assert [d.member for d in decisions] == [0, 1]


def test_trap_07_minimize_is_maximize_of_the_negative_everywhere():
    """Trap 7: the sign applied twice, or not in the gap or the t-test."""
    losses = [entry(0, -3.0, values=[-3.1, -2.9]), entry(1, -1.0, values=[-1.1, -0.9])]
    for strategy in (Truncation(), BinaryTournament(), TTest()):
        (decision,) = decide(losses, strategy, goal="Minimize", min_gap=1.5)
        assert (decision.member, decision.source.member) == (1, 0)
        assert decide(losses, strategy, goal="Minimize", min_gap=2.5) == []


@pytest.mark.parametrize("strategy", [Truncation(percent=50), BinaryTournament(), TTest()])
@pytest.mark.parametrize("score", [0.0, 1.0, -1.5])
def test_trap_08_when_all_are_equal_nobody_copies(strategy, score):
    """Trap 8: identical scores that exploit all the same."""
    assert decide([entry(m, score, values=[score] * 3) for m in range(6)], strategy) == []


def test_trap_08_ties_are_not_decided_by_the_number():
    """Trap 8: index order that decides for ever who of equals is copied and who is replaced."""
    decisions = [d for seed in range(60) for d in decide(round_of(0.0, 0.0, 1.0, 1.0), seed=seed)]
    assert {d.member for d in decisions} == {0, 1}
    assert {d.source.member for d in decisions} == {2, 3}


def test_trap_09_a_gap_within_the_noise_copies_nothing():
    """Trap 9: churn from noisy evaluations."""
    assert decide(round_of(0.50, 0.51), min_gap=0.02) == []
    assert len(decide(round_of(0.50, 0.53), min_gap=0.02)) == 1


def test_trap_09_lists_of_evaluations_rank_by_their_mean():
    """Trap 9: a single lucky evaluation that makes a donor."""
    lucky = report({"score": [0.0, 0.0, 9.0]})
    steady = report({"score": [4.0, 4.0, 4.0]})
    entries = [entry(0, lucky.score("score")), entry(1, steady.score("score"))]
    (decision,) = decide(entries)
    assert (decision.member, decision.source.member) == (0, 1)


# selection


@pytest.mark.parametrize("percent", [0, 1, 25, 50, 75, 100])
@pytest.mark.parametrize("num_members", [1, 2, 3, 4, 5])
def test_trap_11_small_populations_and_odd_percentages(num_members, percent):
    """Trap 11: floor(0.2 x 4) = 0, list[-0:], best and worst that overlap, a member that copies itself."""
    decisions = decide(round_of(*map(float, range(num_members))), truncation(percent))
    losers, donors = {d.member for d in decisions}, {d.source.member for d in decisions}
    assert bool(losers) == (percent > 0 and num_members > 1)
    assert len(losers) <= num_members // 2
    assert max(losers, default=-1) < min(donors, default=num_members)


def test_trap_12_a_donor_that_loses_too_is_copied_as_it_was():
    """Trap 12: chains A <- B <- C within a round."""
    entries = round_of(0.0, 1.0, 2.0)
    chains = 0
    for seed in range(30):
        decisions = {d.member: d for d in decide(entries, BinaryTournament(), seed=seed)}
        for decision in decisions.values():
            assert decision.source in [e.source for e in entries]
            chains += decision.source.member in decisions
    assert chains > 0  # else nothing was tried


def test_trap_13_a_second_decision_of_the_same_round_is_the_same():
    """Trap 13: two reconciles that perturb twice, or differently."""
    entries = round_of(0.0, 1.0, None, 3.0)
    again = [msgspec.json.decode(encode(e), type=type(e)) for e in Random(0).sample(entries, 4)]
    assert [*map(encode, decide(again))] == [*map(encode, decide(entries))]


def test_trap_14_losers_spread_over_the_donors():
    """Trap 14: one donor that takes all."""
    decisions = decide(round_of(*map(float, range(40))))
    assert len(decisions) == 10
    assert len({d.source.member for d in decisions}) >= 4


def test_trap_15_no_exploit_in_burn_in_nor_at_the_end():
    """Trap 15: an exploit whose effect nobody will ever see, or before there is anything to compare."""
    schedule = Schedule(total_steps=450, interval_steps=100, burn_in_steps=200)
    deciding = [n for n in range(1, 7) if decide(round_of(0.0, 1.0), schedule=schedule, number=n)]
    assert deciding == [3, 4]
    for number in (2, 5):
        spec = make_spec(schedule=schedule)
        others = round_of(0.5, 1.0)
        assert judge(entry(2, 0.0), recorded=others, newest=others, spec=spec, round_number=number) is None


# transfer


@pytest.mark.parametrize(("copy", "weights_of"), [("Both", 1), ("Weights", 1), ("Hyperparameters", 0)])
def test_trap_20_what_shapes_the_weights_goes_with_them(copy, weights_of):
    """Trap 20: weights of one shape with a hyperparameter that means another."""
    for seed in range(10):
        changes = {"copy": copy, "seed": seed, "explore": Perturb(resamplePercent=100)}
        (decision,) = decide(round_of(0.0, 1.0), **changes)
        assert decision.source.member == weights_of
        assert decision.hyperparameters["layers"] == values_of(weights_of)["layers"]
        assert decision.operations["layers"] == "kept"


# explore


@pytest.mark.parametrize(
    "space",
    [log_uniform(1e-3, 1.0), log_uniform(0.5, 0.999, of="OneMinus"), uniform(0.1, 1.0), uniform(0.0, 1.0)],
)
def test_trap_24_values_stay_within_their_bounds_and_leave_them_again(space):
    """Trap 24: values beyond the bounds, or stuck at one by clamping."""
    rng = Random(0)
    value = space.max
    at_a_bound = 0
    for _ in range(500):
        value, _ = space.perturb(value, rng, FACTORS)
        assert space.contains(value)
        at_a_bound += value in {space.min, space.max}
    assert at_a_bound < 100
    assert all(
        space.perturb(bound, Random(n), FACTORS)[0] != bound
        for bound in (space.min, space.max)
        for n in (1, 2)
    )


def test_trap_25_zero_does_not_absorb_and_negative_values_do_not_invert():
    """Trap 25: multiplication can't leave 0, nor pass it; near one it is 1 - x that counts."""
    assert {uniform(-1.0, 1.0).perturb(0.0, Random(n), FACTORS)[0] for n in range(9)} == {-0.4, 0.4}
    assert {integer(0, 9).perturb(0, Random(n), FACTORS)[0] for n in range(9)} == {1}
    assert uniform(-8.0, -1.0).perturb(-2.0, Random(0), (1.25,)) == (-2.5, "x1.25")
    gamma, _ = log_uniform(0.9, 0.9999, of="OneMinus").perturb(0.99, Random(0), (0.8,))
    assert gamma == pytest.approx(0.992)


def test_trap_26_perturbing_does_not_drift():
    """Trap 26: factors 0.8 and 1.2 lose 2 % with each perturbation."""
    assert sum(map(math.log, FACTORS)) == pytest.approx(0, abs=1e-12)
    space, rng = log_uniform(1e-300, 1e300), Random(0)
    changes = [math.log(space.perturb(1.0, rng, FACTORS)[0]) for _ in range(10_000)]
    assert abs(math.fsum(changes) / len(changes)) < 0.008  # a drift of 2 % is nine standard errors
    ups = sum(space.reach(1.0, rng, 1)[0] > 1 for _ in range(10_000))
    assert abs(ups - 5000) < 250  # five standard deviations


@pytest.mark.parametrize("value", range(1, 9))
def test_trap_27_integers_always_move_and_stay_integers(value):
    """Trap 27: rounding that never leaves 1 or 2, and integers that come back as 10.0."""
    moves = {integer(1, 8).perturb(value, Random(n), FACTORS)[0] for n in range(20)}
    assert value not in moves
    for moved in moves:
        read = msgspec.json.decode(msgspec.json.encode(moved), type=Value)
        assert type(moved) is type(read) is int
    if 1 < value < 8:
        assert min(moves) < value < max(moves)


def test_trap_28_choices_go_to_a_neighbour_without_wrapping():
    """Trap 28: wrapping from the largest to the smallest; a donor's value that is not in the list."""
    ordered, unordered = choice((16, 32, 64), ordered=True), choice(("sgd", "adamw"), ordered=False)
    assert {ordered.perturb(64, Random(n), FACTORS)[0] for n in range(9)} == {32}
    assert {ordered.perturb(16, Random(n), FACTORS)[0] for n in range(9)} == {32}
    assert {ordered.perturb(32, Random(n), FACTORS)[0] for n in range(9)} == {16, 64}
    assert unordered.perturb("sgd", Random(0), FACTORS) == ("sgd", "kept")
    values, operations = explored(values_of(0) | {"width": 48}, spec=make_spec(), member=0, round_number=1)
    assert operations["width"] == "resampled"
    assert values["width"] in {32, 64, 128}


def test_trap_29_only_and_all_of_the_copied_are_explored():
    """Trap 29: winners and the middle disturbed, or the copied left unexplored."""
    decisions = decide(round_of(*map(float, range(8))), explore=Perturb(factors=FACTORS, resamplePercent=0))
    assert [d.member for d in decisions] == [0, 1]
    for decision in decisions:
        assert decision.operations["lr"] in {"x0.8", "x1.25", "x0.8, reflected", "x1.25, reflected"}
        assert decision.hyperparameters["lr"] != values_of(decision.source.member)["lr"]


def test_trap_30_what_is_explored_is_what_the_donor_had_at_its_checkpoint():
    """Trap 30: perturbing what the donor has now, after a decision of its own."""
    entries = round_of(0.0, 1.0, 2.0)
    for seed in range(30):
        spec = make_spec(BinaryTournament(), seed=seed)
        for decision in chosen(entries, spec=spec, round_number=ROUND):
            had = values_of(decision.source.member)
            expected = explored(had, spec=spec, member=decision.member, round_number=ROUND)
            assert (decision.hyperparameters, decision.operations) == expected
