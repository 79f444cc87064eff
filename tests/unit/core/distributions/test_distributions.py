import json
import math
import re
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import choice, factors, integer, integers, log_uniform, spaces, uniform
from pbt_contract.records import Value
from pbt_operator.core.distributions import DISTRIBUTIONS, LogUniform, Uniform

UP, DOWN = (1.25,), (0.8,)


def floats(space):
    return isinstance(space, LogUniform | Uniform)


@given(spaces, factors, st.integers(0, 99))
def test_any_chain_of_moves_stays_within_the_space_and_its_type(space, factors, seed):
    rng = Random(seed)
    value = space.sample(rng)
    for _ in range(20):
        assert space.contains(value)
        assert not floats(space) or type(value) is float
        value, word = space.perturb(value, rng, factors)
        assert word
    assert space.contains(value)


@given(spaces, factors, st.integers(0, 99))
def test_values_keep_value_and_type_through_json(space, factors, seed):
    value, _ = space.perturb(space.sample(Random(seed)), Random(seed), factors)
    for read in (
        msgspec.json.decode(msgspec.json.encode(value), type=Value),
        json.loads(json.dumps(value)),
    ):
        assert (type(read), read) == (type(value), value)


@given(integers, factors, st.integers(0, 99))
def test_integers_always_move_unless_there_is_only_one(space, factors, seed):
    rng = Random(seed)
    value = space.sample(rng)
    moved, word = space.perturb(value, rng, factors)
    assert (moved == value) == (space.min == space.max) == (word == "kept")


@given(spaces, st.integers(0, 99))
def test_the_same_seed_draws_the_same(space, seed):
    def draw():
        rng = Random(seed)
        value = space.sample(rng)
        return value, space.perturb(value, rng, (0.8, 1.25))

    assert draw() == draw()


@pytest.mark.parametrize(
    "space",
    [
        log_uniform(3, 3),
        log_uniform(0.3, 0.3, of="OneMinus"),
        uniform(0, 0),
        uniform(0.9, 0.9),
        integer(3, 3),
    ],
)
def test_a_range_of_one_value_keeps_it(space):
    for seed in range(20):
        drawn = space.sample(Random(seed))
        assert (drawn, type(drawn) is float) == (space.min, floats(space))
    assert space.perturb(space.min, Random(0), UP) == (space.min, "kept")


@pytest.mark.parametrize(
    ("space", "value", "factors", "expected"),
    [
        (log_uniform(0.01, 1), 0.1, UP, (0.125, "x1.25")),
        (log_uniform(0.01, 1), 0.1, DOWN, (0.08000000000000002, "x0.8")),
        (log_uniform(0.01, 1), 1, UP, (0.8, "x1.25, reflected")),
        (log_uniform(0.01, 1), 0.9, UP, (pytest.approx(1 / (0.9 * 1.25)), "x1.25, reflected")),
        (log_uniform(0.01, 1), 0.01, DOWN, (pytest.approx(0.0125), "x0.8, reflected")),
        (log_uniform(0.01, 1), 1.0, (12500,), (pytest.approx(0.8), "x12500, reflected")),
        (log_uniform(0.5, 0.999, of="OneMinus"), 0.9, UP, (pytest.approx(0.875), "x1.25 of 1-x")),
        (log_uniform(0.5, 0.999, of="OneMinus"), 0.9, DOWN, (pytest.approx(0.92), "x0.8 of 1-x")),
        (
            log_uniform(0.5, 0.75, of="OneMinus"),
            0.75,
            DOWN,
            (pytest.approx(0.6875), "x0.8 of 1-x, reflected"),
        ),
        (uniform(1, 3), 2.0, UP, (2.5, "x1.25")),
        (uniform(1, 3), 3.0, UP, (2.25, "x1.25, reflected")),
        (uniform(-3, -1), -2.0, UP, (-2.5, "x1.25")),
        (uniform(-3, -1), -1.0, (0.5,), (-1.5, "x0.5, reflected")),
        (integer(1, 64), 8, UP, (10, "x1.25")),
        (integer(1, 64), 1, UP, (2, "+1")),
        (integer(1, 64), 2, DOWN, (1, "-1")),
        (integer(1, 64), 1, DOWN, (2, "+1")),
        (integer(1, 64), 64, UP, (48, "x1.25, reflected")),
        (integer(1, 2), 2, UP, (1, "-1")),
        (integer(0, 4), 0, UP, (1, "+1")),
        (integer(-4, 4), 0, DOWN, (-1, "-1")),
        (integer(-4, 4), 0, UP, (1, "+1")),
        (integer(-9, 0), -2, UP, (-3, "-1")),
        (integer(1, 4), 1, (1.0,), (2, "+1")),
        (choice(("a", "b", "c"), ordered=True), "a", UP, ("b", "next")),
        (choice(("a", "b", "c"), ordered=True), "c", UP, ("b", "previous")),
        (choice(("a",), ordered=True), "a", UP, ("a", "kept")),
        (choice(("a", "b"), ordered=False), "a", UP, ("a", "kept")),
    ],
)
def test_one_move(space, value, factors, expected):
    assert space.perturb(value, Random(0), factors) == expected


