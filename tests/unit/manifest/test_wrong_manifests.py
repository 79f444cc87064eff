"""Every wrong field is named with its path, with what was found and what would be right."""

import re
from typing import Any

import pytest

from fixtures.wrong_manifests import MISSING, WRONG, Wrong, put
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import parse

# What kubectl can't send, or refuses by itself.
LOCAL = [
    Wrong("specs", {}, "unknown field; did you mean spec?", None),
    Wrong("metadata.name", MISSING, "is missing", None),
    Wrong("metadata.name", "Digits", "is 'Digits'; should be a text of 1 to 40 characters of a-z", None),
    Wrong("metadata.name", 7, "is 7; should be a text", None),
    Wrong("metadata.name", "a\n", "is 'a\\n'; should be", None),
    Wrong("metadata.namespace", "team_a", "is 'team_a'", None),
    Wrong("spec.members", 10**400, "is a huge number; should be a whole number", None),
    Wrong("spec.\x1b[31m", 1, "unknown field", None),
    Wrong("spec.apiVersion", "v1", "unknown field here; it belongs at the top", None),
    Wrong("spec.objective.target", float("nan"), "is nan; should be a number", None),
    Wrong("spec.hyperparameters.0.logUniform.max", 10**400, "is a huge number; should be", None),
    Wrong("spec.hyperparameters.0.logUniform.max", 1e301, "should be a number", None),
    Wrong("spec.hyperparameters.2.choice.values", [1, float("inf")], "is inf", None, "*[1]"),
    Wrong(
        "spec.exploit",
        {"none": {"percent": 20}},
        "it belongs in spec.exploit.truncation",
        None,
        "*.none.percent",
    ),
    Wrong("spec.exploit", {"none": {"loud": 20}}, "nothing belongs here", None, "*.none.loud"),
    Wrong(
        "spec.limits", {"gpuHours": 5}, "the template asks for no GPU; should be left out", None, "*.gpuHours"
    ),
    Wrong("spec.exploit.truncation", None, "is empty; should be truncation: {}", None),
]


@pytest.mark.parametrize("wrong", [*WRONG, *LOCAL], ids=str)
def test_a_wrong_field_is_named_with_the_remedy(wrong: Wrong) -> None:
    with pytest.raises(ManifestError) as raised:
        parse(wrong.manifest, source="digits.yaml")
    (problem,) = [str(found) for found in raised.value.problems]
    itself = re.sub(r"\.(\d+)", r"[\1]", wrong.where).replace("\x1b", r"\x1b")
    assert problem.startswith(f"{wrong.path.replace('*', itself)}: ")
    assert wrong.operator in problem
    assert "\x1b" not in str(raised.value)


def test_all_wrong_fields_come_in_one_message(small: dict[str, Any]) -> None:
    put(small, "spec.members", 0)
    put(small, "spec.hyperparameters.0.logUniform.min", 2)
    put(small, "spec.schedule.intervallSteps", small["spec"]["schedule"].pop("intervalSteps"))
    put(small, "spec.initial", [{"lr": "x"}])
    with pytest.raises(ManifestError) as raised:
        parse(small, source="digits.yaml")
    assert str(raised.value) == (
        "digits.yaml: 3 fields are wrong; nothing was started.\n"
        "  spec.members: is 0; should be a whole number from 1 to 10000\n"
        "  spec.schedule.intervallSteps: unknown field; did you mean intervalSteps?\n"
        "  spec.hyperparameters[0].logUniform.min: is 2, above max 1; should be smaller than max"
    )


def test_a_message_shortens_what_it_quotes_and_stays_readable(small: dict[str, Any]) -> None:
    put(small, "spec.objective.goal", "\x1b[2J\u202e" + "x" * 10_000)
    for number in range(200):
        put(small, f"spec.nonsense{number}", number)
    with pytest.raises(ManifestError) as raised:
        parse(small, source="digits.yaml")
    text = str(raised.value)
    assert r"is '\x1b[2J\u202exxx" in text
    assert text.count("\n") == 51
    assert text.endswith("and 151 more")
    assert len(text) < 12_000
