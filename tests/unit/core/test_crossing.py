"""The hint: how many moves a range takes, against how often a member is replaced."""

import pytest

from fixtures.hypothesis_strategies import INTERVAL, hyperparameters, make_spec
from pbt_operator.core.crossing import crossings
from pbt_operator.core.rules import NoExploit, Perturb, Truncation
from pbt_operator.core.search import Schedule
from pbt_operator.core.spec import Exploit


def spec(explore, *, percent=25, horizon=0, rounds=41, **changes):
    schedule = Schedule(total_steps=rounds * INTERVAL, interval_steps=INTERVAL)
    exploit = Exploit(Truncation(percent=percent), horizon_percent=horizon)
    return make_spec(exploit=exploit, explore=explore, schedule=schedule, **changes)


def test_a_reach_of_20_percent_crosses_in_five_moves():
    found = {c.name: c for c in crossings(spec(Perturb()))}
    assert found.keys() == {"lr", "momentum"}  # those on a logarithmic scale
    assert found["lr"].moves == found["momentum"].moves == pytest.approx(5)
    assert found["lr"].replacements == pytest.approx(10)  # 40 rounds, a quarter each
    assert not found["lr"].is_slow


def test_a_factor_needs_the_more_moves_the_wider_the_range():
    found = {c.name: c for c in crossings(spec(Perturb(factors=(0.8, 1.25)), rounds=21))}
    assert found["lr"].moves == pytest.approx(41.3, abs=0.1)  # four decades
    assert found["momentum"].moves == pytest.approx(27.9, abs=0.1)  # 0.5 to 0.001 of 1-x
    assert str(found["lr"]) == (
        "lr takes about 41 moves to cross its range, and a member is replaced about 5 times in the whole run"
    )
    assert found["lr"].is_slow


def test_a_horizon_replaces_less_often():
    [lr, _] = crossings(spec(Perturb(), horizon=20, rounds=50))
    assert lr.replacements == pytest.approx(13 / 4)


@pytest.mark.parametrize(
    "changes",
    [
        {"exploit": Exploit(NoExploit())},
        {"members": 1},
        {"hyperparameters": hyperparameters(explored=False)},
    ],
)
def test_there_is_nothing_to_say_where_nobody_moves(changes):
    assert list(crossings(make_spec(**changes))) == []


def test_one_move_once():
    [lr, _] = crossings(spec(Perturb(reachPercent=100), rounds=3, percent=50))
    assert (
        str(lr)
        == "lr takes about 1 move to cross its range, and a member is replaced about once in the whole run"
    )
