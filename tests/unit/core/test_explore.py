from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import (
    explored,
    factors,
    integer,
    log_uniform,
    make_spec,
    perturb,
    spaces,
    uniform,
    values_of,
)
from pbt_operator.core.explore import initial, sample
from pbt_operator.core.rules import Perturb
from pbt_operator.core.search import Hyperparameter

NEVER, ALWAYS = Perturb(resamplePercent=0), Perturb(resamplePercent=100)


@given(st.lists(spaces, min_size=1, max_size=4), factors, st.floats(0, 100), st.integers(0, 9))
def test_any_chain_of_explores_stays_within_the_spaces(spaces, factors, percent, member):
    spec = make_spec(
        hyperparameters=tuple(Hyperparameter(f"h{n}", space) for n, space in enumerate(spaces)),
        explore=perturb(factors, percent),
    )
    values = initial(spec, member=member)
    for number in range(1, 12):
        values, operations = explored(values, spec=spec, member=member, round_number=number)
        assert values.keys() == operations.keys() == {h.name for h in spec.hyperparameters}
        assert all(h.space.contains(values[h.name]) for h in spec.hyperparameters)


def test_the_same_round_and_member_explore_the_same_and_others_differ():
    spec = make_spec()

    def at(member, number):
        return explored(values_of(0), spec=spec, member=member, round_number=number)

    assert at(1, 2) == at(1, 2)
    assert at(1, 2) != at(1, 3)
    assert at(1, 2) != at(2, 2)


def test_each_hyperparameter_has_its_own_draw():
    alike = make_spec(hyperparameters=tuple(Hyperparameter(name, log_uniform(1e-4, 1)) for name in "ab"))
    drawn = sample(alike, member=1, round_number=0)
    assert drawn["a"] != drawn["b"]
    same = {"a": 0.1, "b": 0.1}
    moved = [explored(same, spec=alike, member=1, round_number=n)[1] for n in range(9)]
    assert any(operations["a"] != operations["b"] for operations in moved)


def test_a_hyperparameters_draws_do_not_depend_on_the_others():
    spec = make_spec()
    fewer = make_spec(hyperparameters=spec.hyperparameters[1:])
    assert sample(fewer, member=1, round_number=0).items() <= sample(spec, member=1, round_number=0).items()
    values, _ = explored(values_of(0), spec=spec, member=1, round_number=2)
    values_of_fewer, _ = explored(values_of(0), spec=fewer, member=1, round_number=2)
    assert values_of_fewer.items() <= values.items()


def test_resample_percent_is_how_often_a_hyperparameter_is_resampled():
    def operations(percent):
        spec = make_spec(explore=Perturb(resamplePercent=percent))
        return [
            explored(values_of(0), spec=spec, member=member, round_number=1)[1]["lr"] for member in range(400)
        ]

    assert "resampled" not in operations(0)
    assert set(operations(100)) == {"resampled"}
    assert 60 < operations(25).count("resampled") < 140


def test_factors_are_drawn_alike():
    spec = make_spec(explore=Perturb(factors=(0.8, 1.25), resamplePercent=0))
    words = [explored(values_of(0), spec=spec, member=m, round_number=1)[1]["lr"] for m in range(200)]
    assert set(words) == {"x0.8", "x1.25"}
    assert 70 < words.count("x0.8") < 130


def test_without_factors_only_what_is_log_uniform_moves_by_its_reach():
    spec = make_spec(explore=Perturb(reachPercent=50, resamplePercent=0))
    seen = [explored(values_of(0), spec=spec, member=m, round_number=1)[1] for m in range(200)]
    assert {words["lr"] for words in seen} == {"x100", "x0.01"}
    assert {words["dropout"] for words in seen} == {"+20 %", "-20 %"}  # its range contains 0
    assert {words["batch"] for words in seen} == {"x0.8", "x1.25"}


def test_factors_that_are_given_overrule_the_reach():
    given = make_spec(explore=Perturb(factors=(2.0,), reachPercent=7, resamplePercent=0))
    values, operations = explored(values_of(0), spec=given, member=1, round_number=1)
    assert (values["lr"], operations["lr"]) == (0.02, "x2")


def test_what_is_not_explored_is_copied_even_if_all_else_is_resampled():
    values, operations = explored(values_of(3), spec=make_spec(explore=ALWAYS), member=1, round_number=1)
    assert (values["layers"], operations["layers"]) == (values_of(3)["layers"], "kept")


def test_a_value_that_is_missing_or_outside_is_resampled():
    spec = make_spec(explore=NEVER)
    broken = values_of(0) | {"lr": 7.0, "batch": "8", "width": 33, "layers": True, "gone": 1}
    del broken["dropout"]
    values, operations = explored(broken, spec=spec, member=1, round_number=1)
    assert {name for name, word in operations.items() if word == "resampled"} == broken.keys() - {
        "gone",
        "momentum",
    } | {"dropout"}
    assert all(h.space.contains(values[h.name]) for h in spec.hyperparameters)
    assert "gone" not in values


def test_the_first_members_start_from_what_is_given_and_the_rest_is_sampled():
    spec = make_spec(initial=({"lr": 0.5, "layers": 2}, {"lr": 0.25}))
    sampled = [sample(spec, member=member, round_number=0) for member in range(3)]
    assert initial(spec, member=0) == sampled[0] | {"lr": 0.5, "layers": 2}
    assert initial(spec, member=1) == sampled[1] | {"lr": 0.25}
    assert initial(spec, member=2) == sampled[2]
    assert sampled[0] != sampled[1]


def test_a_whole_number_for_a_float_becomes_one():
    spec = make_spec(
        hyperparameters=(
            Hyperparameter("lr", log_uniform(0.1, 1)),
            Hyperparameter("dropout", uniform(0, 1), explored=False),
            Hyperparameter("layers", integer(1, 2), explored=False),
        ),
        initial=({"lr": 1, "dropout": 0, "layers": 1},),
    )
    values = initial(spec, member=0)
    assert {name: type(value) for name, value in values.items()} == {
        "lr": float,
        "dropout": float,
        "layers": int,
    }
    found, _ = explored({"lr": 1, "dropout": 0, "layers": 1}, spec=spec, member=0, round_number=1)
    assert type(found["dropout"]) is float
    assert type(found["layers"]) is int
