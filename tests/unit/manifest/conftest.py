"""A manifest to start from."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.wrong_manifests import GOOD
from pbt_operator.manifest.reference import EXAMPLE


@pytest.fixture
def small() -> dict[str, Any]:
    """A manifest with the required fields only."""
    return deepcopy(GOOD)


@pytest.fixture
def full() -> dict[str, Any]:
    """The manifest of the reference, with every field."""
    tree: dict[str, Any] = yaml.safe_load(EXAMPLE)
    return tree


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test puts its manifest."""
    return tmp_path / "population.yaml"
