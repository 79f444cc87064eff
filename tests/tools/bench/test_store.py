"""The requests that gate CI: each count is as it is written down in ranges.json, whatever the machine and its load."""

from pathlib import Path

import pytest

from bench import ranges, store, transfers
from bench.figures import collect
from pbt_contract.stores.parts import requests_of
from support.minio import Server, minio

__all__ = ["minio"]


@pytest.fixture(scope="module")
def figures(minio: Server):
    found = collect(store.counted(minio, store.SIZES))
    return {name: figure.values[0] for name, figure in found.items() if figure.exact}


def test_all_counts_are_as_they_are_written_down(figures):
    written = {name: one.exact for name, one in ranges.load().items() if name.startswith("store.")}
    assert figures == {name: exact for name, exact in written.items() if exact is not None}


@pytest.mark.parametrize("size", store.SIZES)
def test_a_report_takes_what_the_cost_in_the_status_counts_on(figures, size):
    """A file for tensors in one request or in parts, one for the tree, and the record."""
    made = sum(count for name, count in figures.items() if name.startswith(f"store.{size}.report."))
    assert made == requests_of(store.SIZES[size]) + 2


def test_all_ways_move_the_same_bytes(minio: Server, tmp_path: Path):
    found = collect(transfers.measured(minio, tmp_path, size=20 * store.MB, rounds=3, crt=None))
    assert {name: len(figure.values) for name, figure in found.items()} == {
        f"store.{way}{beside}": 3
        for way in ("upload", "download")
        for beside in ("", "-to-boto3", "-to-parts")
    }
