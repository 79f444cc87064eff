"""The rules of the manifest that a schema's types and bounds can't hold, as expressions (CEL) for the API server.

The models check the same rules. Left to the operator alone are the names and values in `initial`, what a value of a
`choice` may be, and a new order of such values: an expression can't look at a value that may be of any type.
"""

import re
from dataclasses import dataclass

from pbt_operator.core.wording import any_of
from pbt_operator.manifest.exploit_explore import EXPLOITS
from pbt_operator.manifest.hyperparameters import ARMS
from pbt_operator.manifest.population_spec import LABEL_PATTERN, MAX_NAME, MAX_ROUNDS
from pbt_operator.manifest.schema import PATTERNS, Schema, wanted


@dataclass(frozen=True, slots=True)
class Rule:
    """An expression that has to be true.

    Attributes:
        message: what is wrong and what would be right, with expressions in braces.
        field: the field below that the message is about; by default what is checked itself.
    """

    rule: str
    message: str
    field: str = ""

    def to_wire(self) -> Schema:
        """As an item of `x-kubernetes-validations`."""
        values = re.findall(r"\{(.*?)\}", self.message)
        text = re.sub(r"\{.*?\}", "%s", self.message)
        told = (
            {"messageExpression": f'"{text}".format([{", ".join(values)}])'} if values else {"message": text}
        )
        return {"rule": self.rule, **told, **({"fieldPath": f".{self.field}"} if self.field else {})}


def pattern_rule(node: Schema) -> Rule:
    """In place of a text's pattern, which the API server would quote without a word."""
    return Rule(f"self.matches(r'{node['pattern']}')", f"should be {wanted(node)}")


def _given(*names: str) -> str:
    """How many of the fields are there."""
    return f"[{', '.join(f'has(self.{name})' for name in names)}].filter(given, given).size()"


_FIXED = Rule(
    "self == oldSelf", "can't be changed: it would be another experiment; create another Population for that"
)
_RANGE = Rule(
    "self.min < self.max", "is {self.min}; should be smaller than max, which is {self.max}", field="min"
)

RULES: dict[str, tuple[Rule, ...]] = {
    "": (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME} && self.metadata.name.matches(r'{LABEL_PATTERN}')",
            f"should be a text of 1 to {MAX_NAME} characters {PATTERNS[LABEL_PATTERN]}, "
            "for pods are called NAME-MEMBER-INCARNATION",
            field="metadata.name",
        ),
    ),
    "spec": (
        Rule(
            "size(self.initial) <= self.members",
            "is a list of {size(self.initial)}; should not be longer than members, which is {self.members}",
            field="initial",
        ),
    ),
    "spec.objective": (_FIXED,),
    "spec.schedule": (
        Rule(
            "self.intervalSteps <= self.totalSteps",
            "is {self.intervalSteps}; should be at most totalSteps, which is {self.totalSteps}",
            field="intervalSteps",
        ),
        Rule(
            f"(self.totalSteps - 1) / self.intervalSteps < {MAX_ROUNDS}",
            f"is {{self.intervalSteps}}; should be at least {{(self.totalSteps - 1) / {MAX_ROUNDS} + 1}}, "
            f"for there are at most {MAX_ROUNDS} rounds",
            field="intervalSteps",
        ),
        Rule(
            "self.burnInSteps < self.totalSteps",
            "is {self.burnInSteps}; should be below totalSteps, which is {self.totalSteps}",
            field="burnInSteps",
        ),
    ),
    "spec.schedule.totalSteps": (
        Rule("self >= oldSelf", "can only be raised; should be at least {oldSelf}"),
    ),
    "spec.schedule.intervalSteps": (_FIXED,),
    "spec.hyperparameters": (_FIXED,),
    "spec.hyperparameters[]": (Rule(f"{_given(*ARMS)} == 1", f"should have exactly one of {any_of(ARMS)}"),),
    "spec.hyperparameters[].logUniform": (
        _RANGE,
        Rule(
            "self.of != 'Value' || self.min > 0.0",
            "is {self.min}; should be above 0, for its logarithm is drawn",
            field="min",
        ),
        Rule(
            "self.of != 'OneMinus' || self.max < 1.0",
            "is {self.max}; should be below 1, for the logarithm of 1 minus it is drawn",
            field="max",
        ),
    ),
    "spec.hyperparameters[].uniform": (_RANGE,),
    "spec.hyperparameters[].integer": (_RANGE,),
    "spec.exploit": (Rule(f"{_given(*EXPLOITS)} <= 1", f"should have only one of {any_of(EXPLOITS)}"),),
    "spec.storage": (_FIXED,),
    "spec.seed": (_FIXED,),
}
"""By path in the schema: what is checked there."""
