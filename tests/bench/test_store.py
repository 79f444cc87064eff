"""The requests that gate CI: each count is as it is written down in ranges.json, whatever the machine and its load."""

import pytest

from bench import ranges, store
from bench.figures import collect
from pbt_trainer.stores.parts import requests_of
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
def test_a_checkpoint_takes_what_the_cost_in_the_status_counts_on(figures, size):
    record, tree = 1, 1
    assert figures[f"store.{size}.report-and-checkpoint"] == requests_of(store.SIZES[size]) + tree + record
