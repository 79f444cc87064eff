"""What a script may report: numbers, or lists of numbers for several evaluations, from any array library."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

from pbt_contract.errors import UsageError
from pbt_contract.limits import MAX_EVALUATIONS, MAX_METRIC_NAME, MAX_METRICS
from pbt_contract.text import quoted


def plain(metrics: Mapping[str, Any]) -> dict[str, float | list[float]]:
    """Metrics as plain floats: from numbers, 0-d arrays and tensors, and lists and 1-d arrays of them.

    Raises:
        UsageError: a value is none of these (a bool or a string, for example), or there are more than a report may
            hold; NaN and infinities are allowed.
    """
    if not isinstance(metrics, Mapping):
        raise UsageError(f"report() takes a mapping of metrics, not {type(metrics).__name__}")
    if len(metrics) > MAX_METRICS:
        raise UsageError(
            f"report() was given {len(metrics)} metrics; a report holds {MAX_METRICS} at the most"
        )
    return {_name(name): _value(name, value) for name, value in metrics.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise UsageError(f"a metric's name is a string, not {name!r}")
    if len(name) > MAX_METRIC_NAME:
        told = f"has {len(name)} characters; {MAX_METRIC_NAME} is the most"
        raise UsageError(f"the name of the metric '{quoted(name, size=40)}' {told}")
    return name


def _value(name: str, value: Any) -> float | list[float]:
    value = _unpacked(value)
    if isinstance(value, list | tuple) and len(value) > MAX_EVALUATIONS:
        told = f"metric {name!r} is a list of {len(value)}; a report holds {MAX_EVALUATIONS} evaluations at the most"
        raise UsageError(f"{told}: report their mean, or the newest of them")
    return (
        [_number(name, item) for item in value] if isinstance(value, list | tuple) else _number(name, value)
    )


def _number(name: str, value: Any) -> float:
    value = _unpacked(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"metric {name!r} is {value!r}: only numbers and lists of numbers can be reported")
    return float(value)


def _unpacked(value: Any) -> Any:
    """Arrays and tensors of any library as plain numbers or lists; reading one from a GPU waits for it."""
    return value.tolist() if hasattr(value, "tolist") else value
