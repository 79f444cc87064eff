"""What a checkpoint keeps of Python values, and what it refuses."""

import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbt_contract.errors import RecordRefused, StateError
from pbt_trainer.state.codec import MAX_DEPTH, decode, dumps, encode, loads


def round_trip(value: object) -> Any:
    """Through JSON; tensors and arrays are handed over as they are."""
    tree, leaves = encode(value, path="object")
    sources = {leaf.name: leaf.source for leaf in leaves}
    return decode(loads(dumps(tree)), lambda leaf, _kind: sources[leaf])


def same(a: Any, b: Any) -> bool:
    """Equal to the type, the order and the sign of zero."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, dict):
        return (
            len(a) == len(b)
            and all(same(*keys) for keys in zip(a, b, strict=True))
            and all(same(*items) for items in zip(a.values(), b.values(), strict=True))
            and getattr(a, "default_factory", None) is getattr(b, "default_factory", None)
        )
    if isinstance(a, list | tuple | deque):
        return (
            len(a) == len(b) and all(map(same, a, b)) and getattr(a, "maxlen", 0) == getattr(b, "maxlen", 0)
        )
    return bool(a == b)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**53 - 2, max_value=2**80)
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
)
hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    dicts = st.dictionaries(hashable, inner, max_size=4)
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | dicts
        | st.dictionaries(st.text(), inner, max_size=4)
        | dicts.map(OrderedDict)
        | dicts.map(lambda items: defaultdict(list, items))
        | st.dictionaries(hashable, st.integers(), max_size=4).map(Counter)
        | st.sets(hashable, max_size=4)
        | st.frozensets(hashable, max_size=4)
        | st.lists(inner, max_size=4).map(lambda items: deque(items, maxlen=7))
    )


@given(st.recursive(scalars, containers, max_leaves=15))
@settings(deadline=None, max_examples=300)
def test_nested_values_come_back_equal_to_the_type(value: Any) -> None:
    assert same(round_trip(value), value)


@given(st.sets(hashable, max_size=6))
@settings(deadline=None)
def test_the_same_set_always_gives_the_same_bytes(values: set[Any]) -> None:
    other: set[Any] = set()
    other.update(list(values)[::-1])
    assert dumps(encode(values, path="set")[0]) == dumps(encode(other, path="set")[0])


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        math.nan,
        -math.inf,
        10**5000,
        "\ud800 a lone surrogate",
        {2: 0, True: 2, "1": 3, None: 4, (1, "a"): 5, 1.5: 6},
        {"tensor": {"leaf": "no leaf"}},
        defaultdict(None, a=1),
        Counter({"b": 2, "a": -1}),
        np.float32(0.1),
        np.int64(3),
        np.bool_(True),
        np.datetime64("2020-02-03T04:05"),
        np.str_("text"),
        torch.Size([2, 0]),
        torch.bfloat16,
        torch.device("cuda", 1),
        [[], (), {}, set(), b""],
    ],
    ids=lambda value: type(value).__name__,
)
def test_particular_values_come_back_equal_to_the_type(value: Any) -> None:
    assert same(round_trip(value), value)


def test_what_json_can_say_is_said_plainly() -> None:
    state = {"step": 3, "rates": [0.1, 1.0], "name": None}
    assert encode(state, path="loader")[0] == {"dict": state}


class Colour(enum.IntEnum):
    RED = 1


class Mine(dict[str, int]):
    pass


@pytest.mark.parametrize(
    "value",
    [
        lambda: 0,
        object(),
        Colour.RED,
        Mine(a=1),
        namedtuple("Point", "x")(1),  # noqa: PYI024
        np.array([object()]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.ma.masked_array([1], mask=[True]),
        np.random.default_rng(),
        torch.Generator(),
        torch.eye(3).to_sparse(),
        torch.empty(2, device="meta"),
        torch.empty(2, dtype=torch.uint1),
        torch.nn.UninitializedParameter(),
        range,
        defaultdict(lambda: 0),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_kept_is_refused_by_its_path(value: Any) -> None:
    with pytest.raises(
        StateError, match=r"^optimizer\.state\[0\]\['foo'\] is of type \S+, which a checkpoint"
    ) as error:
        encode({"state": {0: {"foo": value}}}, path="optimizer")
    assert str(error.value).endswith(".")


def test_a_sharded_tensor_is_told_the_other_way() -> None:
    class DTensor(torch.Tensor):
        pass

    with pytest.raises(StateError, match=r"model\['a\.b'\] .*report\(\.\.\., files=DIR\)"):
        encode({"a.b": torch.zeros(2).as_subclass(DTensor)}, path="model")


def test_a_tensor_as_a_key_is_refused() -> None:
    with pytest.raises(StateError, match=r"A key of optimizer\.state"):
        encode({"state": {torch.zeros(2): 1}}, path="optimizer")


def test_what_holds_itself_is_refused_and_not_followed_for_ever() -> None:
    loop: list[Any] = []
    loop.append({"again": loop})
    with pytest.raises(StateError, match=r"loader\[0\]\['again'\]\[0\].* holds itself"):
        encode(loop, path="loader")


def test_the_deepest_value_that_is_kept_can_be_read() -> None:
    value: Any = 0
    for _ in range(MAX_DEPTH):
        value = (value,)
    assert same(round_trip(value), value)
    with pytest.raises(StateError, match="nested more than"):
        encode((value,), path="loader")


def test_leaves_have_readable_unique_names() -> None:
    state = {"fc1.weight": torch.zeros(1), "fc1": {"weight": torch.ones(1)}, 0: [torch.zeros(2), np.zeros(2)]}
    _, leaves = encode(state, path="model")
    assert [leaf.name for leaf in leaves] == [
        "model.fc1.weight",
        "model.fc1.weight#2",
        "model.0.0",
        "model.0.1",
    ]


def test_names_that_the_format_cannot_hold_are_changed() -> None:
    _, leaves = encode({"\ud800": torch.zeros(1), "x" * 1000: torch.zeros(1)}, path="m")
    assert leaves[0].name == "m.\\ud800"
    assert len(leaves[1].name) == 200


def test_tied_tensors_come_back_as_one_and_are_stored_once() -> None:
    weight = torch.randn(3, 4)
    views = {
        "a": weight,
        "b": weight.detach(),
        "c": torch.nn.Parameter(weight),
        "d": weight.t(),
        "e": weight[:2],
    }
    tree, leaves = encode(views, path="model")
    assert [leaf.name for leaf in leaves] == ["model.a", "model.d", "model.e"]
    sources = {leaf.name: leaf.source for leaf in leaves}
    back = decode(tree, lambda leaf, _kind: sources[leaf].clone())
    assert back["a"] is back["b"] is back["c"]


def test_two_empty_tensors_are_not_taken_for_one() -> None:
    _, leaves = encode([torch.empty(0), torch.empty(0, 3), torch.empty(0)], path="model")
    assert len(leaves) == 3


def nested(depth: int) -> bytes:
    return b'{"tuple":[' * depth + b"]}" * depth


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        nested(MAX_DEPTH + 2),
        nested(50_000),
        b'{"os.system":["true"]}',
        b'{"tuple":[],"list":[]}',
        b"{}",
        b'{"map":[[[],1]]}',
        b'{"set":[[1]]}',
        b'{"tuple":5}',
        b'{"int":"zz"}',
        b'{"float":"1"}',
        b'{"bytes":"?"}',
        b'{"deque":[-1,[]]}',
        b'{"defaultdict":["eval",[]]}',
        b'{"numpy":["O","AAAA"]}',
        b'{"numpy":["<f8","AAAA"]}',
        b'{"torch.dtype":"load"}',
        b'{"torch.dtype":"nn"}',
        b'{"torch.device":"no such"}',
        b'{"tensor":{"leaf":"x","dtype":"load","shape":[1]}}',
        b'{"tensor":{"leaf":"x","stride":[1000000000000]}}',
        b'{"tensor":{"leaf":"x","dtype":"complex64","shape":[7]}}',
        b'{"tensor":{"leaf":"y"}}',
        b'{"tensor":[]}',
        b'{"array":{"leaf":"a","dtype":"O8","shape":[1]}}',
    ],
    ids=lambda data: data[:40].decode(),
)
def test_a_malformed_tree_is_refused_and_nothing_worse(data: bytes) -> None:
    stored = {"x": torch.zeros(8, dtype=torch.uint8), "a": np.zeros(8, dtype=np.uint8)}
    with pytest.raises(RecordRefused, match="the state is"):
        decode(loads(data), lambda leaf, _kind: stored[leaf])


@given(st.recursive(scalars, containers, max_leaves=8))
@settings(deadline=None, max_examples=50)
def test_the_tree_is_json_for_any_reader(value: Any) -> None:
    data = dumps(encode(value, path="object")[0])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(data.decode("ascii"), parse_constant=refuse)
