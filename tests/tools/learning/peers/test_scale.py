"""What tools see that know no logarithm of 1 - x: bounds, order and values survive the way there and back."""

import pytest

from learning.peers.scale import scale_of
from pbt_operator.core.distributions import Choice, Integer, LogUniform, Uniform
from pbt_operator.core.search import Hyperparameter

SPACES = {
    "log": LogUniform(min=1e-4, max=1e-1),
    "one-minus": LogUniform(min=0.8, max=0.999, of="OneMinus"),
    "linear": Uniform(min=-1.0, max=2.0),
    "integer": Integer(min=2, max=9),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_there_and_back(space):
    scale = scale_of(Hyperparameter("x", space))
    low, high = scale.bounds
    assert low < high
    for value in (space.min, space.max, (space.min + space.max) // 2 if isinstance(space, Integer) else 0.9):
        if space.contains(value):
            inside = scale.inside(value)
            assert low <= inside <= high
            assert scale.value(inside) == pytest.approx(value, rel=1e-12)
            assert space.contains(scale.value(inside))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_what_rounding_leads_outside_is_led_back(space):
    scale = scale_of(Hyperparameter("x", space))
    low, high = scale.bounds
    for inside in (low - 1e-9, low, high, high + 1e-9):
        assert space.contains(scale.value(inside))


def test_the_logarithm_is_of_what_is_inside():
    assert [scale_of(Hyperparameter("x", space)).logarithmic for space in SPACES.values()] == [
        True,
        True,
        False,
        False,
    ]
    assert scale_of(Hyperparameter("x", SPACES["one-minus"])).bounds == pytest.approx((0.001, 0.2))


def test_a_choice_has_no_scale():
    assert scale_of(Hyperparameter("x", Choice(values=("a", "b")))) is None
