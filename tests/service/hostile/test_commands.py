"""The commands, the page and the checkpoint to fetch, of a location in which others have written."""

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbt_contract import keys
from pbt_contract.encoding import decode, encode
from pbt_contract.errors import RecordRefused
from pbt_contract.limits import MAX_METRIC_NAME
from pbt_contract.records import Birth, Cause
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli.main import main
from pbt_operator.cli.output import say_table
from pbt_operator.page import page
from pbt_operator.records.archive import read_archive
from service.hostile.texts import ESCAPES, MARKUP, SMUGGLED, assert_plain, spoilt
from simulation.memory_store import MemoryStore
from unit.page.parsed import Page, parse
from unit.page.populations import Recorder, record_simulated, record_small, spec_of

ALL = ESCAPES + SMUGGLED + MARKUP


def run(*arguments: object) -> tuple[int, str]:
    """A command's exit code and all that it printed, which a terminal can show."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    code = ended.value.code or 0
    assert code in {0, 1, 2}
    assert_plain(out.getvalue())
    assert len(out.getvalue()) < 100_000
    return int(code), out.getvalue()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a cluster, in a folder of its own."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.chdir(tmp_path)


def every_command(home: Path, to: Path) -> Iterator[tuple[int, str]]:
    for name in ("status", "lineage", "schedule"):
        yield run(name, home)
        yield run(name, home, "-o", "json")
    yield run("schedule", home, "-o", "yaml")
    yield run("lineage", home, "--member", 1)
    yield run("report", home, "--to", to / "page.html")
    yield run("fetch", home, "--to", to / "best", "--force")
    yield run("fetch", home, "--member", 1, "--to", to / "member", "--force")


SAMPLE = MemoryStore()
record_small(SAMPLE)
RECORDS = [key for key in SAMPLE.names("") if key.endswith(".json") and "state" not in key]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_records_that_others_spoilt_end_no_command_with_a_traceback(
    data: st.DataObject, tmp_path: Path
) -> None:
    home = tmp_path / "runs" / f"spoilt-{len(list(tmp_path.glob('runs/*')))}"
    store = FolderStore(home)
    for key in SAMPLE.names(""):
        store.create(key, SAMPLE._objects[key])
    for key in data.draw(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=3, unique=True)):
        tree = data.draw(spoilt(json.loads(SAMPLE.read(key))))
        written = json.dumps(tree)
        cut = data.draw(st.none() | st.integers(0, len(written)))
        (home / key).write_text(written if cut is None else written[:cut])
    for code, printed in every_command(home, tmp_path):
        assert code == 0 or printed.count("\n") == 1 or "malformed records" in printed
    for form in ("text", "json"):
        run("audit", home, "-o", form)
    written = {path.name for path in tmp_path.iterdir()}
    assert written <= {"runs", "page.html", "best", "member"}


def hostile_population(store: Any) -> Recorder:
    """A population in which every text that a trainer or a manifest can choose is hostile."""
    values = {"lr": 0.5, "momentum": 0.9, "dropout": 0.1, "layers": 2, "optimizer": ALL, ALL: ALL}
    choice = {"name": "optimizer", "choice": {"values": [ALL[:200], "adamw"], "order": "Unordered"}}
    space = [{"name": "lr", "logUniform": {"min": 1e-4, "max": 1.0}}, choice]
    recorder = Recorder(
        store, spec_of(members=2, total_steps=20, interval_steps=10, hyperparameters=space), name=ALL
    )
    common = {"hyperparameters": values, "operations": dict.fromkeys(values, ALL), "reason": ALL}
    first = recorder.bear(Birth(member=0, incarnation=1, cause=Cause.INITIAL, **common))
    record = recorder.report(first, 10, 0.5, notes=[ALL, ALL * 100], effective={ALL: ALL})
    second = recorder.bear(
        Birth(
            member=1,
            incarnation=1,
            cause=Cause.EXPLOIT,
            round=1,
            start_step=10,
            source=record.source,
            **common,
        )
    )
    name = ALL[:MAX_METRIC_NAME]
    recorder.report(second, 20, 0.75, metrics={recorder.spec.objective.metric: 0.75, name: [0.5, "NaN"]})
    store.create("births/00001-000009.json", ALL.encode())
    store.create(f"claims/{keys.life(1, 9)}.json", ALL.encode())
    return recorder


def test_no_text_of_a_record_reaches_a_terminal_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "hostile"
    hostile_population(FolderStore(home))
    printed = [text for code, text in every_command(home, tmp_path) if code == 0]
    assert len(printed) == 11
    assert any("\\x1b[2J" in text for text in printed), "it is told, escaped"
    assert_plain((tmp_path / "page.html").read_text())
    assert [run("audit", home, "-o", form)[0] for form in ("text", "json")] == [1, 1]


def test_the_heads_of_tables_are_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["member", ESCAPES], [["1", ALL], ["2", "x"]], right={ESCAPES})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 3
    assert_plain(printed)


SAFE_TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "section", "div", "span",
    "ul", "li",
    "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "pre", "code", "button",
    "input", "label",
    "select", "option", "svg", "path", "line", "circle", "main", "footer", "script", "strong", "noscript", "rect",
    "g",
}  # fmt: skip


def check_page(html: str, *, like: Page) -> None:
    """Data makes no element, no attribute and no address: the page is built as one of harmless data is."""
    parsed = parse(html)
    assert {element.tag for element in parsed.elements} <= SAFE_TAGS
    known = {(e.tag, name) for e in like.elements for name in e.attributes}
    assert {(e.tag, name) for e in parsed.elements for name in e.attributes} <= known
    assert len(parsed.all("script")) == len(like.all("script"))
    for element in parsed.elements:
        assert not any(
            name.startswith("on") or name in {"src", "href", "style"} for name in element.attributes
        )
    mine, theirs = ([s.text for s in p.all("script") if "type" not in s.attributes] for p in (parsed, like))
    assert mine == theirs
    assert_plain(html)


@pytest.fixture(scope="module")
def harmless() -> Page:
    store = MemoryStore()
    record_simulated(store, crashes=0.2, nans=0.1, num_rounds=6)
    recorder = record_small(MemoryStore())
    recorder.report(recorder.history.newest_birth(0), 15, save=True, notes=["a note"])
    recorder.report(
        recorder.history.newest_birth(0), 30, 0.5, metrics={recorder.spec.objective.metric: 0.5, "loss": 1.0}
    )
    whole, noted = parse(page(read_archive(store))), parse(page(read_archive(recorder.store)))
    return Page(elements=[*whole.elements, *[e for e in noted.elements if e.tag != "script"]])


def test_the_page_is_built_of_nothing_that_records_say(harmless: Page) -> None:
    store = MemoryStore()
    hostile_population(store)
    check_page(page(read_archive(store)), like=harmless)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_page_of_spoilt_records_is_built_of_nothing_that_they_say(
    data: st.DataObject, harmless: Page
) -> None:
    store = MemoryStore()
    for key in SAMPLE.names(""):
        store.put(key, SAMPLE._objects[key])
    for key in data.draw(st.lists(st.sampled_from(RECORDS), min_size=1, max_size=3, unique=True)):
        store.put(key, json.dumps(data.draw(spoilt(json.loads(SAMPLE.read(key))))).encode())
    with suppress(RecordRefused):
        check_page(page(read_archive(store)), like=harmless)


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "a/../../b", "x\\..\\y"])
def test_a_file_of_a_checkpoint_is_fetched_to_no_other_place(name: str, tmp_path: Path) -> None:
    home = tmp_path / "runs" / "digits"
    recorder = record_small(FolderStore(home))
    for key in recorder.store.names(keys.REPORTS):
        report = json.loads((home / key).read_text())
        report["files"][0]["name"] = name
        (home / key).write_text(json.dumps(report))
    before = sorted(tmp_path.rglob("*"))
    code, printed = run("fetch", home, "--member", 1, "--to", tmp_path / "got")
    assert code == 2
    assert "malformed records are left out" in printed
    assert sorted(tmp_path.rglob("*")) == before


def test_a_population_of_a_hostile_name_writes_its_files_here(tmp_path: Path) -> None:
    record_small(FolderStore(tmp_path / "runs"), name="../../escaped")
    assert run("report", tmp_path / "runs")[0] == run("fetch", tmp_path / "runs")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "population-report.html", "population-best"}


def test_the_records_of_this_version_are_not_refused() -> None:
    """The strictness above is for others: what the product writes passes."""
    told = read_archive(SAMPLE)
    assert told.refused == {}
    for life, birth in told.births.items():
        assert decode(Birth, encode(birth), key=keys.birth(*life)) == birth
