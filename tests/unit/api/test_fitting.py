"""`pbt.fit` is `pbt run`: the same decisions, the same place, stopped and continued; only the function is Python's."""

import os
import resource
import signal
import threading
import time
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest

import pbt_operator as pbt
from pbt_contract.stores import open_store
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.main import main
from pbt_operator.records.archive import read_archive
from pbt_operator.records.audit import audit
from pbt_operator.records.rows import table_of

pytestmark = pytest.mark.process

SCRIPT = """
import pbt_trainer
from pathlib import Path

class Counter:
    total = 0.0
    def state_dict(self): return {"total": self.total}
    def load_state_dict(self, state): self.total = state["total"]

run = pbt_trainer.join({"rate": 0.1, "depth": 1}, total_steps=1, interval_steps=1)
counter = Counter()
run.track(counter=counter)
for step in run.steps():
    counter.total += run.hp["rate"] * run.hp["depth"]
    if run.due:
        run.report({"score": -abs(2.0 - counter.total), "total": counter.total})
"""


def made():
    """What `SCRIPT` does, as a function that goes along with its code."""

    def train(run):
        class Counter:
            total = 0.0

            def state_dict(self):
                return {"total": self.total}

            def load_state_dict(self, state):
                self.total = state["total"]

        counter = Counter()
        run.track(counter=counter)
        for _ in run.steps():
            counter.total += run.hp["rate"] * run.hp["depth"]
            if run.due:
                run.report({"score": -abs(2.0 - counter.total), "total": counter.total})

    return train


FIELDS = {
    "hyperparameters": {"rate": pbt.LogUniform(1e-4, 0.1), "depth": pbt.Integer(1, 8)},
    "metric": "score",
    "members": 4,
    "total_steps": 60,
    "interval_steps": 10,
    "quorum_percent": 100,
    "seed": 3,
    "restart": "InPlace",
}


def decisions(folder):
    """All that rounds compared and decided, less the names of checkpoints, which are drawn."""
    return [
        (
            record.number,
            [(e.member, e.incarnation, e.score, e.hyperparameters) for e in record.entries],
            [
                (d.member, d.cause, d.hyperparameters, d.operations, d.reason, d.source and d.source.member)
                for d in record.decisions
            ],
        )
        for record in read_archive(FolderStore(folder)).rounds
    ]


def test_a_function_is_decided_as_the_script_of_a_manifest_with_the_same_seed(elsewhere):
    result = pbt.fit(made(), **FIELDS, progress=False)
    assert result.name == "train"
    (elsewhere / "script.py").write_text(SCRIPT)
    pbt.Population("train", "script.py", **FIELDS).to_yaml("train.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["run", "train.yaml", "--dir", "by-manifest"])
    assert ended.value.code == 0
    ours, theirs = (decisions(elsewhere / base / "train") for base in ("pbt-runs", "by-manifest"))
    assert len(ours) == 6
    assert any(replaced for _, _, replaced in ours)
    assert ours == theirs
    assert audit(FolderStore(elsewhere / "pbt-runs" / "train")).violations == []
    total = result.best.checkpoint().state("counter")["total"]
    assert -abs(2.0 - total) == result.best.score


@pytest.fixture
def interrupted_soon(elsewhere):
    """Ctrl-C once a member has reported."""

    def press():
        while not list((elsewhere / "pbt-runs").glob("*/reports/*/*.json")):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    return threading.Thread(target=press, daemon=True)


def test_an_interrupt_stops_with_all_saved_and_the_same_call_continues(elsewhere, interrupted_soon):
    def slow(run):
        import time as clock

        for step in run.steps():
            clock.sleep(0.02 if not Path("fast").exists() else 0)
            if run.due:
                run.report({"score": float(step)})

    fields = {**FIELDS, "members": 2, "total_steps": 400, "progress": False}
    interrupted_soon.start()
    with pytest.raises(
        pbt.Interrupted, match="all members saved and ended; the same call continues from here"
    ):
        pbt.fit(slow, **fields)
    interrupted_soon.join()
    stopped = pbt.load("slow")
    assert stopped.status.phase == "Running"
    before = {
        (row["member"], row["step"]) for row in chain(records(stopped, "reports"), records(stopped, "saves"))
    }
    assert before
    Path("fast").touch()
    done = pbt.fit(slow, **fields)
    assert done.status.phase == "Complete"
    after = {(row["member"], row["step"]) for row in chain(records(done, "reports"), records(done, "saves"))}
    assert before < after
    assert "Crash" not in {row["cause"] for row in records(done, "births")}
    assert audit(FolderStore(elsewhere / "pbt-runs" / "slow")).violations == []
    births = len(records(done, "births"))
    assert len(records(pbt.fit(slow, **fields), "births")) == births, "one that has ended isn't trained again"

    def slow(run):
        run.finish()

    with pytest.warns(UserWarning, match=r"slow has changed since .*/pbt-runs/slow was begun"):
        again = pbt.fit(slow, **fields)
    assert len(records(again, "births")) == births


def records(result, name):
    return list(table_of(read_archive(open_store(result.location)), name).rows)


def test_a_function_that_fails_is_told_with_its_message_and_its_records(elsewhere):
    def broken(run):
        raise RuntimeError(f"no data for {run.hp['rate'] > 0}")

    fields = {**FIELDS, "members": 2, "progress": False}
    with pytest.raises(pbt.PopulationFailed, match="no data for True") as failed:
        pbt.fit(broken, **fields)
    assert failed.value.result.status.phase == "Failed"
    assert str(elsewhere / "pbt-runs" / "broken" / "logs") in str(failed.value)


def test_another_experiment_in_the_same_place_is_refused(elsewhere):
    def quick(run):
        run.finish()

    fields = {**FIELDS, "members": 1, "total_steps": 10, "progress": False}
    with pytest.raises(pbt.PopulationFailed):
        pbt.fit(quick, **fields)
    with pytest.raises(
        pbt.ManifestError, match=r"spec\.seed: differs from what .* was begun with"
    ) as refused:
        pbt.fit(quick, **{**fields, "seed": 4})
    assert "give another name or another store" in str(refused.value)


def test_a_function_is_checked_before_anything_is_made(elsewhere):
    big = bytes(10_000_001)
    with pytest.raises(pbt.FunctionRefused, match="big takes more than 10 MB"):
        pbt.fit(lambda run: big, **FIELDS)
    assert list(elsewhere.iterdir()) == []


def test_outside_of_the_main_thread_it_trains_as_well(elsewhere):
    def quick(run):
        for _ in run.steps():
            if run.due:
                run.report({"score": 1.0})

    found = []
    fields = {**FIELDS, "members": 1, "total_steps": 20, "progress": False}
    thread = threading.Thread(target=lambda: found.append(pbt.fit(quick, **fields)))
    thread.start()
    thread.join()
    assert [result.best.score for result in found] == [1.0]


def test_it_trains_where_a_process_has_more_than_a_thousand_descriptors_open(elsewhere):
    """`select` takes none above 1023; the warden inherits the number of its socket."""

    def quick(run):
        for _ in run.steps():
            if run.due:
                run.report({"score": 1.0})

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    with ExitStack() as opened:
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while opened.enter_context(Path(os.devnull).open()).fileno() < 1100:
            pass
        result = pbt.fit(quick, **{**FIELDS, "members": 1, "total_steps": 20, "progress": False})
    assert result.best.score == 1.0
