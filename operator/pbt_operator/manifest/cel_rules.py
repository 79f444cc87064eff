"""The rules of the manifest that a schema's types and bounds can't hold, as expressions (CEL) for the API server.

The models check the same rules. Left to the operator alone are the names and values in `initial`, what a value of a
`choice` may be, a new order of such values, and GPUs in the template: an expression can't look at a value that may be
of any type. So is what is given without a strategy, for no expression knows whether the location is new.
"""

from collections.abc import Collection

from pbt_operator.core.cel_rule import CelRule
from pbt_operator.core.distributions import DISTRIBUTIONS
from pbt_operator.core.rules import EXPLOITS
from pbt_operator.core.wording import any_of
from pbt_operator.manifest.exploit_explore import ASKED_OF_AUTO, NAMED_EXPLORES
from pbt_operator.manifest.json_schema import Schema
from pbt_operator.manifest.objective_schedule import MAX_ROUNDS
from pbt_operator.manifest.parts import PART_RULES, PARTS_RULES, SPEC_RULES
from pbt_operator.manifest.population import CHOSEN_BY_AUTO
from pbt_operator.manifest.population_spec import LABEL_PATTERN, MAX_NAME
from pbt_operator.manifest.schema import PATTERNS, manifest_schema, wanted


def pattern_rule(node: Schema) -> CelRule:
    """In place of a text's pattern, which the API server would quote without a word."""
    return CelRule(f"self.matches(r'{node['pattern']}')", f"should be {wanted(node)}")


def _given(*names: str) -> str:
    """How many of the fields are there."""
    return f"[{', '.join(f'has(self.{name})' for name in names)}].filter(given, given).size()"


def _at_most_one(names: Collection[str]) -> tuple[CelRule, ...]:
    if len(names) < 2:
        return ()
    return (CelRule(f"{_given(*names)} <= 1", f"should have only one of {any_of(names)}"),)


_FIXED = CelRule(
    "self == oldSelf", "can't be changed: it would be another experiment; create another Population for that"
)


def _left_to_auto() -> tuple[CelRule, ...]:
    """Of exploit and explore, what strategy Auto chooses is not given; without a strategy, the operator checks it."""
    exploit = [
        name
        for name in manifest_schema()["properties"]["spec"]["properties"]["exploit"]["properties"]
        if name not in ASKED_OF_AUTO
    ]
    fields = [("explore", "has(self.explore)"), ("subPopulations", "has(self.subPopulations)")]
    fields += [(f"exploit.{name}", f"has(self.exploit) && has(self.exploit.{name})") for name in exploit]
    is_auto = "has(self.strategy) && self.strategy == 'Auto'"
    return tuple(CelRule(f"!({is_auto} && {given})", CHOSEN_BY_AUTO, field) for field, given in fields)


RULES: dict[str, tuple[CelRule, ...]] = {
    "": (
        CelRule(
            f"size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches(r'{LABEL_PATTERN}')",
            f"should be a text of 1 to {MAX_NAME} characters {PATTERNS[LABEL_PATTERN]}, "
            "for pods are called NAME-MEMBER-INCARNATION",
            field="metadata.name",
        ),
    ),
    "spec": (
        CelRule(
            "size(self.initial) <= self.members",
            "is a list of {size(self.initial)}; should not be longer than members, which is {self.members}",
            field="initial",
        ),
        *_left_to_auto(),
        *SPEC_RULES,
    ),
    "spec.subPopulations": PARTS_RULES,
    "spec.subPopulations[]": PART_RULES,
    "spec.strategy": (_FIXED,),
    "spec.objective": (_FIXED,),
    "spec.schedule": (
        CelRule(
            "self.intervalSteps <= self.totalSteps",
            "is {self.intervalSteps}; should be at most totalSteps, which is {self.totalSteps}",
            field="intervalSteps",
        ),
        CelRule(
            f"(self.totalSteps - 1) / self.intervalSteps < {MAX_ROUNDS}",
            f"is {{self.intervalSteps}}; should be at least {{(self.totalSteps - 1) / {MAX_ROUNDS} + 1}}, "
            f"for there are at most {MAX_ROUNDS} rounds",
            field="intervalSteps",
        ),
        CelRule(
            "self.burnInSteps < self.totalSteps",
            "is {self.burnInSteps}; should be below totalSteps, which is {self.totalSteps}",
            field="burnInSteps",
        ),
    ),
    "spec.schedule.totalSteps": (
        CelRule("self >= oldSelf", "can only be raised; should be at least {oldSelf}"),
    ),
    "spec.schedule.intervalSteps": (_FIXED,),
    "spec.hyperparameters": (_FIXED,),
    "spec.hyperparameters[]": (
        CelRule(f"{_given(*DISTRIBUTIONS)} == 1", f"should have exactly one of {any_of(DISTRIBUTIONS)}"),
    ),
    **{f"spec.hyperparameters[].{name}": arm.cel for name, arm in DISTRIBUTIONS.items()},
    "spec.exploit": _at_most_one(EXPLOITS),
    **{f"spec.exploit.{name}": rule.cel for name, rule in EXPLOITS.items()},
    "spec.explore": _at_most_one(NAMED_EXPLORES),
    **{f"spec.explore.{name}": rule.cel for name, rule in NAMED_EXPLORES.items()},
    "spec.storage": (_FIXED,),
    "spec.seed": (_FIXED,),
}
"""By path in the schema: what is checked there."""
