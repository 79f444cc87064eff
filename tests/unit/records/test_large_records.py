"""Rounds and results that one object can't hold: pieces come first, and the one object that names them decides."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.chosen import choose
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import NewerFormat, NotFound, RecordRefused, StoreUnavailable
from pbt_contract.records import Cause, Source
from pbt_operator.core.round_record import (
    Beaten,
    Crashed,
    Decision,
    Entry,
    Proposal,
    ProposedMove,
    Recorded,
    Round,
    Standing,
    Turn,
)
from pbt_operator.core.status import PopulationPhase, Result
from pbt_operator.records import large_records
from pbt_operator.records.archive import read_archive
from pbt_operator.records.audit import audit
from pbt_operator.records.large_records import AT_ONCE, read_head_only, read_large, write_large
from pbt_operator.records.results import newest_result
from simulation import Simulation
from simulation.memory_store import MemoryStore

KEY = keys.round_(3)
HYPERPARAMETERS = {"lr": 0.125, "layers": 3, "kind": "ä"}


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of a few members are large ones."""
    monkeypatch.setattr(large_records, "WHOLE_BYTES", 1500)
    monkeypatch.setattr(large_records, "CUT_BYTES", 700)


def source(member: int) -> Source:
    life = keys.life(member, 1)
    return Source(
        member=member,
        incarnation=1,
        step=30,
        checkpoint=f"checkpoints/{life}/000000000030-n/",
        record=f"reports/0000003/{life}.json",
    )


def entry(member: int, values: list[float]) -> Entry:
    score = sum(values) / len(values) if values else None
    return Entry(
        member=member,
        incarnation=1,
        score=score,
        values=values,
        source=source(member),
        hyperparameters=HYPERPARAMETERS,
        unscored=UNSET if values else True,
    )


def decision(member: int) -> Decision:
    operations = dict.fromkeys(HYPERPARAMETERS, "kept")
    return Decision(
        member=member,
        incarnation=1,
        cause=Cause.EXPLOIT,
        source=source(0),
        hyperparameters=HYPERPARAMETERS,
        operations=operations,
        reason="is worse",
    )


def crashed(member: int) -> Crashed:
    return Crashed(member=member, incarnation=1, hyperparameters=HYPERPARAMETERS, blamed=False)


def recorded(members: list[int]) -> Recorded:
    beaten = [Beaten(member=m, donors=members[::-1], why="is worse") for m in members]
    moves = [
        ProposedMove(member=m, copied=HYPERPARAMETERS, inputs={"at": [m]}, hyperparameters={}, operations={})
        for m in members
    ]
    return Recorded(earlier=[1, 2], exploit=Proposal(inputs={"a": 1}, beaten=beaten), explore=moves)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
MEMBERS = st.lists(st.integers(0, 99_999), max_size=12, unique=True).map(sorted)


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    def some() -> list[int]:
        return draw(MEMBERS)

    best = Standing(
        member=0, incarnation=1, step=30, score=1.0, hyperparameters=HYPERPARAMETERS, source=source(0)
    )
    return Round(
        number=3,
        step=30,
        spec=1,
        entries=[entry(m, draw(st.lists(NUMBERS, max_size=60))) for m in some()],
        decisions=list(map(decision, some())),
        best=draw(st.sampled_from([None, best])),
        due=draw(st.sampled_from([UNSET, 4])),
        recorded=draw(st.sampled_from([UNSET, Recorded(), recorded(list(range(6)))])),
        crashed=draw(st.sampled_from([UNSET, [], [*map(crashed, range(8))]])),
        sub_populations=draw(st.sampled_from([UNSET, [Turn(since=1, due=4)]])),
    )


LARGE = Round(
    number=3,
    step=30,
    spec=1,
    entries=[entry(m, [1.0 * m] * 20) for m in range(12)],
    decisions=[*map(decision, range(4))],
    due=5,
)
OTHER = replace(LARGE, decisions=[*map(decision, range(2, 8))])


