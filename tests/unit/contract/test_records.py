"""Records are decoded by many threads at once, and hold no number that JSON has not."""

import math
import subprocess
import sys

import pytest

from pbt_contract.encoding import encode
from pbt_contract.errors import RecordRefused
from pbt_contract.records import Birth, Cause

PROGRAM = """
import sys, threading
from pbt_contract.encoding import decode, encode
from pbt_contract.records import Birth, Cause

sys.setswitchinterval(1e-6)
birth = Birth(member=0, incarnation=1, cause=Cause.INITIAL, hyperparameters={"a": 1.0}, reason="a test")
data, ready = encode(birth), threading.Barrier(8)

def read():
    ready.wait()
    assert decode(Birth, data, key=birth.key) == birth

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.process
def test_threads_that_meet_a_kind_of_record_at_the_same_time_read_it() -> None:
    """Each process meets it once, and every other one crashed when nothing kept the threads apart."""
    codes = [subprocess.run([sys.executable, "-c", PROGRAM], check=False).returncode for _ in range(8)]
    assert codes == [0] * 8


def test_a_number_that_json_cannot_hold_is_refused_by_its_place() -> None:
    birth = Birth(
        member=0, incarnation=1, cause=Cause.INITIAL, hyperparameters={"lr": math.inf}, reason="a test"
    )
    with pytest.raises(
        RecordRefused, match=r"^births/00000-000001\.json: hyperparameters\.lr is not finite$"
    ):
        encode(birth)
