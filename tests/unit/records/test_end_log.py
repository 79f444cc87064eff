"""What is read of the ends of lives doesn't grow with them."""

import pytest

from pbt_contract import keys
from pbt_contract.records import Birth, Cause
from pbt_operator.core.end_record import End
from pbt_operator.core.known_ends import ENDS_KEPT, KnownEnds
from pbt_operator.records.end_log import EndLog
from simulation.memory_store import MemoryStore


class Counting(MemoryStore):
    """Notes what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_keys: list[str] = []

    def read(self, key: str) -> bytes:
        self.read_keys.append(key)
        return super().read(key)


def test_of_a_line_with_many_crashes_the_newest_few_are_read_and_only_once():
    store, crashes = Counting(), 3 * ENDS_KEPT
    written = EndLog(store, KnownEnds(), readers=1, on_refused=lambda key, why: pytest.fail(f"{key}: {why}"))
    for incarnation in range(1, crashes + 1):
        written.write(End(member=0, incarnation=incarnation, pod="p", exit_code=1))
    line = [
        Birth(member=0, incarnation=n, cause=Cause.CRASH, hyperparameters={}, reason="a test")
        for n in range(crashes + 1, 1, -1)
    ]
    known = KnownEnds()
    log = EndLog(store, known, readers=1, on_refused=lambda key, why: pytest.fail(f"{key}: {why}"))
    store.read_keys.clear()
    for _ in range(3):
        log.learn_crash(line)
    newest = list(range(crashes, crashes - ENDS_KEPT, -1))
    assert store.read_keys == [keys.ended(0, incarnation) for incarnation in newest]
    assert [end.incarnation for end in known.of(0)] == newest
