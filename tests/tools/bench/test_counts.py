"""The counts that gate CI: each is as it is written down in ranges.json, whatever the machine and its load."""

import pytest

from bench import counts, ranges
from bench.figures import collect

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def figures():
    return collect(counts.measure(1))


def test_all_counts_are_as_they_are_written_down(figures):
    wanted = {name: one.exact for name, one in ranges.load().items() if name.startswith(f"{counts.NAME}.")}
    assert {name: figure.values[0] for name, figure in figures.items()} == wanted


def test_in_place_no_process_is_started_for_an_exploit_and_a_new_process_is_one_for_each(figures):
    def count(name: str) -> float:
        return figures[f"counts.{name}"].values[0]

    assert count("in-place.exploits") > 0
    assert count("in-place.images") == len(counts.SETTINGS.rates)
    assert count("new-process.processes") == len(counts.SETTINGS.rates) + count("new-process.exploits")
