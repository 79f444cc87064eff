"""Where values lie on their distribution's own scale, which a model of them asks for."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import choice, integer, log_uniform, spaces, uniform

shares = st.floats(0, 1)


@given(spaces, st.integers(0, 99), shares)
def test_a_value_has_a_place_or_is_an_option(space, seed, share):
    value = space.sample(Random(seed))
    assert space.has_places != (space.options is not None)
    if space.options is not None:
        assert value in space.options
        return
    assert 0 <= space.place(value) <= 1
    assert space.contains(space.at(share))
    assert 0 <= space.nearest(share) <= 1
    assert space.nearest(space.nearest(share)) == pytest.approx(space.nearest(share), abs=1e-9)


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (uniform(-2.0, 6.0), {-2.0: 0, 0.0: 0.25, 6.0: 1}),
        (log_uniform(1e-4, 1.0), {1e-4: 0, 1e-2: 0.5, 1.0: 1}),
        (log_uniform(0.0, 0.99, of="OneMinus"), {0.99: 0, 0.9: 0.5, 0.0: 1}),
        (integer(1, 5), {1: 0, 2: 0.25, 5: 1}),
        (choice((32, 64, 128), ordered=True), {32: 0, 64: 0.5, 128: 1}),
    ],
)
def test_a_place_is_on_the_scale_on_which_a_distribution_is_even(space, values):
    for value, place in values.items():
        assert space.place(value) == pytest.approx(place)
        assert space.at(space.place(value)) == pytest.approx(value)


@pytest.mark.parametrize("space", [integer(1, 5), choice((32, 64, 128, 256, 512), ordered=True)])
def test_values_that_lie_apart_are_gone_to(space):
    assert [space.nearest(place) for place in (0.1, 0.3, 0.49, 0.9)] == [0, 0.25, 0.5, 1]


@pytest.mark.parametrize(
    "space",
    [
        uniform(2.0, 2.0),
        log_uniform(2.0, 2.0),
        log_uniform(1e300, math.nextafter(1e300, math.inf)),
        integer(3, 3),
    ],
)
def test_a_range_that_is_a_point_has_one_place(space):
    assert space.place(space.min) == 0
    assert space.contains(space.at(0.7))
