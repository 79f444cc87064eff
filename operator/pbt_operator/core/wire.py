"""What every part of a manifest shares: the base model, the bounded types, the error of a broken rule."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from pbt_contract.records import Value

Path = tuple[str | int, ...]
"""Where something stands: field names and list positions, from the root."""

MAX_WHOLE = 2**53 - 1  # exact in every JSON reader
MAX_REAL = 1e300  # so that the difference of two bounds is still finite
MAX_TEXT = 256
MAX_STEPS = 10**12 - 1  # as many digits as a key has room for
MAX_SECONDS = 2**31 - 1  # as in batch/v1 Job

Whole = Annotated[int, Strict()]
Real = Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]
Flag = Annotated[bool, Strict()]
Steps = Annotated[int, Strict(), Field(ge=1, le=MAX_STEPS)]
Seconds = Annotated[int, Strict(), Field(ge=1, le=MAX_SECONDS)]


class Wire(BaseModel):
    """A mapping with camel-case fields, none but the known ones, and frozen."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_the_api_server_reads_it(cls, value: Any) -> Any:
        """A null is an absent field, and an integral float an integer."""
        if not isinstance(value, Mapping):
            return value
        return {key: as_json_number(item) for key, item in value.items() if item is not None}


def as_json_number(value: Any) -> Any:
    """JSON knows only one kind of number: `4000.0` is `4000`. Anything else comes back as it is."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_WHOLE:
        return int(value)
    return value


def broken(*rules: tuple[Path, str]) -> PydanticCustomError:
    """The error to raise in a validator.

    Args:
        rules: for each wrong field its path below the validated value, what is wrong and what would be right.
    """
    return PydanticCustomError(
        "rule", "{text}", {"text": "; ".join(text for _, text in rules), "rules": rules}
    )


def _scalar(value: Any) -> Value:
    value = as_json_number(value)
    match value:
        case str() if len(value) <= MAX_TEXT:
            return value
        case int() if -MAX_WHOLE <= value <= MAX_WHOLE:
            return value
        case float() if -MAX_REAL <= value <= MAX_REAL:
            return value
    raise PydanticCustomError("scalar", "not a scalar")


OPEN = "x-kubernetes-preserve-unknown-fields"
Scalar = Annotated[Value, PlainValidator(_scalar), WithJsonSchema({OPEN: True, "maxLength": MAX_TEXT})]
"""Any scalar. A structural schema has no unions: there this one type is open, and the operator checks it."""
