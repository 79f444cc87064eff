"""Jobs in a process of the peers: one line in, one line out, and no failure that is silent."""

import sys
from dataclasses import asdict

import pytest

from bench import peer
from learning.peers.job import Job, read
from learning.peers.launch import PeerEnded, environment, started
from learning.peers.registry import PEERS, Unsupported
from learning.tasks import make

JOB = Job("paper", "constant", 4, 5000, "asha")


@pytest.fixture
def ours(monkeypatch):
    """The project's own interpreter in place of the peers': it has neither Ray nor Optuna."""
    monkeypatch.setattr(peer, "python", lambda: sys.executable)


@pytest.mark.process
def test_a_job_that_fails_says_so_and_the_next_one_runs(ours, tmp_path):
    with started(tmp_path / "log") as peers:
        first, second = peers.run(JOB), peers.run(Job("nowhere", "constant", 4, 1, "tpe"))
    assert first == asdict(JOB) | {"error": "ModuleNotFoundError: No module named 'ray'"}
    assert "there is no task 'nowhere'" in second["error"]
    assert "Traceback" in (tmp_path / "log").read_text()


@pytest.mark.process
def test_a_process_that_dies_is_an_error_with_its_last_words(ours, tmp_path, monkeypatch):
    (tmp_path / "learning.py").write_text("raise SystemExit('no such thing')\n")
    monkeypatch.setattr("learning.peers.launch.environment", lambda: {"PYTHONPATH": str(tmp_path)})
    with started(tmp_path / "log") as peers, pytest.raises(PeerEnded, match="no such thing"):
        peers.run(JOB)


def test_what_is_no_job_is_refused():
    with pytest.raises(ValueError, match="there is no peer 'luck'"):
        read('{"task": "paper", "form": "constant", "members": 4, "seed": 1, "arm": "luck"}')
    with pytest.raises(ValueError, match="missing required field `form`"):
        read('{"task": "paper"}')


def test_the_peers_see_nothing_of_a_cluster_that_the_user_has(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    given = environment()
    assert "RAY_ADDRESS" not in given
    assert given["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert given["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize(("name", "why"), [("mixed", "opt is a choice"), ("deceptive", "50 rounds")])
def test_pb2_is_not_run_on_what_it_cannot_search(name, why):
    with pytest.raises(Unsupported, match=why):
        PEERS["pb2"].run(make(name), 4, 0)
