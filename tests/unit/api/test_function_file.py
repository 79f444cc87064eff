"""What a function takes along goes with it, and what can't is told by the name of its variable."""

import functools
import io
import json
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
import torch

import pbt_operator as pbt
from pbt_contract.errors import UsageError
from pbt_operator.api import function_file
from pbt_operator.api.captured import captured, fingerprint
from pbt_trainer import function as launcher


def packed(function):
    return function_file.packed(function, hyperparameters={"lr": 0.1}, total_steps=4, interval_steps=2)


def refusal(function):
    with pytest.raises(pbt.FunctionRefused) as refused:
        packed(function)
    return str(refused.value)


def test_a_tensor_that_is_not_on_the_cpu_is_named():
    weights = {"layers": [torch.zeros(2, device="meta")]}
    assert refusal(lambda run: weights) == (
        "weights is a tensor on meta: move it to the CPU, or make it inside of the function"
    )
    weights = {"layers": [torch.zeros(2)]}
    assert packed(lambda run: weights)


def test_an_open_file_is_named_also_where_a_function_that_is_called_uses_it(tmp_path):
    with (tmp_path / "log").open("w") as log:

        def note(line):
            log.write(line)

        def train(run):
            note(f"{run}")

        assert refusal(train) == (
            "log is an open file, which no other process has: open it inside of the function"
        )
    memory = io.BytesIO(b"in memory")
    assert packed(lambda run: memory)
    assert packed(lambda run: print("x", file=sys.stderr))


def test_more_than_ten_megabytes_are_named_and_less_are_not():
    small, images = bytes(1000), bytes(10_000_001)
    assert refusal(lambda run: (small, images)) == (
        "images takes more than 10 MB along, which is the most: write it to a file, and read that inside of the "
        "function"
    )
    first, second = bytes(6_000_000), bytes(6_000_001)
    assert refusal(lambda run: (first, second)).startswith("second takes more than 10 MB along")
    assert packed(lambda run: first)


def test_a_variable_is_meant_and_not_an_attribute_of_its_name():
    around = {"images": bytes(10_000_001), "__name__": "__main__"}
    assert packed(types.FunctionType((lambda run: run.images).__code__, around))
    exec("def train(run):\n    return [images for _ in range(2)]", around)
    assert refusal(around["train"]).startswith("images takes more than 10 MB")


def test_what_no_file_can_hold_is_named():
    lock = threading.Lock()
    told = refusal(lambda run: lock)
    assert told.startswith("lock can't be written to a file: ")
    assert told.endswith("; make it inside of the function")


def test_arguments_defaults_and_methods_take_along_too():
    class Trainer:
        def __init__(self):
            self.data = bytes(10_000_001)

        def train(self, run):
            return self.data, run

    assert refusal(Trainer().train).startswith("self takes more than 10 MB")
    assert refusal(functools.partial(lambda data, run: data, bytes(10_000_001))).startswith(
        "argument 0 takes"
    )
    assert refusal(lambda run, data=bytes(10_000_001): data).startswith("data takes")


def test_a_function_of_a_module_takes_nothing_along():
    assert list(captured(json.dumps)) == []
    assert len(packed(json.dumps)) < 5000


def test_a_fingerprint_follows_code_and_plain_values_of_all_that_is_called():
    def made(scale, body):
        def inner(run):
            return run * scale if body else run + scale

        def outer(run):
            return [inner(run)]

        return outer

    assert fingerprint(made(1, body=True)) == fingerprint(made(1, body=True))
    assert fingerprint(made(1, body=True)) != fingerprint(made(2, body=True))
    assert fingerprint(lambda run: run + 1) == fingerprint(lambda run: run + 1)
    assert fingerprint(lambda run: run + 1) != fingerprint(lambda run: run + 2)


def test_a_file_is_the_users_own_and_an_earlier_function_is_noticed(tmp_path):
    file = tmp_path / function_file.NAME
    assert function_file.write(file, packed(lambda run: 1)) is False
    assert file.stat().st_mode & 0o777 == 0o600
    assert function_file.write(file, packed(lambda run: 1)) is False
    assert function_file.write(file, packed(lambda run: 2)) is True
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    file.unlink()
    file.symlink_to(other)
    assert function_file.write(file, packed(lambda run: 1)) is False
    assert other.read_bytes() == b"precious"
    assert not file.is_symlink()


def test_what_others_could_have_written_is_not_run(tmp_path):
    file = tmp_path / function_file.NAME
    function_file.write(file, packed(lambda run: run))
    assert launcher.read(str(file))[0].hyperparameters == {"lr": 0.1}
    file.chmod(0o620)
    with pytest.raises(UsageError, match="could have been written by somebody else: it is not run"):
        launcher.main(str(file))
    file.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(UsageError, match="link can't be read"):
        launcher.main(str(link))
    file.write_bytes(b"{}\nabc")
    with pytest.raises(UsageError, match="holds no function"):
        launcher.main(str(file))
    if os.geteuid() == 0:
        os.chown(file, 12345, 12345)
        with pytest.raises(UsageError, match="could have been written by somebody else"):
            launcher.main(str(file))


def test_another_python_is_refused(tmp_path, monkeypatch):
    file = tmp_path / function_file.NAME
    function_file.write(file, packed(lambda run: run))
    monkeypatch.setattr(launcher, "python_here", lambda: "CPython 3.99")
    with pytest.raises(UsageError, match=r"was written by CPython 3\.\d+; this is CPython 3\.99"):
        launcher.main(str(file))


@pytest.mark.process
def test_a_file_runs_alone_with_what_was_around_the_function(tmp_path):
    (tmp_path / "beside.py").write_text("FACTOR = 3\n")
    sys.path.append(str(tmp_path))
    offset = 4

    def train(run):
        import beside

        for step in run.steps():
            if run.due:
                run.report({"score": step * beside.FACTOR + offset})
                print(f"step {step}: {step * beside.FACTOR + offset}, lr {run.hp['lr']}")

    try:
        function_file.write(tmp_path / "function.pickle", packed(train))
    finally:
        sys.path.remove(str(tmp_path))
    command = function_file.command(Path("function.pickle"))
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["step 2: 10, lr 0.1", "step 4: 16, lr 0.1"]
