"""A manifest to start from."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pbt_operator.api.reference import EXAMPLE

SMALL: dict[str, Any] = {
    "apiVersion": "pbt.dev/v1alpha1",
    "kind": "Population",
    "metadata": {"name": "digits"},
    "spec": {
        "members": 8,
        "objective": {"metric": "val_accuracy", "goal": "Maximize"},
        "schedule": {"totalSteps": 4000, "intervalSteps": 200},
        "hyperparameters": [
            {"name": "lr", "logUniform": {"min": 0.0001, "max": 1}},
            {"name": "layers", "integer": {"min": 1, "max": 4}},
            {"name": "optimizer", "choice": {"values": ["sgd", "adamw"]}},
        ],
        "template": {"spec": {"containers": [{"name": "trainer", "command": ["python", "train.py"]}]}},
    },
}


@pytest.fixture
def small() -> dict[str, Any]:
    """A manifest with the required fields only."""
    return deepcopy(SMALL)


@pytest.fixture
def full() -> dict[str, Any]:
    """The manifest of the reference, with every field."""
    tree: dict[str, Any] = yaml.safe_load(EXAMPLE)
    return tree


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its manifest."""
    return tmp_path / "population.yaml"
