"""Manifests that several tests start from."""

from copy import deepcopy
from typing import Any

from pbt_operator.api.population import PopulationSpec

TEMPLATE = {"spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"]}]}}

PAPER_TOY: dict[str, Any] = {
    "members": 2,
    "objective": {"metric": "q", "goal": "Maximize"},
    "schedule": {"totalSteps": 200, "intervalSteps": 10},
    "hyperparameters": [
        {"name": "h0", "uniform": {"min": 0, "max": 1}},
        {"name": "h1", "uniform": {"min": 0, "max": 1}},
    ],
    "initial": [{"h0": 1.0, "h1": 0.0}, {"h0": 0.0, "h1": 1.0}],
    "explore": {"resamplePercent": 50},
    "template": TEMPLATE,
}

TRIANGLE_RATE: dict[str, Any] = {
    "members": 4,
    "objective": {"metric": "accuracy", "goal": "Maximize"},
    "schedule": {"totalSteps": 1000, "intervalSteps": 5},
    "hyperparameters": [{"name": "lr", "uniform": {"min": 0.0001, "max": 0.02}}],
    "explore": {"factors": [0.8, 1.2], "resamplePercent": 25},
    "template": TEMPLATE,
}


def spec(base: dict[str, Any], **changes: Any) -> PopulationSpec:
    """A spec like `base`, with some top-level fields replaced."""
    return PopulationSpec.model_validate({**deepcopy(base), **changes})


DETERMINISTIC: dict[str, Any] = {
    "members": 8,
    "objective": {"metric": "score", "goal": "Maximize"},
    "schedule": {"totalSteps": 200, "intervalSteps": 10, "quorumPercent": 100},
    "hyperparameters": [
        {"name": "rate", "logUniform": {"min": 0.0001, "max": 0.1}},
        {"name": "depth", "integer": {"min": 1, "max": 8}},
    ],
    "seed": 3,
    "template": TEMPLATE,
}


def population(name: str, base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A manifest of the name, with a spec like `base`."""
    return {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": name},
        "spec": {**deepcopy(base), **changes},
    }
