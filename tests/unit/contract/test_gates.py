"""Which gate is the newest, found without a listing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract.encoding import encode
from pbt_contract.errors import RecordRefused
from pbt_contract.gates import Gate, newest_gate, read_gate
from simulation.memory_store import MemoryStore


def gate(number: int) -> Gate:
    """A gate that opens as many rounds as its number."""
    return Gate(number=number, up_to=number, awaits=1, quorum=2, spec=1, decided=0, lead=2)


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_the_newest_gate_is_found_with_few_questions(stored: int, known: int) -> None:
    known = min(known, stored)
    asked: list[int] = []

    def read(number: int) -> Gate | None:
        asked.append(number)
        return gate(number) if number <= stored else None

    found = newest_gate(read, gate(known) if known else None)
    assert (found.number if found else 0) == stored
    assert min(asked) > known
    assert len(asked) <= 2 * (stored - known + 1).bit_length() + 1


@given(st.integers(1, 10**6))
def test_one_question_tells_that_a_known_gate_is_the_newest(known: int) -> None:
    asked: list[int] = []
    assert newest_gate(asked.append, gate(known)) == gate(known)
    assert asked == [known + 1]


def test_a_gate_is_read_by_its_number_and_refused_where_it_says_another() -> None:
    store = MemoryStore()
    assert read_gate(store, 1) is None
    store.create(gate(1).key, encode(gate(1)))
    store.create(gate(2).key, encode(gate(1)))
    assert read_gate(store, 1) == gate(1)
    with pytest.raises(RecordRefused, match="says that it is gates/0000001"):
        read_gate(store, 2)
