"""What a checkpoint keeps of Python values, and what it refuses."""

import enum
import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pbt_contract.errors import RecordRefused, StateError
from pbt_trainer.state.codec import MAX_DEPTH, Encoder, decode, dumps, encode, loads
from pbt_trainer.state.tensors import Leaves
from pbt_trainer.state.tree_reader import TAGS


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
        st.binary().map(bytearray)
        | st.lists(inner, max_size=4)
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
    BLUE = 2


class Shade(enum.Enum):
    RED = (0, {"not": "hashable"})


class Mine(dict[str, int]):
    pass


class Point(NamedTuple):
    x: Any
    y: Any


class Extended(Point):
    """It has a place for more than its fields."""

    def __new__(cls, *fields: Any) -> Self:
        made = super().__new__(cls, *fields)
        made.more = 1
        return made


class Like:
    """An array of another library, by `__array__`."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.array


class Exchanged:
    """An array of another library, by `__dlpack__` alone."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


class Distant(Like):
    """One on a device: it refuses `__array__`, as those of CuPy do, and gives a copy by `__dlpack__`."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise TypeError("implicit conversion")

    def __dlpack__(self, *, dl_device: Any = None, **options: Any) -> Any:
        assert dl_device == (1, 0)
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (2, 0)


class Labelled(Like):
    """A table: its labels would be lost."""

    index = ("a", "b")

    def __init__(self) -> None:
        super().__init__(np.zeros(2))


class Failing(Like):
    def __init__(self) -> None:
        super().__init__(None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise RuntimeError("it is being traced")


@pytest.mark.parametrize(
    "value",
    [
        lambda: 0,
        object(),
        Mine(a=1),
        Labelled(),
        Failing(),
        Extended(1, 2),
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


@pytest.mark.parametrize("kind", [Like, Exchanged, Distant], ids=lambda kind: kind.__name__)
def test_an_array_of_another_library_comes_back_as_one_of_numpy(kind: Any) -> None:
    array = np.arange(6.0).reshape(2, 3)
    back = round_trip({"a": kind(array), "b": [kind(array)]})
    assert type(back["a"]) is np.ndarray
    assert back["a"].tolist() == array.tolist()
    assert back["b"][0] is back["a"]


class Sub(Point):
    """A class of the script's own: what it does when it is called isn't done by a restore."""

    __slots__ = ()

    def __new__(cls, *_fields: Any) -> Self:
        raise AssertionError("called")


def test_a_named_tuple_gets_the_class_of_the_live_one() -> None:
    live = {"points": [Point(0, (Point(0, 0), None))], "deque": deque([tuple.__new__(Sub, (0, 0))], maxlen=3)}
    tree, _ = encode(
        {
            "points": [Point(1, (Point(2.5, "z"), None))],
            "deque": deque([tuple.__new__(Sub, (3, 4))], maxlen=3),
        },
        path="object",
    )
    back = decode(loads(dumps(tree)), lambda _leaf, _kind: None, like=live)
    assert back == {"points": [Point(1, (Point(2.5, "z"), None))], "deque": deque([(3, 4)])}
    assert type(back["points"][0]) is type(back["points"][0].y[0]) is Point
    assert type(back["deque"][0]) is Sub


def test_a_member_of_an_enumeration_is_the_live_enumerations_of_that_name() -> None:
    tree, _ = encode([Colour.BLUE, Shade.RED], path="object")
    assert decode(tree, lambda _leaf, _kind: None, like=[Colour.RED, Shade.RED]) == [Colour.BLUE, Shade.RED]
    assert round_trip([Colour.BLUE]) == ["BLUE"]
    with pytest.raises(StateError, match=r"Colour \(BLUE\) where this object has a \S+Shade \(RED\)"):
        decode(tree, lambda _leaf, _kind: None, like=[Shade.RED, Shade.RED])


def test_a_named_tuple_that_nobody_takes_over_is_read_as_a_dict() -> None:
    assert round_trip([Point(1, Point(2, 3))]) == [{"x": 1, "y": {"x": 2, "y": 3}}]


class Other(NamedTuple):
    x: Any
    z: Any


@pytest.mark.parametrize(
    ("live", "told"),
    [
        (
            [Other(1, 2)],
            r"Point \(x, y\) where this object has a \S+Other \(x, z\): build it in the same form",
        ),
        ([(1, 2)], r"has a builtins\.tuple \(\)"),
        ([], "has nothing"),
        (None, "has nothing"),
        ({0: Point(1, 2)}, "has nothing"),
    ],
    ids=str,
)
def test_a_named_tuple_without_its_like_is_an_error_that_names_both(live: Any, told: str) -> None:
    tree, _ = encode([Point(1, 2)], path="object")
    with pytest.raises(StateError, match=told):
        decode(tree, lambda _leaf, _kind: None, like=live)


@pytest.mark.parametrize("value", [{Point(1, 2): 0}, {((Point(1, 2),),): 0}, {Point(1, 2)}], ids=str)
def test_a_named_tuple_as_a_key_is_refused(value: Any) -> None:
    with pytest.raises(StateError, match="Its class comes from the object"):
        encode(value, path="object")


def test_the_format_is_the_oldest_that_can_say_it() -> None:
    for value, expected in [
        (np.zeros(2), 1),
        ({"a": (1,)}, 1),
        (Like(np.zeros(2)), 1),
        ([Point(1, 2)], 2),
        (bytearray(b"a"), 2),
    ]:
        encoder = Encoder(Leaves())
        encoder.encode(value, path="object")
        assert encoder.format == expected


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
        b'{"bytearray":"?"}',
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
        b'{"namedtuple":["os.system",[["x"]]]}',
        b'{"namedtuple":[]}',
        b'{"enum":[]}',
        b'{"pytree":["x",[[[],1]]]}',
        b'{"jax.key":["x"]}',
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


def test_the_page_about_storage_names_each_key_of_a_tree() -> None:
    page = (Path(__file__).parents[4] / "docs" / "storage.md").read_text()
    section = page.partition("## The SDK's checkpoints")[2].partition("\n## ")[0]
    assert {tag for tag in TAGS if f"`{tag}`" not in section} == set()
