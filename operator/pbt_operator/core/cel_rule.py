"""A rule of a manifest as an expression (CEL) that the API server checks."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CelRule:
    """An expression that has to be true.

    Attributes:
        message: what is wrong and what would be right, with expressions in braces.
        field: the field below that the message is about; by default what is checked itself.
    """

    rule: str
    message: str
    field: str = ""

    def to_wire(self) -> dict[str, Any]:
        """As an item of `x-kubernetes-validations`."""
        values = re.findall(r"\{(.*?)\}", self.message)
        text = re.sub(r"\{.*?\}", "%s", self.message)
        told = (
            {"messageExpression": f'"{text}".format([{", ".join(values)}])'} if values else {"message": text}
        )
        return {"rule": self.rule, **told, **({"fieldPath": f".{self.field}"} if self.field else {})}
