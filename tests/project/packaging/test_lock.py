"""The image of the operator installs what was tested."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]


def pins(path: Path) -> dict[str, str]:
    """Versions by package."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", path.read_text(), re.MULTILINE))


def wanted(project: dict, *extras: str) -> set[str]:
    """The packages that the project and its extras name."""
    options = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras for line in options[extra])]
    return {re.split(r"[\[<>=]", line)[0] for line in lines} - {project["name"]}


def test_the_operators_image_has_the_tested_versions_of_all_that_it_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested, installed = pins(ROOT / "requirements.lock"), pins(ROOT / "operator" / "requirements.lock")
    assert wanted(project, "local", "operator") <= installed.keys(), "run `make lock`"
    assert installed.items() <= tested.items(), "run `make lock`"


def test_the_operators_image_has_no_torch():
    assert "torch" not in pins(ROOT / "operator" / "requirements.lock")
