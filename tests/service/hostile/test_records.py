"""Hostile records in a population's location: refused with a reason, and the population goes on to its end."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.manifests import DETERMINISTIC, spec
from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report, encode
from pbt_contract.errors import RecordRefused
from pbt_contract.limits import MAX_RECORD_BYTES
from pbt_contract.records import Birth, Cause, Claim, File, Report
from pbt_operator.core.status import PopulationPhase
from pbt_operator.records import audit, results
from pbt_operator.records.archive import read_archive
from service.hostile.texts import ESCAPES, MARKUP, SMUGGLED, assert_plain, spoilt
from simulation import Simulation

SMALL = {"members": 4, "schedule": {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}}
LIFE = keys.life(2, 1)
NEXT, AWAY = keys.life(2, 9), keys.life(77, 1)
REPORT = {
    "format": 1, "member": 2, "incarnation": 1, "step": 60, "round": 6, "metrics": {"score": 0.5, "more": [1.0,
    "NaN"]},
    "hyperparameters": {"rate": 0.01, "depth": 2}, "effective": {"rate": [0.01, 0.001]},
    "checkpoint": f"checkpoints/{LIFE}/000000000060-n/", "files": [{"name": "state.json", "size": 2,
    "sha256": "0" * 64}],
    "seconds": 1.0, "notes": ["a note"],
}  # fmt: skip


def run() -> Simulation:
    return Simulation(spec(DETERMINISTIC, **SMALL), Deterministic())


def settle(*simulations: Simulation) -> None:
    """Runs populations of one process to their ends, in turns."""
    while not all(simulation.ended for simulation in simulations):
        for simulation in simulations:
            if not simulation.ended:
                assert simulation.time.now < 1e6
                simulation.step()


def go_on_with_another_operator(simulation: Simulation) -> None:
    simulation.operator_restarts()
    settle(simulation)


def rounds_of(simulation: Simulation) -> list[bytes]:
    written = [key for key in simulation.store.names(keys.ROUNDS) if key not in STRAYS]
    return list(map(simulation.store.read, written))


@pytest.fixture(scope="module")
def undisturbed() -> list[bytes]:
    """What the same population decides when nobody meddles with it."""
    simulation = run()
    settle(simulation)
    return rounds_of(simulation)


def refused(simulation: Simulation) -> dict[str, str]:
    """By key, the reason, as people see it."""
    events = [event for event in simulation.events if event.reason == "RecordRefused"]
    for event in events:
        assert_plain(event.message)
        assert len(event.message) < 2000
        assert event.warning
    return {event.message.split(" is refused: ", 1)[0]: event.message for event in events}


def report(**changes: Any) -> bytes:
    return json.dumps({**REPORT, **changes}).encode()


def deep(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


# Keys that none of these trainers ever writes to, or the next one only after a resume: a claim of another's life is
# that of a zombie, a report of round 6 comes before its time.
FORGED: dict[str, tuple[str, bytes]] = {
    "truncated": (f"reports/0000006/{NEXT}.json", report()[:-9]),
    "empty": (f"reports/0000006/{NEXT}.json", b""),
    "no JSON": (f"reports/0000006/{NEXT}.json", b"\x80\x02}q\x00."),
    "a pickle": (f"reports/0000006/{NEXT}.json", b"cos\nsystem\n(S'true'\ntR."),
    "too large": (f"reports/0000006/{NEXT}.json", b" " * (MAX_RECORD_BYTES + 1)),
    "nested": (f"reports/0000006/{NEXT}.json", report(notes=[]).replace(b"[]", deep(200_000))),
    "unknown fields, nested": (f"reports/0000006/{NEXT}.json", report()[:-1] + b', "x": ' + deep(100_000) + b"}"),
    "another member's": (f"reports/0000006/{AWAY}.json", report()),
    "another incarnation's": (f"reports/0000006/{NEXT}.json", report()),
    "another round's": (f"reports/0000005/{NEXT}.json", report(incarnation=9, round=6)),
    "of nobody": (f"reports/0000006/{AWAY}.json", report(member=77,
    checkpoint=f"checkpoints/{AWAY}/000000000060-n/")),
    "of a future incarnation": (f"reports/0000006/{NEXT}.json",
                                report(incarnation=9, checkpoint=f"checkpoints/{NEXT}/000000000060-n/")),
    "an absolute checkpoint": (f"reports/0000006/{NEXT}.json", report(incarnation=9, checkpoint="/etc/")),
    "a checkpoint of somebody else": (f"reports/0000006/{NEXT}.json", report(incarnation=9)),
    "a checkpoint outside": (f"reports/0000006/{NEXT}.json",
                             report(incarnation=9, checkpoint=f"checkpoints/{NEXT}/000000000060-n/../../../../x/")),
    "a checkpoint that leads out, of no files": (
        f"reports/0000006/{NEXT}.json",
        report(incarnation=9, files=[], checkpoint=f"checkpoints/{NEXT}/000000000060-n/../../../../../etc/"),
    ),
    "a checkpoint's name of escapes, of no files": (
        f"reports/0000006/{NEXT}.json",
        report(incarnation=9, files=[], checkpoint=f"checkpoints/{NEXT}/000000000060-{ESCAPES}/"),
    ),
    "a long name of a checkpoint, of no files": (
        f"reports/0000006/{NEXT}.json",
        report(incarnation=9, files=[], checkpoint=f"checkpoints/{NEXT}/000000000060-{'A' * 900_000}/"),
    ),
    "a list of too many evaluations": (
        f"reports/0000006/{NEXT}.json", report(incarnation=9, metrics={"score": [1.0] * 1001}),
    ),
    "too many metrics": (
        f"reports/0000006/{NEXT}.json", report(incarnation=9, metrics={f"m{n}": 0.0 for n in range(257)}),
    ),
    "a long name of a metric": (
        f"reports/0000006/{NEXT}.json", report(incarnation=9, metrics={"m" * 129: 0.0}),
    ),
    "NaN as JSON has it not": (f"reports/0000006/{NEXT}.json", report().replace(b"0.5", b"NaN")),
    "wrong types": (f"reports/0000006/{NEXT}.json", report(metrics=5, files="all")),
    "a negative step": (f"reports/0000006/{NEXT}.json", report(step=-60)),
    "a huge step": (f"reports/0000006/{NEXT}.json", report(step=10**30)),
    "a boolean format": (f"reports/0000006/{NEXT}.json", report(format=True)),
    "no format": (f"reports/0000006/{NEXT}.json", report(format=None)),
    "a save for a report": (f"reports/0000006/{NEXT}.json", report(round=None)),
    "a report for a save": (f"saves/{LIFE}/000000000060.json", report()),
    "escapes": (f"reports/0000006/{NEXT}.json", report(incarnation=9, checkpoint=ESCAPES + SMUGGLED)),
    "escapes in an enumeration": (f"births/{AWAY}.json", json.dumps({"format": 1, "cause": ESCAPES}).encode()),
    "long texts": (f"reports/0000006/{NEXT}.json", report(incarnation=9, checkpoint="x" * 3_000_000)),
}  # fmt: skip
STRAYS = [
    "rounds/x.json", "rounds/7.json", "rounds/99999999999999999999.json", "rounds/0000001.json.bak",
    "rounds/0000001",
    "specs/latest.json", "owners/0.json", "results/final.json", "results/99999999.json", "births/README",
    "births/2-1.json",
    f"births/{LIFE}.JSON", f"reports/6/{LIFE}.json", f"reports/x/{LIFE}.json", f"reports/0000006/{LIFE}",
    f"reports/0000006/{LIFE}.json/x", f"saves/{LIFE}/x.json", f"saves/{LIFE}/1.json", "claims/x", "checkpoints/x",
    f"checkpoints/{LIFE}/x", f"checkpoints/{LIFE}/-1-n/state.json", "tmp/x", "x",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in FORGED if not FORGED[name][0].startswith("births/")])
def test_a_forged_report_is_refused_and_changes_no_decision(name: str, undisturbed: list[bytes]) -> None:
    (key, data), simulation, neighbour = FORGED[name], run(), run()
    simulation.step()
    simulation.store.put(key, data)
    settle(simulation, neighbour)
    assert rounds_of(simulation) == rounds_of(neighbour) == undisturbed
    told = read_archive(simulation.store)
    assert told.status().phase is PopulationPhase.COMPLETE
    assert list(told.refused) == [key]
    assert [violation.key for violation in audit.violations(simulation.store, told)] == [key]
    assert_plain(told.refused[key])
    if key.startswith("reports/"):  # a save is looked at when its member resumes
        assert list(refused(simulation)) == [key]
    assert refused(neighbour) == {}


def test_names_that_no_record_has_are_nobodys(undisturbed: list[bytes]) -> None:
    simulation = run()
    simulation.step()
    for key in STRAYS:
        simulation.store.put(key, b"\xff")
    simulation.operator_restarts()
    simulation.repository.count(takeovers=True)
    settle(simulation)
    assert rounds_of(simulation) == undisturbed
    assert read_archive(simulation.store).status().phase is PopulationPhase.COMPLETE
    assert results.newest_result(simulation.store) is not None
    assert set(STRAYS) - {f"checkpoints/{LIFE}/-1-n/state.json"} <= set(simulation.store.names(""))


def forged_records() -> st.SearchStrategy[bytes]:
    spoilt_report = spoilt(REPORT).map(lambda tree: json.dumps(tree).encode())
    doubled = st.sampled_from(sorted(REPORT)).map(lambda name: report()[:-1] + f', "{name}": 1}}'.encode())
    return spoilt_report | doubled | st.binary(max_size=60)


EARLY = [
    f"reports/0000006/{NEXT}.json",
    f"reports/0000003/{AWAY}.json",
    f"reports/9999999/{LIFE}.json",
    f"saves/{LIFE}/000000000017.json",
    f"saves/{AWAY}/000000000017.json",
]
INTRUSIONS = st.lists(
    st.tuples(
        st.sampled_from([*EARLY, *STRAYS]),
        forged_records(),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(intrusions=INTRUSIONS)
def test_whatever_is_forged_the_population_goes_on_to_its_end(
    intrusions: list[tuple[str, bytes, int]],
) -> None:
    simulation = run()
    for step in range(9):
        simulation.step()
        for key, data, at in intrusions:
            if at == step and b'"format": 1' in data[:20]:
                simulation.store.put(key, data)
        if step == 5:
            simulation.operator_restarts()
    settle(simulation)
    refused(simulation)
    assert read_archive(simulation.store).status().phase is PopulationPhase.COMPLETE


# Without these nothing can be decided: the operator's own records, and what only a newer version can read

STOPPING = {
    "rounds/0000003.json": b"{",
    f"births/{keys.life(0, 2)}.json": b'{"format": 1}',
    f"births/{keys.life(1, 2)}.json": encode(
        Birth(member=3, incarnation=5, cause=Cause.INITIAL, hyperparameters={}, reason="x")
    ),
    f"reports/0000006/{NEXT}.json": report(format=2),
}


def test_a_result_that_cannot_be_read_is_followed_by_one_that_can(undisturbed: list[bytes]) -> None:
    simulation = run()
    simulation.store.put("results/0000001.json", b"[]")
    settle(simulation)
    ended = results.newest_result(simulation.store)
    assert ended is not None
    assert ended.phase is PopulationPhase.COMPLETE
    assert rounds_of(simulation) == undisturbed


@pytest.mark.parametrize("key", STOPPING)
def test_who_writes_the_operators_records_stops_this_population_alone_and_the_key_is_told(
    key: str, undisturbed: list[bytes]
) -> None:
    simulation, neighbour = run(), run()
    simulation.store.put(key, STOPPING[key])
    for _ in range(2):
        with pytest.raises(RecordRefused) as refusal:
            settle(simulation)
        assert str(refusal.value).startswith(f"{key}: ")
        assert_plain(str(refusal.value))
    settle(neighbour)
    assert rounds_of(neighbour) == undisturbed
    with pytest.raises(RecordRefused, match=key):
        go_on_with_another_operator(simulation)


def test_a_claim_that_cannot_be_read_is_somebody_elses() -> None:
    simulation = run()
    simulation.step()
    birth = simulation.repository.birth(2, 1)
    fresh = Birth(member=2, incarnation=7, cause=Cause.RESUME, hyperparameters={}, reason="x")
    key = keys.claim(2, 7)
    simulation.store.put(key, b"{" + ESCAPES.encode())
    claim = simulation.repository.claim(fresh)
    assert claim is not None
    assert claim.pod == ""
    assert list(refused(simulation)) == [key]
    assert birth.incarnation == 1


# Records one by one


KINDS: dict[str, tuple[Any, Any]] = {
    "birth": (
        Birth(member=2, incarnation=1, cause=Cause.EXPLOIT, hyperparameters={"lr": 0.5}, reason="r"),
        keys.birth(2, 1),
    ),
    "claim": (Claim(member=2, incarnation=1, pod="p", nonce="n"), keys.claim(2, 1)),
    "report": (
        Report(
            member=2, incarnation=1, step=10, round=1, metrics={"a": [1.0, "NaN"]}, hyperparameters={"lr": 0.5},
            checkpoint=keys.checkpoint(2, 1, 10, "n"), files=[File(name="a/b", size=1, sha256="0")],
        ),
        keys.report(1, 2, 1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_spoilt_record_is_read_or_refused_in_plain_words(kind: str, data: st.DataObject) -> None:
    record, key = KINDS[kind]
    tree = data.draw(spoilt(json.loads(encode(record))))
    try:
        read = (
            decode_report(json.dumps(tree).encode(), key=key)
            if kind == "report"
            else decode(type(record), json.dumps(tree).encode(), key=key)
        )
    except RecordRefused as refusal:
        told = str(refusal)
    else:
        assert read.key == key
        assert decode(type(record), encode(read), key=key) == read
        return
    assert_plain(told)
    assert len(told) < 1000


def files(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "size": 1, "sha256": "0" * 64} for name in names]


@pytest.mark.parametrize(
    "names",
    [
        ["../x"], ["/etc/passwd"], ["a/../../x"], ["a\\..\\x"], ["a\x00"], ["%2e%2e/x"], [""], ["."], ["a//b"],
        ["a/"],
        ["a" * 600], ["tmp~x"], ["a b"], [ESCAPES], [MARKUP], ["\u202ex"],
        ["a", "a"], ["a", "a/b"], ["a/b/c", "a/b"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_file_has_a_plain_name_of_its_own_below_its_checkpoint(names: list[str]) -> None:
    key = f"reports/0000006/{LIFE}.json"
    with pytest.raises(RecordRefused) as refusal:
        decode_report(report(files=files(*names)), key=key)
    assert_plain(str(refusal.value))


def test_many_files_are_checked_quickly_and_taken() -> None:
    names = [f"{'d/' * 100}{number}" for number in range(3000)]
    decode_report(report(files=files(*names)), key=f"reports/0000006/{LIFE}.json")
