"""What a manifest's exploit and explore are at a location: chosen once, as given, or as recorded."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.wrong_manifests import GOOD, put
from pbt_operator.core.auto import AutoRules, auto_rules
from pbt_operator.core.location_records import SpecHistory, SpecRecord
from pbt_operator.core.rule_words import exploit_words, explore_words
from pbt_operator.core.rules import Perturb, Truncation
from pbt_operator.core.spec import Exploit, Spec
from pbt_operator.core.strategy import Strategy
from pbt_operator.manifest import settled_spec
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import parse
from pbt_operator.manifest.population import PopulationSpec, as_now, recorded, to_core, to_wire
from pbt_operator.manifest.settled_spec import as_manifest, is_another, settled, strategy_of

ARMS: list[tuple[str, Any, str]] = [
    ("exploit", {"truncation": {"percent": 25}}, "spec.exploit.truncation"),
    ("exploit", {"none": {}}, "spec.exploit.none"),
    ("exploit", {"horizonPercent": 0}, "spec.exploit.horizonPercent"),
    ("explore", {"factors": [0.8, 1.25]}, "spec.explore.factors"),
    ("explore", {"resamplePercent": 25}, "spec.explore.resamplePercent"),
    ("explore", {}, "spec.explore"),
]
PERCENTS = st.integers(0, 100)


def manifest(**changes: Any) -> PopulationSpec:
    return PopulationSpec.model_validate({**deepcopy(GOOD["spec"]), **changes})


def begun(spec: PopulationSpec) -> SpecHistory:
    """A location that was begun with a manifest, and where nothing has changed since."""
    record = SpecRecord(number=1, name="digits", namespace="team", spec=to_wire(settled(spec, None)))
    return SpecHistory(record, record)


def former(**changes: Any) -> SpecHistory:
    """A location that a version without strategies began, which filled in its defaults."""
    exploit = {"minGap": 0.0, "copy": "Both", **changes.pop("exploit", {})}
    explore = {"factors": [0.8, 1.25], "resamplePercent": 25, **changes.pop("explore", {})}
    whole = to_wire(manifest(**changes))
    record = SpecRecord(
        number=1, name="digits", namespace="team", spec={**whole, "exploit": exploit, "explore": explore}
    )
    return SpecHistory(record, record)


def by_members(spec: Spec) -> AutoRules:
    """A choice that differs with whatever may change later."""
    percent = (spec.members + spec.schedule.last_round) % 50 + 1
    return AutoRules(
        Exploit(Truncation(percent=percent), horizon_percent=percent), Perturb(reachPercent=percent)
    )


# a new location


@pytest.mark.parametrize("asked", [None, "Auto"])
def test_a_new_population_is_auto_with_everything_written_out(asked: str | None) -> None:
    found = settled(manifest(strategy=asked, exploit={"minGap": 0.5, "copy": "Weights"}), None)
    chosen = auto_rules(to_core(manifest()))
    wire = to_wire(found)
    assert wire["strategy"] == "Auto"
    assert to_core(found).explore == chosen.explore
    assert to_core(found).exploit.rule == chosen.exploit.rule
    assert wire["exploit"] == {**exploit_words(chosen.exploit), "minGap": 0.5, "copy": "Weights"}
    assert wire["explore"] == explore_words(chosen.explore)


def test_explicit_is_what_is_given_and_the_defaults_of_the_rest() -> None:
    wire = to_wire(settled(manifest(strategy="Explicit", exploit={"minGap": 1}), None))
    assert wire["exploit"] == {
        "truncation": {"percent": 25},
        "minGap": 1.0,
        "copy": "Both",
        "horizonPercent": 0,
    }
    assert wire["explore"] == {"reachPercent": 20, "resamplePercent": 25}


@pytest.mark.parametrize(("part", "given", "place"), ARMS)
def test_what_auto_chooses_is_refused_by_place_and_remedy(
    part: str, given: dict[str, Any], place: str
) -> None:
    """Written with Auto, without a strategy where the location is new, and where it began with Auto."""
    tree = deepcopy(GOOD)
    put(tree, f"spec.{part}", given)
    asked = parse(tree, source="digits.yaml").spec
    put(tree, "spec.strategy", "Auto")
    messages = []
    for refused in (
        lambda: parse(tree, source="digits.yaml"),
        lambda: settled(asked, None),
        lambda: settled(asked, begun(manifest())),
    ):
        with pytest.raises(ManifestError) as raised:
            refused()
        (problem,) = raised.value.problems
        messages.append(str(problem))
        assert str(problem).startswith(f"{place}: is given")
        assert "left out" in str(problem)
        assert "Explicit" in str(problem)
    assert len(set(messages)) == 3


# later, where a population began with Auto


@given(
    members=st.integers(1, 60),
    total_steps=st.integers(4000, 9000),
    min_gap=st.sampled_from([0, 0.25, 3]),
    copy=st.sampled_from(["Both", "Weights"]),
)
def test_members_and_steps_that_change_choose_nothing_again(
    members: int, total_steps: int, min_gap: float, copy: str
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settled_spec, "auto_rules", by_members)
        known = begun(manifest())
        later = manifest(
            members=members,
            schedule={"totalSteps": total_steps, "intervalSteps": 200},
            exploit={"minGap": min_gap, "copy": copy},
        )
        found = to_core(settled(later, known))
    first = to_core(recorded(known.first))
    assert (found.members, found.exploit.min_gap, found.exploit.copy) == (members, min_gap, copy)
    assert found.exploit.rule == first.exploit.rule
    assert found.exploit.horizon_percent == first.exploit.horizon_percent
    assert found.explore == first.explore
    assert found.strategy is Strategy.AUTO


def test_what_a_version_without_strategies_recorded_later_doesnt_count() -> None:
    """After a rollback and another upgrade, what was chosen at the start is in force again."""
    known = begun(manifest())
    rolled_back = SpecHistory(known.first, former(members=9).first)
    assert to_wire(settled(manifest(members=9), rolled_back)) == {**known.first.spec, "members": 9}


def test_another_strategy_is_another_experiment() -> None:
    auto, explicit = begun(manifest()).first, begun(manifest(strategy="Explicit")).first
    old = former().first
    assert [strategy_of(first).value for first in (auto, explicit, old)] == ["Auto", "Explicit", "Explicit"]
    asked = {name: manifest(strategy=name) for name in (None, "Auto", "Explicit")}
    assert [name for name, spec in asked.items() if is_another(spec, auto)] == ["Explicit"]
    for first in (explicit, old):
        assert [name for name, spec in asked.items() if is_another(spec, first)] == ["Auto"]


# where a population began before there were strategies

EXPLOITS = st.fixed_dictionaries(
    {}, optional={"minGap": st.sampled_from([0, 1]), "copy": st.sampled_from(["Both", "Weights"])}
).flatmap(
    lambda shared: st.sampled_from(
        [{}, {"truncation": {}}, {"truncation": {"percent": 40}}, {"tTest": {}}, {"none": {}}]
    ).map(lambda arm: {**shared, **arm})
)
EXPLORES = st.fixed_dictionaries(
    {}, optional={"factors": st.sampled_from([[0.8, 1.25], [0.5, 2]]), "resamplePercent": PERCENTS}
)


@given(exploit=EXPLOITS, explore=EXPLORES, asked=st.sampled_from([None, "Explicit"]))
def test_an_upgrade_alone_changes_no_spec(exploit: Any, explore: Any, asked: str | None) -> None:
    """Neither where the manifest is as somebody wrote it, nor where an API server filled in the defaults of then."""
    known = former(exploit=exploit, explore=explore)
    as_written = {"exploit": exploit, "explore": explore}
    filled_in = {part: known.first.spec[part] for part in as_written}
    for parts in (as_written, filled_in, {}):
        found = to_wire(settled(manifest(strategy=asked, **parts), known))
        assert found == as_now(known.newest.spec)
    assert found["strategy"] == "Explicit"
    assert found["explore"]["factors"] == known.first.spec["explore"]["factors"]


def test_a_record_of_then_that_lacks_an_explore_had_the_defaults_of_then() -> None:
    wire = {name: part for name, part in former().first.spec.items() if name not in {"exploit", "explore"}}
    found = to_core(recorded(SpecRecord(number=1, name="digits", namespace="team", spec=wire)))
    assert found.explore == Perturb(factors=(0.8, 1.25), resamplePercent=25)
    assert found.exploit == Exploit(Truncation(percent=25))


def test_there_what_is_not_given_stays_as_it_is_recorded() -> None:
    known = former(exploit={"tTest": {"pValue": 0.1}}, explore={"factors": [0.5, 2]})

    def asked(**parts: Any) -> dict[str, Any]:
        found = to_wire(settled(manifest(**parts), known))
        return {**found["exploit"], **found["explore"]}

    assert asked() == {
        "tTest": {"pValue": 0.1},
        "minGap": 0.0,
        "copy": "Both",
        "horizonPercent": 0,
        "factors": [0.5, 2.0],
        "resamplePercent": 25,
    }
    assert asked(exploit={"minGap": 1}) == {**asked(), "minGap": 1.0}
    assert asked(exploit={"horizonPercent": 20}) == {**asked(), "horizonPercent": 20}
    assert "tTest" not in asked(exploit={"none": {}})
    assert asked(explore={"resamplePercent": 50}) == {**asked(), "resamplePercent": 50}


def test_there_a_reach_takes_the_place_of_the_recorded_factors() -> None:
    found = to_wire(settled(manifest(explore={"reachPercent": 30}), former()))
    assert found["explore"] == {"reachPercent": 30, "resamplePercent": 25}


# forth and back


@given(
    strategy=st.sampled_from([None, "Auto", "Explicit"]),
    min_gap=st.sampled_from([0, 2]),
    members=st.integers(1, 50),
)
def test_a_recorded_spec_asks_for_itself(strategy: str | None, min_gap: float, members: int) -> None:
    """What an operator goes on with that finds a wrong manifest: it has nothing but the record."""
    known = begun(manifest(strategy=strategy, exploit={"minGap": min_gap}, members=members))
    again = as_manifest(recorded(known.newest))
    assert not is_another(again, known.first)
    assert to_wire(settled(again, known)) == known.newest.spec


def test_a_manifest_is_dumped_as_it_was_given() -> None:
    tree = deepcopy(GOOD)
    tree["spec"].update(strategy="Auto", exploit={"minGap": 1.0})
    population = parse(tree, source="digits.yaml")
    assert to_wire(population)["spec"]["exploit"] == {"minGap": 1.0}
    assert "explore" not in to_wire(population)["spec"]
    assert parse(to_wire(population), source="again") == population
