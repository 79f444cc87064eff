"""`make demo`: PBT and random search on the digits images, with the same budget and seed, and a page about both."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from data import split
from model import build, evaluate
from pbt_contract.stores import open_store
from pbt_operator.page import Comparison, page
from pbt_operator.records.archive import Archive, read_archive

HERE = Path(__file__).parent
PBT = Path(sys.executable).with_name("pbt")
RUNS = Path("pbt-runs/demo")
MANIFEST = HERE / "population.yaml"
NOTE = (
    "One run each, with one seed: that proves nothing about either method. Both began with the same eight sets of "
    "hyperparameters, and each member had the same number of steps to train. The test images were never seen in "
    "training or selection."
)


def main() -> int:
    """Trains both, prints what came out and where the page is."""
    began = time.monotonic()
    shutil.rmtree(RUNS, ignore_errors=True)
    RUNS.mkdir(parents=True)
    manifest = yaml.safe_load(MANIFEST.read_text())
    nobody_copies = {"strategy": "Explicit", "exploit": {"none": {}}}
    for name, changes in (("digits", {}), ("digits-random", nobody_copies)):
        manifest["metadata"]["name"] = name
        manifest["spec"].update(changes)
        file = RUNS / f"{name}.yaml"
        file.write_text(yaml.safe_dump(manifest, sort_keys=False))
        title = "Population Based Training" if name == "digits" else "Random search: the same, without copies"
        print(f"\n{title}\n  pbt run {file} --dir {RUNS}\n", flush=True)
        code = subprocess.run([PBT, "run", str(file), "--dir", str(RUNS)], check=False).returncode
        if code != 0:
            return code
    pbt, random_search = told("digits"), told("digits-random")
    rows = [
        ("PBT", test_accuracy(pbt), remark(pbt)),
        ("random search", test_accuracy(random_search), remark(random_search)),
    ]
    report = RUNS / "report.html"
    report.write_text(page(pbt, comparison=Comparison("Test accuracy of the winners", NOTE, rows)))
    print()
    for name, accuracy, remarked in rows:
        print(f"{name:14} test accuracy {accuracy:.2%}  ({remarked})")
    print(f"one seed proves nothing; took {time.monotonic() - began:.0f} s")
    print(f"report: {report.resolve()}")
    return 0


def told(name: str) -> Archive:
    """The story of a population of this demo."""
    return read_archive(open_store(str(RUNS / name)))


def remark(found: Archive) -> str:
    """What the winner was chosen by, and what it took."""
    best = found.best
    assert best is not None, "a complete population has a best"
    steps = found.status().steps
    trained = f"{steps.productive} steps, {steps.discarded} more thrown away"
    return f"validation loss {best.score:.4f} of member {best.member} at step {best.step}; {trained}"


def test_accuracy(found: Archive) -> float:
    """The winner's accuracy on the test images."""
    best = found.best
    assert best is not None, "a complete population has a best"
    folder = RUNS / f"{found.record.name}-best"
    subprocess.run(
        [PBT, "fetch", str(RUNS / found.record.name), "--to", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    weights = load_file(folder / "state.safetensors")
    model = build(dropout=0.0)
    prefix = "model."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    with torch.inference_mode():
        return evaluate(model, *split()["test"])["accuracy"]


if __name__ == "__main__":
    sys.exit(main())
