"""The keys of the layout: what they are, and that nothing else passes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.errors import KeyRefused
from pbt_contract.key_rules import check_key, check_prefix, is_key

MEMBERS, INCARNATIONS = st.integers(0, 10**5 - 1), st.integers(1, 10**6 - 1)


def test_the_layout_is_the_published_one() -> None:
    assert keys.birth(3, 1) == "births/00003-000001.json"
    assert keys.claim(3, 1) == "claims/00003-000001.json"
    assert keys.round_(12) == "rounds/0000012.json"
    assert keys.report(12, 3, 1) == "reports/0000012/00003-000001.json"
    assert keys.save(3, 1, 250) == "saves/00003-000001/000000000250.json"
    assert keys.checkpoint(3, 1, 250, "ab12") == "checkpoints/00003-000001/000000000250-ab12/"
    assert keys.spec(0) == "specs/0000000.json"
    assert keys.owner(1) == "owners/0000001.json"
    assert keys.result(2) == "results/0000002.json"


@given(st.tuples(MEMBERS, INCARNATIONS), st.tuples(MEMBERS, INCARNATIONS))
def test_births_sort_as_their_numbers_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (keys.birth(*one) < keys.birth(*other)) == (one < other)


@given(MEMBERS, INCARNATIONS)
def test_a_life_is_read_back(member: int, incarnation: int) -> None:
    assert keys.parse_life(keys.life(member, incarnation)) == (member, incarnation)


@pytest.mark.parametrize(
    "text", ["", "3-1", "00003-000001.json", "00003-00001", "-0003-000001", "\u0663" * 5 + "-000001"]
)
def test_what_is_no_life_is_refused(text: str) -> None:
    with pytest.raises(KeyRefused):
        keys.parse_life(text)


@given(st.integers(0, 10**7 - 1))
def test_a_number_is_read_back(number: int) -> None:
    for key in (keys.round_(number), keys.spec(number), keys.owner(number), keys.result(number)):
        assert keys.number_in(key) == number


@pytest.mark.parametrize(
    "key", ["rounds/.json", "rounds/x.json", "rounds/-1.json", "rounds/\u0661.json", "rounds/"]
)
def test_a_name_without_a_number_is_refused(key: str) -> None:
    with pytest.raises(KeyRefused):
        keys.number_in(key)


@given(st.text(st.sampled_from("ab./~\\ \n\u00fc-"), max_size=12))
def test_an_accepted_key_is_a_path_that_stays_below_the_location(text: str) -> None:
    if is_key(text):
        assert os.path.normpath(f"/location/{text}") == f"/location/{text}"
        assert not text.startswith(".")
    else:
        with pytest.raises(KeyRefused):
            check_key(text)


@given(st.text(st.sampled_from("ab./"), max_size=8))
def test_a_prefix_is_empty_or_a_key_and_a_slash(text: str) -> None:
    accepted = text == "" or (text.endswith("/") and is_key(text[:-1]))
    if accepted:
        assert check_prefix(text) == text
    else:
        with pytest.raises(KeyRefused):
            check_prefix(text)


@pytest.mark.parametrize(
    "key",
    [
        keys.birth(3, 2),
        keys.claim(3, 2),
        keys.yielded(3, 2),
        keys.yielded(3, 2, keys.MOST_REQUESTS),
        keys.report(7, 3, 2),
        keys.save(3, 2, 70),
    ],
)
def test_the_key_of_a_record_tells_its_incarnation(key):
    assert keys.life_in(key) == (3, 2)


@pytest.mark.parametrize(
    "key",
    [
        keys.round_(3),
        "births/00003-000002/x.json",
        "births/x.json",
        "births/00003-000002-2.json",
        "claims/00003-000002-2.json",
        "reports/00003-000002.json",
        "saves/00003-000002.json",
        "other/00003-000002.json",
    ],
)
def test_other_keys_tell_no_incarnation(key):
    with pytest.raises(KeyRefused):
        keys.life_in(key)


def test_requests_to_a_life_are_numbered_and_the_first_has_the_key_that_it_always_had():
    assert keys.yielded(3, 2) == keys.yielded(3, 2, 1) == "yields/00003-000002.json"
    assert keys.yielded(3, 2, 2) == "yields/00003-000002-2.json"
    for number in range(1, keys.MOST_REQUESTS + 1):
        assert keys.request_in(keys.yielded(3, 2, number)) == (3, 2, number)


@pytest.mark.parametrize("name", ["0", "1", "9", "02", "-2", "10", "2/x", "\u0663"], ids=repr)
def test_other_names_are_no_requests(name):
    with pytest.raises(KeyRefused):
        keys.request_in(f"yields/00003-000002-{name}.json")


@pytest.mark.parametrize("key", ["00003-000002.json", "yields/00003-000002", keys.claim(3, 2)])
def test_other_keys_are_no_requests(key):
    with pytest.raises(KeyRefused):
        keys.request_in(key)


def test_the_newest_number_of_nothing_is_0():
    assert keys.newest_number([]) == 0
    assert keys.newest_number([keys.round_(2), keys.round_(10), keys.round_(9)]) == 10
