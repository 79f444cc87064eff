"""Values of `env` are left out of what is recorded, and come back from the manifest at hand."""

from copy import deepcopy

import pytest

from fixtures.manifests import DETERMINISTIC, spec
from pbt_operator.manifest.env_values import SECTIONS, with_env_values, without_env_values
from pbt_operator.manifest.population import to_wire

REFERENCE = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}


def template(**values: object) -> dict[str, object]:
    """Each section with one container that has these variables and a reference."""
    env = [*({"name": name, "value": value} for name, value in values.items()), REFERENCE]
    return {
        "metadata": {"labels": {"env": "kept"}},
        "spec": {
            section: [{"name": "trainer", "args": ["-v"], "env": deepcopy(env)}] for section in SECTIONS
        },
    }


def test_names_and_references_stay_and_literal_values_go():
    found = without_env_values({"members": 2, "template": template(KEY="s3cr3t")})
    assert "s3cr3t" not in str(found)
    assert found["members"] == 2
    assert found["template"]["metadata"] == {"labels": {"env": "kept"}}
    for section in SECTIONS:
        (container,) = found["template"]["spec"][section]
        assert container == {"name": "trainer", "args": ["-v"], "env": [{"name": "KEY"}, REFERENCE]}
    assert without_env_values(found) == found


@pytest.mark.parametrize(
    "odd",
    [
        {"template": {"spec": {"containers": [{"env": {"KEY": "s3cr3t"}}]}}},
        {"template": {"spec": {"containers": {"trainer": {"env": [{"name": "KEY", "value": "s3cr3t"}]}}}}},
        {"template": {"spec": {"initContainers": ["s3cr3t"]}}},
        {"template": {"spec": {"containers": [{"env": ["KEY=s3cr3t"]}]}}},
    ],
)
def test_what_is_written_otherwise_than_kubernetes_does_is_left_out_whole(odd):
    assert "s3cr3t" not in str(without_env_values(odd))


@pytest.mark.parametrize(
    "bare", [{}, {"template": {}}, {"template": {"spec": {}}}, {"template": {"spec": None}}]
)
def test_what_has_no_container_is_left_as_it_is(bare):
    assert without_env_values(bare) == bare


def test_a_spec_of_the_models_is_one_without_values_too():
    """What is recorded validates to the same models."""
    given = spec(DETERMINISTIC, template=template(KEY="s3cr3t"))
    found = without_env_values(to_wire(given))
    assert to_wire(spec(found)) == found


def test_values_come_back_from_the_template_at_hand():
    whole = template(KEY="s3cr3t", EMPTY="")
    kept = without_env_values({"template": whole})["template"]
    assert with_env_values(kept, whole) == whole
    assert with_env_values(kept, template(EMPTY="", MORE="x", KEY="other")) == template(KEY="other", EMPTY="")
    assert with_env_values(whole, {}) == whole  # recorded by a version that kept them


@pytest.mark.parametrize(
    "given", [{}, {"spec": []}, {"spec": {"containers": "x"}}, template(OTHER="1"), None]
)
def test_a_variable_whose_value_nobody_knows_is_not_made_up(given):
    kept = without_env_values({"template": template(KEY="s3cr3t")})["template"]
    assert with_env_values(kept, given) is None
