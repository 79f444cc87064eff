"""What a running trainer says of a store that doesn't take its records is told by `pbt run`: here all may be well."""

import os
from types import SimpleNamespace

import pytest

from fixtures.manifests import DETERMINISTIC, population
from pbt_contract.errors import REFUSES, RETRYING, UNREACHABLE
from pbt_operator.runners.local.log_tail import LOG_TAIL_BYTES, disk_trouble, end_of, store_trouble

FULL = "the bucket is full (XMinioStorageFull): free some space"


@pytest.mark.parametrize("what", [UNREACHABLE, REFUSES])
def test_the_newest_words_of_the_process_itself_are_found_until_it_has_printed_more(tmp_path, what):
    log = tmp_path / "00000.log"
    before, told = f"{what}{RETRYING}60 s: earlier\n", f"{what}{RETRYING}3600 s: {FULL}"
    log.write_text(f"{before}step 1\n2026 WARNING [pbt] {before}pbt: {told}\nstep 2\n")
    assert store_trouble(log, len(before)) == told
    log.write_text(f"{before}step 1\n")
    assert store_trouble(log, len(before)) == ""
    log.write_text(f"pbt: {told}\n" + "x" * LOG_TAIL_BYTES)
    assert store_trouble(log, 0) == ""
    assert store_trouble(tmp_path / "none", 0) == ""


def test_what_a_process_says_of_its_end_comes_before_what_it_printed_and_is_read_once(tmp_path):
    log, words = tmp_path / "00000.log", tmp_path / "00000-000001.end"
    log.write_text("another one\nits table\n")
    assert end_of(words, log, len("another one\n")) == "its table\n"
    words.write_text("ValueError: the error")
    assert end_of(words, log, 0) == "ValueError: the error"
    assert not words.exists()
    words.write_text("")
    assert end_of(words, log, len("another one\n")) == "its table\n"


def test_a_full_disk_is_told_with_its_remedy(tmp_path, monkeypatch):
    assert disk_trouble(tmp_path) == ""
    assert disk_trouble(tmp_path / "none") == ""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=0))
    assert disk_trouble(tmp_path) == f"the disk of {tmp_path} is full: free some space"


def test_a_trainer_whose_store_is_full_is_told_once_while_it_waits(runner):
    script = f'echo "pbt: {UNREACHABLE}{RETRYING}3600 s: {FULL}"; sleep 5; exec python deterministic.py'
    template = {"spec": {"containers": [{"name": "trainer", "command": ["sh", "-c", script]}]}}
    schedule = {"totalSteps": 10, "intervalSteps": 10, "quorumPercent": 100}
    manifest = {**DETERMINISTIC, "members": 2, "schedule": schedule, "template": template}
    finished = runner(population("full", manifest)).run()
    assert finished.returncode == 0, finished.stdout
    lines = [line for line in finished.stdout.splitlines() if FULL in line]
    expected = f"{UNREACHABLE}{RETRYING}3600 s: {FULL}"
    assert sorted(lines) == [f"warning: member {member}: {expected}" for member in range(2)]
