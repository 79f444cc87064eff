"""The images install what was tested, pinned by hash."""

import re
import tomllib
from pathlib import Path

import pytest

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


def test_the_trainers_image_has_the_tested_versions_of_all_that_its_base_does_not_decide():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested, installed = pins(ROOT / "requirements.lock"), pins(ROOT / "trainer_image" / "requirements.lock")
    assert wanted(project) | {"scikit-learn"} <= installed.keys(), "run `make lock`"
    assert installed.items() <= tested.items(), "run `make lock`"
    assert not installed.keys() & {"numpy", "torch"}


def test_wheels_are_built_by_the_tested_build_system():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert (ROOT / "operator" / "build.in").read_text().split() == needed
    assert pins(ROOT / "operator" / "build.lock").items() <= pins(ROOT / "requirements.lock").items()


@pytest.mark.parametrize(
    "lock", ["operator/requirements.lock", "operator/build.lock", "trainer_image/requirements.lock"]
)
def test_every_pin_has_a_hash(lock):
    text = (ROOT / lock).read_text()
    blocks = re.split(r"^(?=[a-z0-9-]+==)", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("file", ["Dockerfile", "trainer_image/Dockerfile"])
def test_an_image_installs_nothing_that_is_not_pinned_by_hash(file):
    """What else is installed or built is the repository's own wheel, without looking for anything."""
    text = (ROOT / file).read_text()
    commands = re.split(r"&&|^RUN", text.replace("\\\n", " "), flags=re.MULTILINE)
    found = [
        command for command in commands if re.search(r"-m pip (--python \S+ )?(install|wheel) ", command)
    ]
    assert len(found) >= 4
    for command in found:
        assert "--require-hashes" in command or "--no-index" in command or "--no-build-isolation" in command
        assert "--require-hashes" in command or "--no-deps" in command


def test_the_operators_image_has_no_torch():
    assert "torch" not in pins(ROOT / "operator" / "requirements.lock")


@pytest.mark.parametrize("file", ["Dockerfile", "trainer_image/Dockerfile"])
def test_the_base_of_an_image_is_an_argument_which_may_name_a_digest(file):
    text = (ROOT / file).read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    (base,) = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    named = f"--build-arg BASE={base.partition('-runtime')[0].partition(':')[0]}:"
    for told in (text, (ROOT / "docs/install.md").read_text()) if file == "Dockerfile" else (text,):
        assert re.search(re.escape(named) + r"\S+@sha256:", told)
