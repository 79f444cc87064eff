"""Every registered rule keeps the laws and replays; and the laws notice what they are there for."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.hypothesis_strategies import ROUND, entries, entry, make_spec, round_of, source_of, standing
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Cause
from pbt_operator.core.exploit import choose
from pbt_operator.core.laws import broken_laws
from pbt_operator.core.replay import replay_faults
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import (
    EXPLOITS,
    EXPLORES,
    BinaryTournament,
    NoExploit,
    Perturb,
    Truncation,
    TTest,
)
from pbt_operator.core.spec import Copy


def field_values(field):
    """Values that a manifest's field of this JSON schema can have."""
    if "anyOf" in field:
        return st.one_of(map(field_values, field["anyOf"]))
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    match field.get("type"):
        case "integer":
            return st.integers(low, high)
        case "number":
            excluded = {"exclude_min": "minimum" not in field, "exclude_max": "maximum" not in field}
            return st.floats(low, high, **excluded)
        case "array":
            return st.lists(field_values(field["items"]), min_size=field["minItems"], max_size=4)
        case "null":
            return st.none()
    return st.just(field["default"])


@st.composite
def rules(draw, registry):
    """An arm of any registered rule, with any values of its fields."""
    kind = draw(st.sampled_from(sorted(registry, key=str)).map(registry.get))
    fields = kind.model_json_schema().get("properties", {})
    return kind.model_validate({name: draw(field_values(field)) for name, field in fields.items()})


@st.composite
def specs(draw):
    return make_spec(
        draw(rules(EXPLOITS)),
        explore=draw(rules(EXPLORES)),
        min_gap=draw(st.sampled_from([0.0, 0.5])),
        copy=draw(st.sampled_from(Copy)),
        goal=draw(st.sampled_from(["Maximize", "Minimize"])),
        seed=draw(st.integers(0, 9)),
    )


def recorded(compared, spec, *, number=ROUND):
    """A round as it is read back from the store."""
    chosen = choose(spec.view(number, compared), spec=spec)
    written = Round(
        number=number,
        step=spec.schedule.step_of(number),
        spec=1,
        entries=compared,
        decisions=chosen.decisions,
        recorded=chosen.recorded,
    )
    return decode(Round, encode(written), key=written.key)


@given(entries(), specs())
def test_a_round_by_any_rules_keeps_the_laws_and_replays(compared, spec):
    assert list(replay_faults(recorded(compared, spec), spec=spec, rounds={})) == []


@pytest.mark.parametrize("registry", [EXPLOITS, EXPLORES])
def test_every_rule_describes_itself_and_has_defaults(registry):
    for kind in registry.values():
        schema = kind.model_json_schema()
        assert schema["description"]
        assert all(field["description"] for field in schema.get("properties", {}).values())
    next(iter(registry.values()))()


def test_a_round_by_exact_rules_has_no_field_for_recorded_ones():
    assert b"recorded" not in encode(recorded(round_of(0.0, 1.0), make_spec()))


@pytest.mark.parametrize("rounds", [0, 65])
def test_a_rule_looks_at_1_to_64_rounds(rounds):
    with pytest.raises(TypeError, match="should be 1 to 64"):
        type("Far", (NoExploit,), {"rounds": rounds, "__annotations__": {}})


# what the laws notice

BOTH = make_spec(explore=Perturb(resamplePercent=0))


def broken(compared, spec, change):
    """The broken laws of a round whose decisions are changed."""
    view = spec.view(ROUND, compared)
    return list(broken_laws(change(choose(view, spec=spec).decisions), view=view, spec=spec))


def first(**changes):
    return lambda decisions: [msgspec.structs.replace(decisions[0], **changes), *decisions[1:]]


FOUR = round_of(0.0, 1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("compared", "spec", "change", "law"),
    [
        (FOUR, BOTH, lambda d: [*d, *d], "the decisions are not one for each loser"),
        (FOUR, BOTH, first(member=9), "member 9 is replaced, and was not compared"),
        (FOUR, BOTH, first(incarnation=2), "member 0 is replaced, and was not compared"),
        (FOUR, BOTH, first(source=None), "member 0 copies nobody"),
        (FOUR, BOTH, first(source=source_of(0)), "copies something else than another member's report"),
        (FOUR, BOTH, first(source=source_of(3, incarnation=2)), "copies something else than another"),
        (FOUR, BOTH, first(member=1, source=source_of(0)), "copies member 0, which is no better"),
        (FOUR, BOTH, first(cause=Cause.ROLLBACK), "is rolled back, though others have a finite score"),
        (FOUR, BOTH, first(hyperparameters={}), "doesn't get a value and an operation for each"),
        (FOUR, BOTH, first(hyperparameters={"lr": 7.0}), "gets lr = 7.0, outside its space"),
        (
            FOUR,
            BOTH,
            lambda d: first(operations={**d[0].operations, "layers": "x2"})(d),
            "another layers, which is never explored",
        ),
        (round_of(None, 1.0), BOTH, lambda _: [], "member 0 has no finite score, and stays"),
        (FOUR, make_spec(copy="Hyperparameters"), first(source=source_of(3)), "doesn't keep its weights"),
        (FOUR, BOTH, first(member=1), "member 1 lost, and is not among the worst 1"),
        (FOUR, BOTH, first(source=source_of(2)), "member 2 is copied, and is not among the best 1"),
        (
            FOUR,
            make_spec(explore=Perturb(resamplePercent=100)),
            lambda d: first(operations={**d[0].operations, "lr": "x2"})(d),
            "lr of member 0 isn't resampled",
        ),
    ],
)
def test_a_broken_law_is_told(compared, spec, change, law):
    assert law in "\n".join(broken(compared, spec, change))


def test_a_t_test_in_doubt_is_told():
    compared = [entry(0, 1.0, values=[0.0, 2.0]), entry(1, 1.5, values=[0.5, 2.5])]
    decisions = choose(BOTH.view(ROUND, compared), spec=BOTH).decisions
    spec = make_spec(TTest())
    told = broken_laws(decisions, view=spec.view(ROUND, compared), spec=spec)
    assert list(told) == ["member 0 lost to member 1 with p = 0.38"]


def test_an_exploit_by_nobody_is_told():
    spec = make_spec(NoExploit())
    decisions = choose(BOTH.view(ROUND, FOUR), spec=BOTH).decisions
    assert list(broken_laws(decisions, view=spec.view(ROUND, FOUR), spec=spec)) == [
        "member 0 is replaced, though nobody exploits"
    ]


def test_a_decision_where_nothing_is_decided_is_told():
    decisions = choose(BOTH.view(ROUND, FOUR), spec=BOTH).decisions
    last = BOTH.view(BOTH.schedule.last_round, FOUR)
    assert "members are replaced where nothing is decided" in broken_laws(decisions, view=last, spec=BOTH)


def test_where_nobody_has_a_finite_score_a_rollback_is_no_fault():
    compared = [entry(0, None, ancestor=standing(0, 0.5, step=100)), entry(1, None)]
    for kind in (Truncation, BinaryTournament, TTest):
        spec = make_spec(kind())
        assert list(replay_faults(recorded(compared, spec), spec=spec, rounds={})) == []
