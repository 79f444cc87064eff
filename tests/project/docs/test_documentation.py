"""What the documentation shows is true: manifests load, commands exist, links lead somewhere, the API is as written."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

import pbt_trainer
from pbt_operator.cli.main import app
from pbt_operator.manifest.load import load, parse
from pbt_operator.manifest.template import trainer_container

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MANIFESTS = sorted(
    file for file in (ROOT / "examples").rglob("*.yaml") if "\nkind: Population\n" in file.read_text()
)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose(page)):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page):
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", prose(page)):
        if not target or (target.endswith(".md") and not target.startswith("http")):
            assert heading in anchors(page.parent / target if target else page), f"{target}#{heading}"


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in links."""
    found = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_populations_in_the_text_are_accepted(page):
    for document in [each for block in blocks(page, "yaml") for each in yaml.safe_load_all(block)]:
        if isinstance(document, dict) and document.get("kind") == "Population":
            parse(document, source=page.name)


@pytest.mark.parametrize("file", MANIFESTS, ids=lambda file: file.name)
def test_example_manifests_run_a_script_that_exists(file):
    program, *words = trainer_container(load(file).spec.template).command
    if not words:  # built from a source beside it
        assert (ROOT / f"{program}.go").is_file()
        return
    assert program in {"python", "torchrun"}
    (script,) = (word for word in words if word.endswith(".py"))
    assert (ROOT / script).is_file()


def test_the_example_of_kueue_waits_in_its_queue_and_asks_for_what_it_grants():
    folder = ROOT / "examples" / "kueue"
    made = {each["kind"]: each for each in yaml.safe_load_all((folder / "queues.yaml").read_text())}
    spec = load(folder / "digits.yaml").spec
    assert (
        spec.template["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
        == made["LocalQueue"]["metadata"]["name"]
    )
    assert made["LocalQueue"]["spec"]["clusterQueue"] == made["ClusterQueue"]["metadata"]["name"]
    (group,) = made["ClusterQueue"]["spec"]["resourceGroups"]
    (flavor,) = group["flavors"]
    assert flavor["name"] == made["ResourceFlavor"]["metadata"]["name"]
    assert flavor["resources"] == [{"name": "nvidia.com/gpu", "nominalQuota": spec.parallelism}]
    requested = spec.template["spec"]["containers"][0]["resources"]["limits"]
    assert set(requested) == set(group["coveredResources"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    commands = get_command(app).commands
    for block in blocks(page, "(?:console|sh|shell|bash)"):
        for line in block.splitlines():
            words = line.removeprefix("$ ").split("#")[0].split()
            words = words[1:] if words[:2] == ["kubectl", "pbt"] else words
            if words[:1] != ["pbt"] or len(words) < 2:
                continue
            assert words[1] in commands, line
            known = {option for parameter in commands[words[1]].params for option in parameter.opts}
            used = {word.split("=")[0] for word in words[2:] if word.startswith("-")}
            assert used <= known | {"--help"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_commands_name_exist(page):
    for block in blocks(page, "console"):
        for path in re.findall(r"\b(?:examples|charts|trainer_image)/[^\s`]+", block):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for block in blocks(page, "console"):
        for target in re.findall(r"^\$ make ([a-z0-9-]+)", block, re.MULTILINE):
            assert target in targets


def test_the_sdk_has_what_the_readme_uses():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"\bpbt_trainer\.([a-z_]+)", text):
        assert hasattr(pbt_trainer, name)
    for name in re.findall(r"\brun\.([a-z_]+)", text):
        assert name in {"hp", "build", "track", "steps", "due", "report", "finish"}


def test_no_package_shadows_the_standard_library():
    """`operator/` is a plain folder: as a package it would stand in for the module `operator`."""
    assert not (ROOT / "operator" / "__init__.py").exists()