@given(wanted=rounds())
def test_a_round_of_any_size_is_read_as_it_was_written(wanted: Round) -> None:
    store = MemoryStore()
    whole = len(encode(wanted)) <= large_records.WHOLE_BYTES
    assert write_large(store, wanted, key=KEY) == wanted
    assert read_large(store, Round, KEY, readers=3) == wanted
    pieces = list(store.names(keys.PIECES))
    if whole:
        assert store.read(KEY) == encode(wanted)
        assert pieces == []
    else:
        assert {"format": 2, "entries": [], "number": 3}.items() <= json.loads(store.read(KEY)).items()
        one_alone = max(len(store.read(key)) for key in pieces) if pieces else 0
        assert one_alone <= 700 + len(encode(entry(99_999, [1e-38] * 60))) + 30
    assert list(store.names(keys.ROUNDS)) == [KEY]


def test_a_version_without_pieces_refuses_such_a_round_and_says_why() -> None:
    store = MemoryStore()
    write_large(store, LARGE, key=KEY)
    with pytest.raises(NewerFormat, match=f"{KEY}: format 2"):
        decode(Round, store.read(KEY), key=KEY)


class Failing(MemoryStore):
    """Takes so many writes, and answers none after the last; or stores that one too and loses the answer."""

    def __init__(self, writes: int, *, stores_the_last: bool) -> None:
        super().__init__()
        self.left, self.stores_the_last = writes, stores_the_last

    def create(self, key: str, data: bytes) -> bytes:
        self.left -= 1
        if self.left < 0:
            if self.stores_the_last:
                super().create(key, data)
            raise StoreUnavailable("killed")
        return super().create(key, data)


def killed() -> Iterator[MemoryStore]:
    """What is stored by writers that end before and after each of their writes."""
    for writes in count():
        for stores_the_last in (False, True):
            store = Failing(writes, stores_the_last=stores_the_last)
            try:
                write_large(store, LARGE, key=KEY)
            except StoreUnavailable:
                store.left = 10**6
                yield store
                continue
            return


@pytest.mark.parametrize("next_one", [LARGE, OTHER], ids=["the same", "another"])
def test_whoever_goes_on_after_a_writer_that_was_killed_between_any_two_writes_decides_once(
    next_one: Round,
) -> None:
    tried = 0
    for store in killed():
        tried += 1
        is_decided = KEY in set(store.names(keys.ROUNDS))
        assert write_large(store, next_one, key=KEY) == (LARGE if is_decided else next_one)
        assert read_large(store, Round, KEY) == (LARGE if is_decided else next_one)
    assert tried > 8


class Between(MemoryStore):
    """Somebody else does something before the n-th write."""

    def __init__(self, writes: int, meanwhile: Any) -> None:
        super().__init__()
        self.left, self.meanwhile = writes, meanwhile

    def create(self, key: str, data: bytes) -> bytes:
        self.left -= 1
        if self.left == 0:
            self.meanwhile(self)
        return super().create(key, data)


@given(writes=st.integers(1, 14), other=rounds())
@settings(max_examples=40)
def test_of_two_operators_at_once_both_follow_the_first(writes: int, other: Round) -> None:
    store = Between(writes, lambda store: write_large(store, other, key=KEY))
    followed = write_large(store, LARGE, key=KEY)
    assert followed == read_large(store, Round, KEY)
    assert followed == (other if store.left <= 0 else LARGE)


@pytest.mark.parametrize("spoil", ["missing", "cut off", "altered", "another's", "too large"])
def test_a_piece_that_is_not_what_the_round_names_is_refused_by_its_key(spoil: str) -> None:
    store = MemoryStore()
    write_large(store, LARGE, key=KEY)
    first, second, *_ = store.names(keys.PIECES)
    data = store.read(second)
    store.delete([second])
    spoilt = {
        "cut off": data[:-2],
        "altered": data.replace(b"1", b"2"),
        "another's": store.read(first),
        "too large": data + b" " * 5_000_000,
    }
    if spoil != "missing":
        store.put(second, spoilt[spoil])
    with pytest.raises(RecordRefused, match=second) as refused:
        read_large(store, Round, KEY)
    assert KEY in str(refused.value)
    assert not isinstance(refused.value, NotFound)


def test_what_lies_where_a_piece_belongs_is_refused_before_the_round_is_decided() -> None:
    elsewhere, store = MemoryStore(), MemoryStore()
    write_large(elsewhere, LARGE, key=KEY)
    squatted = next(elsewhere.names(keys.PIECES))
    store.put(squatted, b"mine")
    with pytest.raises(RecordRefused, match=squatted):
        write_large(store, LARGE, key=KEY)
    assert list(store.names(keys.ROUNDS)) == []


