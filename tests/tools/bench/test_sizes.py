"""A population whose records are too large is run to its end, and what isn't as it should be is told."""

import pytest

from bench.sizes import ROUNDS, STATUS_BYTES, measure
from pbt_contract.limits import MAX_RECORD_BYTES
from pbt_operator.records import large_records


def test_a_population_of_large_records_ends_with_all_of_them_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_records, "WHOLE_BYTES", 20_000)
    monkeypatch.setattr(large_records, "CUT_BYTES", 5_000)
    sizes = measure(24, 16, 50)
    assert sizes.faults(24) == []
    assert sizes.pieces > ROUNDS * 24 * 50 * 15 / 6_000
    assert max(sizes.largest.values()) <= 20_000
    assert sizes.faults(25) == ["the result has 24 members"]
    sizes.largest["rounds/"], sizes.status = MAX_RECORD_BYTES + 1, STATUS_BYTES + 1
    assert len(sizes.faults(24)) == 2
