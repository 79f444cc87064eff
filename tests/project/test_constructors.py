"""Constructors only keep what they are given: what opens, starts or listens is a class method of its own."""

from pathlib import Path

import pytest

from support.constructors import acting_constructors, acting_in

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "package", ["operator/pbt_operator", "trainer_image/pbt_contract", "trainer_image/pbt_trainer"]
)
def test_no_constructor_does_io(package: str) -> None:
    assert acting_constructors(ROOT / package) == []


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ("self.file = open(path)", "open"),
        ("self.fd = os.memfd_create('x')", "os.memfd_create"),
        ("self.child = Popen(['x'])", "subprocess.Popen"),
        ("threading.Thread(target=print).start()", "threading.Thread(target=print).start"),
        ("self._begin()", "signal.signal"),
        ("prepare(path)", "path.mkdir"),
        ("self.store = Store.open(path)", "Store.open"),
        ("probe(path)", "pbt_contract.stores.probe.probe"),
        ("self.known = specs.newest(path)", "specs.newest"),
    ],
)
def test_a_constructor_that_acts_is_found(body: str, call: str) -> None:
    source = f"""
import os, signal, threading
from subprocess import Popen
from pbt_contract.stores.probe import probe

def prepare(path):
    path.mkdir()

class Acting:
    def __init__(self, path):
        {body}

    def _begin(self):
        signal.signal(15, print)
"""
    assert [found.split(": ")[1] for found in acting_in(source)] == [call]


def test_a_constructor_that_keeps_what_it_was_given_is_none() -> None:
    source = """
import os

class Quiet:
    def __init__(self, path):
        self.path = os.path.join(path, "x")

    @classmethod
    def open(cls, path):
        os.mkdir(path)
        return cls(path)
"""
    assert list(acting_in(source)) == []
