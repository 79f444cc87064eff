"""The account of what a script reads where, which says whether a change reaches its running loop."""

import copy
import os
import pickle
import threading
from collections.abc import Callable

import pytest

from pbt_trainer.session.hyperparameters import Hyperparameters

VALUES = {"dropout": 0.1, "layers": 2, "lr": 0.5}
HERE = "test_hyperparameters.py"


def baked(hp: Hyperparameters, *names: str) -> str | None:
    return hp.baked_in(names or VALUES)


@pytest.fixture
def hp() -> Hyperparameters:
    return Hyperparameters.watched(VALUES)


def test_what_was_read_before_the_loop_is_baked_in_whatever_the_loop_reads(hp: Hyperparameters) -> None:
    line = test_what_was_read_before_the_loop_is_baked_in_whatever_the_loop_reads.__code__.co_firstlineno + 2
    assert hp["dropout"] == 0.1
    hp.looping = True
    assert dict(hp) == VALUES
    assert hp["dropout"] == 0.1
    told = baked(hp)
    assert told is not None
    assert told.startswith("`dropout` was read at ")
    assert told.endswith(f"{HERE}:{line}, before the loop")
    assert baked(hp, "lr", "layers") is None


def test_the_first_place_is_told(hp: Hyperparameters) -> None:
    def twice() -> str | None:
        assert [hp["lr"], hp["lr"]] == [0.5, 0.5]
        return baked(hp)

    first = twice()
    assert hp["lr"] == 0.5
    assert baked(hp) == first


def test_several_are_told_in_one_sentence() -> None:
    names = dict.fromkeys("abcde", 1)
    hp = Hyperparameters(names)
    for name in "ab":
        assert hp[name] == 1
    told = hp.baked_in(names)
    assert told is not None
    assert told.count(" was read at ") == 2
    assert ", before the loop" in told
    assert list(hp) == list(names)
    told = hp.baked_in(names)
    assert told is not None
    assert told.count(" was read at ") == 3
    assert told.endswith(" and 2 more, before the loop")


@pytest.mark.parametrize(
    "take",
    [
        dict,
        lambda hp: {**hp},
        list,
        lambda hp: list(hp.items()),
        lambda hp: list(hp.values()),
        lambda hp: hp == {},
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda hp: pickle.loads(pickle.dumps({"inside": hp})),
    ],
)
def test_who_takes_all_of_it_has_read_every_name(hp: Hyperparameters, take: Callable[..., object]) -> None:
    take(hp)
    assert hp.read == set(VALUES)
    told = baked(hp)
    assert told is not None
    assert all(f"`{name}`" in told for name in VALUES)
    assert HERE in told


@pytest.mark.parametrize("look", [repr, str, len, bool, lambda hp: "lr" in hp, Hyperparameters.peek])
def test_who_only_looks_has_read_nothing(hp: Hyperparameters, look: Callable[..., object]) -> None:
    look(hp)
    assert hp.read == set()
    assert baked(hp) is None


def test_a_copy_has_the_values_of_its_time(hp: Hyperparameters) -> None:
    kept = [copy.copy(hp), copy.deepcopy(hp), pickle.loads(pickle.dumps(hp))]
    hp.replace({"lr": 0.25})
    assert all(each == VALUES for each in kept)
    assert hp.peek() == VALUES | {"lr": 0.25}


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_copy_that_the_loop_makes_keeps_its_value_too(
    hp: Hyperparameters, take: Callable[..., object]
) -> None:
    with hp.reaching():
        take(hp)
    assert baked(hp) is None
    hp.looping = True
    take(hp)
    told = baked(hp)
    assert told is not None
    assert told.endswith(": the copy keeps its value")
    assert f"was copied at {HERE}" in told


def test_what_is_called_again_after_a_takeover_reaches_the_loop_but_not_what_was_read_outside_of_it_too(
    hp: Hyperparameters,
) -> None:
    function = hp.reached(lambda: (hp["lr"], hp["layers"]))
    assert function() == (0.5, 2)
    assert baked(hp) is None
    assert hp.get("layers") == 2
    told = baked(hp)
    assert told is not None
    assert "`layers`" in told
    assert "`lr`" not in told


def test_a_read_in_a_nested_call_reaches_until_the_outermost_ends(hp: Hyperparameters) -> None:
    with hp.reaching():
        with hp.reaching():
            assert hp["lr"] == 0.5
        assert hp["layers"] == 2
    assert baked(hp) is None
    assert hp["dropout"] == 0.1
    assert baked(hp) is not None


def test_a_takeover_clears_nothing(hp: Hyperparameters) -> None:
    assert hp["layers"] == 2
    hp.looping = True
    hp.replace({"layers": 3})
    assert hp["layers"] == 3
    assert baked(hp) is not None


def test_a_thread_of_the_script_counts(hp: Hyperparameters) -> None:
    reader = threading.Thread(target=lambda: hp["lr"])
    reader.start()
    reader.join()
    assert baked(hp, "lr") is not None


@pytest.mark.process
@pytest.mark.parametrize("looping", [False, True])
def test_what_a_forked_process_read_is_baked_in_for_it_keeps_its_value(
    hp: Hyperparameters, looping: bool
) -> None:
    hp.looping = looping
    child = os.fork()
    if child == 0:
        os._exit(int(hp["lr"] != 0.5))
    assert os.waitpid(child, 0)[1] == 0
    assert baked(hp) == "`lr` was read by a forked process, which keeps its value"
    assert baked(hp, "layers") is None
    assert hp.read == {"lr"}


def test_a_name_that_is_not_there_is_an_error_and_no_read(hp: Hyperparameters) -> None:
    with pytest.raises(KeyError, match="momentum"):
        hp["momentum"]
    assert hp.get("momentum", 0.9) == 0.9
    assert hp.read == set()