def test_a_record_that_is_too_large_even_for_pieces_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_records, "MAX_BYTES_IN_PIECES", 3000)
    store = MemoryStore()
    with pytest.raises(RecordRefused, match=f"{KEY}.*have fewer members, hyperparameters or evaluations"):
        write_large(store, LARGE, key=KEY)
    assert list(store.names(keys.ROUNDS)) == []


HEAD: dict[str, Any] = {
    "format": 2,
    "number": 3,
    "step": 30,
    "spec": 1,
    "entries": [],
    "pieces": [{"of": "entries", "count": 1, "size": 9, "sha256": "0" * 64}],
}


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("pieces", [], "names no pieces"),
        ("pieces", [{**HEAD["pieces"][0], "of": "best"}], "no empty list 'best'"),
        ("pieces", [{**HEAD["pieces"][0], "of": "crashed"}], "no empty list 'crashed'"),
        ("pieces", [{**HEAD["pieces"][0], "sha256": "../" * 10}], "no SHA-256"),
        ("pieces", [{**HEAD["pieces"][0], "size": 2**28}] * 2, "they may have"),
        ("pieces", 5, "pieces"),
        ("number", 4, "rounds/0000004.json"),
    ],
)
def test_a_forged_head_is_refused_without_a_read_of_a_piece(field: str, value: Any, why: str) -> None:
    store = Counting()
    store.put(KEY, json.dumps({**HEAD, field: value}).encode())
    with pytest.raises(RecordRefused, match=why):
        read_large(store, Round, KEY)
    assert store.reads == [KEY]


class Counting(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return super().read(key)


def test_who_needs_no_list_reads_no_piece_and_who_reads_pieces_holds_few() -> None:
    store = Counting()
    write_large(store, LARGE, key=KEY)
    assert store.reads == []  # the writer follows what it knows
    assert read_head_only(store, Round, KEY).due == 5
    assert store.reads == [KEY]
    forms = large_records.forms_of(store, Round, KEY)
    next(forms)
    for taken, _ in enumerate(forms, 1):
        assert len(store.reads) <= 2 + taken + AT_ONCE
    assert len(store.reads) == 2 + len(list(store.names(keys.PIECES)))


# a population all of whose rounds and results are large


@pytest.fixture(scope="module")
def undisturbed() -> list[Round]:
    """What the same population decides where each round fits in one object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_records, "WHOLE_BYTES", 10**6)
        simulation = Simulation(spec(DETERMINISTIC), Deterministic()).run()
    assert not list(simulation.store.names(keys.PIECES))
    return read_archive(simulation.store).rounds


def test_a_population_of_large_rounds_decides_the_same_and_ends_and_its_records_are_whole(
    undisturbed: list[Round],
) -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic())
    while not simulation.ended:
        simulation.step()
        if simulation.repository.history.decided == 3 and simulation.repository.rounds.num_decided == 3:
            simulation.operator_restarts()
    archive = read_archive(simulation.store)
    assert archive.rounds == undisturbed
    assert archive.status().phase is PopulationPhase.COMPLETE
    assert audit(simulation.store).violations == []
    heads = [read_head_only(simulation.store, Round, key) for key in simulation.store.names(keys.ROUNDS)]
    assert all(head.entries == [] for head in heads)
    ended = newest_result(simulation.store)
    assert ended is not None
    assert ended == archive.result
    assert len(ended.members) == 8
    assert read_head_only(simulation.store, Result, keys.result(1)).members == []
    final = choose(simulation.store, "final")
    assert ended.final is not None
    assert (final.member, final.step) == (ended.final.member, ended.final.step)


def test_an_audit_names_a_piece_that_is_gone_and_one_that_was_rewritten() -> None:
    simulation = Simulation(spec(DETERMINISTIC), Deterministic()).run()
    store = simulation.store
    key = json.loads(store.read(KEY))["pieces"][0]["sha256"]
    store.delete([keys.piece(key)])
    told = audit(store).violations
    assert any(one.key == KEY and keys.piece(key) in one.what for one in told)