@pytest.mark.parametrize(
    ("space", "value", "percent", "expected"),
    [
        (log_uniform(1e-4, 1.0), 0.01, 50, {(1.0, "x100"), (1e-4, "x0.01")}),
        (log_uniform(1e-4, 1.0), 0.01, 25, {(0.1, "x10"), (0.001, "x0.1")}),
        (log_uniform(1e-4, 1.0), 0.1, 50, {(0.1, "x100, reflected"), (0.001, "x0.01")}),
        (log_uniform(1e-4, 1.0), 1e-4, 100, {(1.0, "x1e+04"), (1.0, "x0.0001, reflected")}),
        (
            log_uniform(0.9, 0.99, of="OneMinus"),
            0.9,
            50,
            {(0.968377, "x0.316 of 1-x"), (0.968377, "x3.16 of 1-x, reflected")},
        ),
        (log_uniform(0.5, 0.5), 0.5, 20, {(0.5, "kept")}),
    ],
)
def test_a_reach_is_a_share_of_the_range_on_the_logarithmic_scale(space, value, percent, expected):
    moves = {space.reach(value, Random(seed), percent) for seed in range(20)}
    assert {(float(f"{moved:.6g}"), word) for moved, word in moves} == expected


@given(space=spaces, percent=st.integers(1, 100), seed=st.integers(0, 99))
def test_a_chain_of_reaches_stays_within_the_space(space, percent, seed):
    rng = Random(seed)
    value = space.sample(rng)
    for _ in range(20):
        value, _ = space.reach(value, rng, percent)
        assert space.contains(value)
        assert type(value) is type(space.typed(value))


@given(space=spaces, percent=st.integers(1, 100), seed=st.integers(0, 99))
def test_what_has_no_scale_of_its_own_moves_by_the_two_factors(space, percent, seed):
    if not isinstance(space, LogUniform):
        value = space.sample(Random(seed))
        assert space.reach(value, Random(seed), percent) == space.perturb(value, Random(seed), (0.8, 1.25))


@pytest.mark.parametrize("value", [0.0, 0.3, 0.6])
def test_a_uniform_that_contains_zero_moves_by_a_fifth_of_its_range(value):
    space = uniform(0.0, 0.6)
    moves = {space.perturb(value, Random(seed), UP) for seed in range(20)}
    words = {word for _, word in moves}
    assert all(abs(moved - value) == pytest.approx(0.12) for moved, _ in moves)
    assert (
        words
        == {
            0.0: {"+20 %", "-20 %, reflected"},
            0.3: {"+20 %", "-20 %"},
            0.6: {"+20 %, reflected", "-20 %"},
        }[value]
    )


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.5), (-0.5, 0.0), (-0.25, 0.25)])
def test_the_reference_says_by_how_much_a_uniform_around_zero_moves(low, high):
    reference = (Path(__file__).parents[4] / "docs" / "manifest.md").read_text()
    (told,) = set(
        re.findall(
            r"where 0 is one of the bounds or between them, it moves by (\d+) % of the range", reference
        )
    )
    space = uniform(low, high)
    moves = {space.perturb((low + high) / 2, Random(seed), UP)[0] for seed in range(20)}
    assert max(moves) - min(moves) == pytest.approx(2 * int(told) / 100 * (high - low))


def test_an_ordered_choice_goes_to_either_neighbour():
    space = choice((1, 2, 4, 8), ordered=True)
    assert {space.perturb(2, Random(seed), UP) for seed in range(20)} == {(1, "previous"), (4, "next")}


@pytest.mark.parametrize(
    ("space", "inside", "outside"),
    [
        (log_uniform(0.1, 1), [0.1, 1.0, 1], [0.09, 1.01, True, "0.5", math.nan, math.inf]),
        (uniform(0, 1), [0.0, 0, 1.0], [-0.1, 2, False, "0", math.nan, 10**400]),
        (integer(0, 2), [0, 1, 2], [3, -1, 1.0, True, "1"]),
        (choice((1, "a", False), ordered=False), [1, "a", False], [True, 1.0, 0, "b"]),
    ],
)
def test_contains_is_about_range_and_type(space, inside, outside):
    assert all(map(space.contains, inside))
    assert not any(map(space.contains, outside))


def quartiles(space):
    drawn = sorted(space.sample(Random(seed)) for seed in range(2000))
    return [drawn[500], drawn[1000], drawn[1500]]


def test_samples_follow_their_distribution():
    assert quartiles(log_uniform(1e-4, 1)) == pytest.approx([1e-3, 1e-2, 1e-1], rel=0.3)
    assert [1 - x for x in quartiles(log_uniform(0, 0.9999, of="OneMinus"))] == pytest.approx(
        [1e-1, 1e-2, 1e-3], rel=0.3
    )
    assert quartiles(uniform(-1, 3)) == pytest.approx([0, 1, 2], abs=0.15)
    assert {integer(1, 4).sample(Random(seed)) for seed in range(30)} == {1, 2, 3, 4}
    assert {choice(("a", "b", "c"), ordered=True).sample(Random(seed)) for seed in range(30)} == {
        "a",
        "b",
        "c",
    }


def test_draws_are_these_very_bits_on_every_machine():
    space = log_uniform(1e-4, 1.0)
    assert space.sample(Random("7/0/0/sample/lr")) == 0.014114086984236085
    assert space.sample(Random(1144)) == 0.011011540721501194  # with glibc's exp it would end in 6
    assert space.perturb(0.97, Random(0), UP) == (0.8247422680412371, "x1.25, reflected")


@given(spaces, st.integers(0, 99))
def test_what_is_drawn_is_admitted_and_typed_as_it_is(space, seed):
    value = space.sample(Random(seed))
    assert space.admit(value) == value
    assert (type(space.typed(value)), space.typed(value)) == (type(value), value)


@given(spaces)
def test_an_axis_is_one_that_the_page_can_draw(space):
    axis = space.axis()
    kind = axis.pop("kind")
    assert kind in {"linear", "log", "oneMinus", "integer", "choice"}
    assert axis.keys() == ({"values"} if kind == "choice" else {"min", "max"})


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_describes_itself_and_its_fields(name):
    schema = DISTRIBUTIONS[name].model_json_schema()
    assert schema["description"]
    assert all(field["description"] for field in schema["properties"].values())
