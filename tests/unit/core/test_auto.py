"""What strategy Auto chooses can be recorded and asked for, whatever a population starts with."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fixtures.manifests import DETERMINISTIC, spec
from pbt_operator.core.auto import auto_rules
from pbt_operator.manifest.exploit_explore import Exploit, Explore
from pbt_operator.manifest.population import to_core

DISTRIBUTIONS: list[dict[str, Any]] = [
    {"logUniform": {"min": 1e-5, "max": 1.0}},
    {"logUniform": {"min": 0.5, "max": 0.999, "of": "OneMinus"}},
    {"uniform": {"min": 0.0, "max": 0.6}},
    {"integer": {"min": 1, "max": 4}},
    {"choice": {"values": ["a", "b"]}},
]


@given(
    members=st.sampled_from([1, 2, 3, 4, 8, 22, 32, 10_000]),
    rounds=st.sampled_from([1, 2, 3, 20, 50, 1000, 9_999_999]),
    space=st.lists(st.sampled_from(DISTRIBUTIONS), min_size=1, max_size=6),
    own=st.sampled_from([{}, {"exploit": {"none": {}}, "explore": {"factors": [2]}}]),
)
def test_what_is_chosen_is_valid_and_follows_from_the_start_alone(
    members: int, rounds: int, space: list[dict[str, Any]], own: dict[str, Any]
) -> None:
    start = {
        "members": members,
        "schedule": {"totalSteps": rounds, "intervalSteps": 1},
        "hyperparameters": [{"name": f"h{i}", **distribution} for i, distribution in enumerate(space)],
    }
    chosen = auto_rules(to_core(spec(DETERMINISTIC, **start)))
    assert Exploit.of(chosen.exploit).to_core() == chosen.exploit
    assert Explore.of(chosen.explore).rule == chosen.explore
    assert auto_rules(to_core(spec(DETERMINISTIC, **start, **own))) == chosen
