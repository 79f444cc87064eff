"""As many processes start at once as there are cores; who has joined, is over or takes long makes room for the next."""

from pathlib import Path

from pbt_contract import keys
from pbt_contract.keys import Life
from pbt_contract.stores.folder import FolderStore
from pbt_operator.runners.local.starts import JOINED_AFTER_SECONDS, Starts


class Queue:
    """Four processes that are to start, two at once, and the time."""

    def __init__(self, folder: Path) -> None:
        self.store, self.seconds = FolderStore(folder), 0.0
        self.starts = Starts(self.store, at_once=2, clock=lambda: self.seconds)
        for member in range(4):
            self.starts.wait(f"m{member}", Life(member, 1))

    def due(self) -> list[str]:
        return list(self.starts.due())


def test_those_that_wait_longest_start_first(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    assert queue.due() == ["m0", "m1"]
    assert queue.due() == []


def test_a_claim_makes_room_for_the_next(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.due()
    queue.store.create(keys.claim(1, 1), b"{}")
    queue.store.create(keys.claim(3, 7), b"{}")  # another life of somebody who waits
    assert queue.due() == ["m2"]
    assert queue.due() == []


def test_who_is_over_makes_room_for_the_next(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.due()
    assert not queue.starts.drop("m0")
    assert queue.due() == ["m2"]


def test_who_is_stopped_before_its_turn_never_starts(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.due()
    assert queue.starts.drop("m2")
    queue.starts.drop("m0")
    queue.starts.drop("m1")
    assert queue.due() == ["m3"]


def test_nobody_waits_long_for_one_that_claims_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.due()
    queue.seconds = JOINED_AFTER_SECONDS - 0.1
    assert queue.due() == []
    queue.seconds = JOINED_AFTER_SECONDS
    assert queue.due() == ["m2", "m3"]


def test_a_start_is_asked_for_again_after_its_end(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.due()
    queue.starts.drop("m0")
    queue.starts.wait("m0", Life(0, 1))
    assert [queue.due(), queue.starts.drop("m1"), queue.due()] == [["m2"], False, ["m3"]]
