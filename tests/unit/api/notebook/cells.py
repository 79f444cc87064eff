"""A notebook trains a population: a real kernel, a function of its cells, pandas, and the page."""

import os
import re
import signal
import threading
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

CELLS = {
    "define": """
import os
import pbt_operator as pbt

start = 1.0

def train(run):
    weight = {"value": start}

    class Model:
        def state_dict(self):
            return dict(weight)

        def load_state_dict(self, state):
            weight.update(state)

    run.track(model=Model())
    for step in run.steps():
        weight["value"] += run.hp["lr"]
        if run.due:
            run.report({"score": -abs(3 - weight["value"]), "weight": weight["value"]})

fields = dict(
    hyperparameters={"lr": pbt.LogUniform(1e-4, 1)}, metric="score", members=2, interval_steps=10, restart="InPlace"
)
os.getpid()
""",
    "fit": "result = pbt.fit(train, total_steps=40, **fields)",
    "frame": """
frame = result.reports()
(type(frame).__module__, frame.shape, list(frame.columns), float(frame["metrics.weight"].max()))
""",
    "best": "(result.best.checkpoint().state('model'), result.best.hyperparameters, result.best.score)",
    "page": "result",
    "slow": """
import time

def slow(run):
    for step in run.steps():
        time.sleep(0.05 if not os.path.exists("fast") else 0)
        if run.due:
            run.report({"score": float(step)})
""",
    "slow fit": "again = pbt.fit(slow, total_steps=400, progress=False, **fields)\nagain.status.phase.value",
    "slow rows": "before = len(pbt.load('slow').reports())\nbefore",
}


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Runs a cell and gives what it returned, by kind of representation."""
    monkeypatch.chdir(tmp_path)
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    cells = {name: nbformat.v4.new_code_cell(source) for name, source in CELLS.items()}
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=list(cells.values())), timeout=240, kernel_name="python3"
    )

    def run(name):
        cell = cells[name]
        client.execute_cell(cell, list(cells).index(name))
        return next((output.data for output in cell.outputs if output.output_type == "execute_result"), None)

    with client.setup_kernel():
        yield run


@pytest.mark.process
def test_a_population_is_trained_read_shown_interrupted_and_continued(notebook, tmp_path):
    kernel = int(notebook("define")["text/plain"])
    assert notebook("fit") is None
    module, shape, columns, most = eval(notebook("frame")["text/plain"])  # a tuple of plain values
    assert module.partition(".")[0] == "pandas"
    reports = list((tmp_path / "pbt-runs" / "train" / "reports").glob("*/*.json"))
    assert shape == (len(reports), len(columns))
    assert len(reports) >= 8
    assert {"metrics.score", "metrics.weight", "hyperparameters.lr", "seconds"} <= set(columns)
    state, values, score = eval(notebook("best")["text/plain"])
    assert score == -abs(3 - state["value"])
    assert 1e-4 <= values["lr"] <= 1
    assert most >= state["value"]
    shown = notebook("page")["text/html"]
    assert shown.startswith('<iframe sandbox="allow-scripts"')
    assert "&lt;h1&gt;train&lt;/h1&gt;" in shown

    notebook("slow")
    press_stop = threading.Thread(target=stop_once_reported, args=(kernel, tmp_path), daemon=True)
    press_stop.start()
    with pytest.raises(CellExecutionError) as stopped:
        notebook("slow fit")
    press_stop.join()
    assert stopped.value.ename == "Interrupted"
    assert "all members saved and ended; the same call continues from here" in stopped.value.evalue
    assert members_of(tmp_path / "pbt-runs" / "slow") == []
    before = int(notebook("slow rows")["text/plain"])
    assert 0 < before < 80
    (tmp_path / "fast").touch()
    assert notebook("slow fit")["text/plain"] == "'Complete'"
    assert int(notebook("slow rows")["text/plain"]) >= 80
    births = list((tmp_path / "pbt-runs" / "slow" / "births").iterdir())
    assert not [file for file in births if '"cause":"Crash"' in re.sub(r"\s", "", file.read_text())]


def stop_once_reported(kernel: int, folder: Path) -> None:
    """The button of a notebook interrupts all of the kernel's process group."""
    while not list(folder.glob("pbt-runs/slow/reports/*/*.json")):
        time.sleep(0.05)
    os.killpg(os.getpgid(kernel), signal.SIGINT)


def members_of(location: Path) -> list[str]:
    mark = f"PBT_LOCATION=file://{location}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(entry.name)
            except OSError:
                continue
    return found
