"""`make sbom` writes what the images install, in a form that other programs read."""

import json
import subprocess
from pathlib import Path

import pytest

from project.packaging.test_lock import ROOT, pins

IMAGES = {"pbt-operator": "operator", "pbt-trainer": "trainer_image"}


@pytest.mark.process
def test_it_names_each_pin_with_its_hashes(tmp_path: Path) -> None:
    """The tool itself checks what it writes against CycloneDX's schema, and ends with an error where that fails."""
    command = ["make", "--silent", "--old-file=.venv/.ready", "sbom", f"SBOM={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    for image, folder in IMAGES.items():
        found = json.loads((tmp_path / f"{image}.cdx.json").read_text())
        assert (found["bomFormat"], found["metadata"]["component"]["name"]) == ("CycloneDX", "pbt-operator")
        lock = ROOT / folder / "requirements.lock"
        assert {c["name"]: c["version"] for c in found["components"]}.items() <= pins(lock).items()
        assert {c["name"] for c in found["components"]} == pins(lock).keys()
        for component in found["components"]:
            assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
            (distribution,) = component["externalReferences"]
            assert {h["alg"] for h in distribution["hashes"]} == {"SHA-256"}
