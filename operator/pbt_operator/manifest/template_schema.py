"""What the manifest's schema says of the pod template: open, but described for `kubectl explain` and the reference."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import WithJsonSchema

from pbt_operator.core.wire import OPEN

_METADATA = (
    "Labels and annotations of the pods, such as a queue's name. The operator adds labels of its own; the pods' names "
    "are always NAME-MEMBER-INCARNATION."
)
_SPEC = (
    "A PodSpec; `kubectl explain pod.spec` lists its fields. The container that trains needs an image with the "
    "training script and the package pbt_trainer, and usually `resources.limits`, such as nvidia.com/gpu: 1. Volumes, "
    "service account, tolerations, priority and sidecars are kept as they are. `terminationGracePeriodSeconds` should "
    "be enough to save a checkpoint."
)

Template = Annotated[
    Mapping[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            OPEN: True,
            "properties": {
                "metadata": {"type": "object", OPEN: True, "description": _METADATA},
                "spec": {"type": "object", OPEN: True, "description": _SPEC},
            },
        }
    ),
]
"""A PodTemplateSpec. Its full schema is as large as all the rest together: the operator has it tried by a dry run."""
