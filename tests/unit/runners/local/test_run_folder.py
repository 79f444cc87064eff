"""The folder of a run holds no symbolic links that are followed, and stays where it is."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.manifests import DETERMINISTIC, population
from pbt_contract.errors import StoreRefused
from pbt_operator.runners.local.run_folder import FolderLost, check_there, open_log, open_plain
from support.trainers import TRAINERS

SLOW: dict[str, Any] = {**DETERMINISTIC, "members": 2}


def manifest(seconds: str) -> dict[str, Any]:
    container = {"name": "trainer", "command": ["python", "deterministic.py"], "workingDir": str(TRAINERS)}
    container["env"] = [{"name": "STEP_SECONDS", "value": seconds}]
    return population("small", {**SLOW, "template": {"spec": {"containers": [container]}}})


def test_a_lock_or_a_log_that_is_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "run"
    secret.write_text("mine")
    (folder / "logs").mkdir(parents=True)
    (folder / "runner.lock").symlink_to(secret)
    (folder / "logs" / "00000.log").symlink_to(secret)
    (folder / "others").symlink_to(tmp_path)
    flags = os.O_RDWR | os.O_CREAT
    for opening, path in (
        (open_plain, folder / "runner.lock"),
        (open_log, folder / "logs" / "00000.log"),
        (open_log, folder / "others" / "secret"),
    ):
        with pytest.raises(StoreRefused, match="is a symbolic link, which is not followed; remove it"):
            opening(path, flags)
    assert secret.read_text() == "mine"
    os.close(open_log(folder / "logs" / "00001.log", flags))


def test_a_folder_that_was_deleted_or_moved_is_noticed_also_where_another_one_took_its_place(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "run" / "runner.lock"
    lock.parent.mkdir()
    descriptor = open_plain(lock, os.O_RDWR | os.O_CREAT)
    check_there(lock, descriptor)
    lock.parent.rename(tmp_path / "elsewhere")
    for again in (False, True):
        if again:
            lock.parent.mkdir()
            lock.touch()
        with pytest.raises(FolderLost, match="was deleted or moved while the population ran"):
            check_there(lock, descriptor)
    os.close(descriptor)


def test_a_run_whose_lock_or_folder_of_logs_is_a_link_begins_nothing(runner) -> None:
    run = runner(manifest("0"))
    run.location.mkdir(parents=True)
    secret = run.folder / "secret"
    secret.write_text("mine")
    (run.location / "runner.lock").symlink_to(secret)
    process = run.start()
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "runner.lock is a symbolic link, which is not followed; remove it" in said
    assert secret.read_text() == "mine"


def test_a_folder_that_is_deleted_during_a_run_stops_it_with_one_message(runner) -> None:
    run = runner(manifest("0.2"))
    process = run.start()
    while not list(run.location.glob("claims/*.json")):
        assert process.poll() is None
        time.sleep(0.05)
    shutil.rmtree(run.location, ignore_errors=True)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.count("was deleted or moved while the population ran") == 1
    assert "Traceback" not in said
    run.assert_no_stray_process()
