"""What a container reads of its pod: a kubelet follows references to metadata when it starts the container."""

from collections.abc import Mapping
from typing import Any


def referred(variable: Mapping[str, Any], pod: Mapping[str, Any]) -> str | None:
    """The text that a variable refers to; None where it refers to nothing."""
    path = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
    if path is None:
        return None
    field, _, key = path.removeprefix("metadata.").partition("['")
    found = pod["metadata"][field]
    return str(found[key.removesuffix("']")] if key else found)
