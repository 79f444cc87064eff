"""The page: self-contained, safe with hostile records, and right for every shape of population."""

import base64
import hashlib
import re

import pytest

from pbt_contract import keys
from pbt_contract.records import Birth, Cause
from pbt_operator.page import Comparison, page
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.learned_words import diversity_of
from pbt_operator.records.archive import read_archive
from simulation.memory_store import MemoryStore
from unit.page.parsed import parse
from unit.page.populations import Recorder, record_simulated, record_small, spec_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\x1b\u202e"
METRIC = HOSTILE.replace("\x00", "").replace("\x1b", "")  # the manifest takes no control characters there


def told(store=None, **changes):
    store = store or MemoryStore()
    record_simulated(store, **changes)
    return read_archive(store)


@pytest.fixture(scope="module")
def eight() -> str:
    comparison = Comparison(
        "Random search", "One seed proves nothing.", [("PBT", 0.97, "ours"), ("best of 8", 0.95, "")]
    )
    return page(told(crashes=0.1), comparison=comparison)


def test_the_page_is_well_formed_and_refers_to_nothing_outside_of_it(eight):
    parsed = parse(eight)
    for element in parsed.elements:
        assert element.tag not in {"link", "iframe", "img", "object", "embed", "base", "form"}
        for name, value in element.attributes.items():
            assert name not in {"src", "href", "srcset", "action", "style"}, (element.tag, name)
            assert not name.startswith("on"), (element.tag, name)
            assert "//" not in value
    css = "".join(style.text for style in parsed.all("style"))
    assert "url(" not in css
    assert "@import" not in css
    assert not re.search(r"https?:(?!//www\.w3\.org/2000/svg)", eight)
    assert "fetch(" not in eight
    assert "XMLHttpRequest" not in eight


def test_the_policy_of_the_page_admits_its_own_script_and_style_alone(eight):
    parsed = parse(eight)
    [policy] = [e.attributes["content"] for e in parsed.all("meta") if "http-equiv" in e.attributes]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    scripts = [e for e in parsed.all("script") if e.attributes.get("type") != "application/json"]
    for element in [*scripts, *parsed.all("style")]:
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.count("sha256-") == len(scripts) + 1


def test_hostile_texts_in_records_stay_texts():
    store = MemoryStore()
    spec = spec_of(
        members=3, total_steps=20, interval_steps=10, objective={"metric": METRIC, "goal": "Maximize"}
    )
    recorder = Recorder(store, spec, name=HOSTILE)
    values = {"lr": HOSTILE, "momentum": 0.9, "dropout": 0.1, "layers": 2, "optimizer": HOSTILE, HOSTILE: 1.0}
    birth = recorder.bear(
        Birth(
            member=0,
            incarnation=1,
            cause=Cause.INITIAL,
            hyperparameters=values,
            operations={"lr": HOSTILE},
            reason=HOSTILE,
        )
    )
    record = recorder.report(birth, 10, 0.5, notes=[HOSTILE])
    later = recorder.bear(
        Birth(
            member=1,
            incarnation=1,
            cause=Cause.SCALE,
            hyperparameters=values,
            start_step=10,
            source=record.source,
            operations={"optimizer": HOSTILE},
            reason=HOSTILE,
        )
    )
    recorder.report(later, 20, 0.7)
    store.create(keys.birth(9, 1), HOSTILE.encode())
    remark = Comparison(HOSTILE, HOSTILE, [(HOSTILE, 1.0, HOSTILE), ("b", 1.0, "")])

    html = page(read_archive(store), comparison=remark)

    parsed = parse(html)
    assert len(parsed.all("script")) == 2
    assert not parsed.all("img")
    assert all(c.isprintable() or c == "\n" for c in html)
    assert "<script>alert" in parsed.all("h1")[0].text, "it is shown as it is"
    assert any("alert" in cell.text for cell in parsed.all("td", class_="long"))


SHAPES = {
    "before the first birth": {"recorded": False},
    "one member": {"members": 1, "num_rounds": 4},
    "one round": {"num_rounds": 1},
    "minimize": {"objective": {"metric": "loss", "goal": "Minimize"}, "nans": 0.3},
    "nobody finite": {"nans": 1.0, "num_rounds": 3},
    "still running": {"end": False, "num_rounds": 3},
    "a target": {"objective": {"metric": "acc", "goal": "Maximize", "target": 0.9}},
    "no exploit": {"exploit": {"none": {}}},
    "a hundred members": {"members": 100, "num_rounds": 4},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_of_every_shape_of_population_is_well_formed(shape):
    changes = dict(SHAPES[shape])
    store = MemoryStore()
    if changes.pop("recorded", True):
        record_simulated(store, **changes)
    else:
        Recorder(store, spec_of())
    read = read_archive(store)
    parsed = parse(page(read))
    assert parsed.all("h1")[0].text == "digits"
    assert [life["m"] for life in parsed.data["lives"]] or not read.births
    assert "nan" not in parsed.all("main")[0].text.lower().split()


def test_every_chart_has_a_text_alternative_and_every_table_a_name(eight):
    parsed = parse(eight)
    charts = [e for e in parsed.elements if "data-chart" in e.attributes]
    assert [e.attributes["data-chart"] for e in charts] == [
        "scores",
        *["value"] * 5,
        "tree",
        "series",
    ]
    assert all(len(e.attributes["data-label"]) > 20 for e in charts)
    assert all(e.attributes.get("aria-label") for e in parsed.all("table"))
    assert all(e.attributes.get("aria-label") for tag in ["input", "select"] for e in parsed.all(tag))
    assert parsed.all("html", lang="en")


def test_the_decisions_are_all_there_with_crashes_and_resumes():
    read = told(crashes=0.1)
    parsed = parse(page(read))
    rows = [row for row in parsed.all("tr") if "data-cause" in row.attributes]
    expected = [b.cause.value for b in read.births.values() if b.cause is not Cause.INITIAL]
    assert sorted(row.attributes["data-cause"] for row in rows) == sorted(expected)
    assert {"Exploit", "Crash", "Resume"} <= set(expected)
    text = " ".join(row.text for row in rows)
    assert all(b.reason in text for b in read.births.values() if b.cause is not Cause.INITIAL)


def test_the_winners_lineage_is_marked_in_the_decisions(eight):
    read = told(crashes=0.1)
    winners = [
        row
        for row in parse(eight).all("tr")
        if "data-cause" in row.attributes and "data-winner" in row.attributes
    ]
    copied = [s for s in read.lineage(read.best) if s.cause is not Cause.INITIAL]
    assert len(winners) == len(copied) > 0


def test_the_schedule_on_the_page_is_the_one_that_the_command_prints(eight):
    import yaml

    [pre] = parse(eight).all("pre", id="schedule-yaml")
    document = yaml.safe_load(pre.text)
    assert document["schedule"][-1]["lastStep"] == document["step"]
    assert document["score"] == told(crashes=0.1).best.score


def test_the_head_says_how_the_winner_came_to_be():
    store = MemoryStore()
    record_small(store)
    lead = parse(page(read_archive(store))).all("p", class_="lead")[0].text
    assert lead == (
        "Member 1 reached the best val_accuracy, 0.875, at step 20. Its weights began in member 0 and were copied "
        "once, from member 0 at step 10. Along the way its hyperparameters changed: lr from 0.5 to 0.4."
    )


def test_a_winner_that_copied_nobody_is_said_to():
    lead = parse(page(told(members=1, num_rounds=3))).all("p", class_="lead")[0].text
    assert "It never copied another member: it trained all of its 600 steps itself." in lead


def test_the_comparison_is_shown_with_its_note(eight):
    parsed = parse(eight)
    assert "One seed proves nothing." in [p.text for p in parsed.all("p")]
    [table] = parsed.all("table", class_="comparison")
    assert "0.97" in table.text
    assert "best of 8" in table.text
    assert "comparison" not in [t.attributes.get("class") for t in parse(page(told())).all("table")]


def test_the_template_of_the_pods_is_not_on_the_page():
    secret = {"spec": {"containers": [{"name": "trainer", "env": [{"name": "TOKEN", "value": "hunter2"}]}]}}
    assert "hunter2" not in page(told(num_rounds=2, template=secret))


def test_the_page_says_what_a_horizon_is_planned_against_and_how_far_moves_get():
    archive = told(num_rounds=6, end=False, exploit={"horizonPercent": 20})
    found = parse(page(archive))
    notes = [note.text for note in found.all("li")]
    assert (
        "Losers are replaced after 20 % of the rounds that are left. Planned against totalSteps, 1,200: "
        "in the rounds 2, 3, 4, 5" in notes
    )
    assert any("lr takes about" in note and "moves to cross its range" in note for note in notes)


def test_the_head_says_who_chose_the_rules():
    store = MemoryStore()
    record_small(store)
    html = page(read_archive(store))
    assert "Strategy: Explicit; exploit: truncation (percent 25), copy Both" in html


def test_the_page_says_what_was_learned():
    """Lines of diversity and of sub-populations, evidence for hyperparameters, and where newborns have their values."""
    parts = [{"everyRounds": 1}, {"horizonPercent": 20}]
    archive = told(num_rounds=12, nans=0, crashes=0, subPopulations=parts, explore={"bandit": {}})
    parsed = parse(page(archive))
    drawn = parsed.data["series"]
    assert [line["name"] for line in drawn["parts"]] == ["0 (everyRounds 1)", "1 (horizonPercent 20)"]
    assert [step for step, _ in drawn["parts"][0]["points"]] == [200 * number for number in range(1, 13)]
    alive = [number for _, number in drawn["ancestors"][0]["points"]]
    assert alive == sorted(alive, reverse=True)
    assert alive[-1] == len({life.ancestor for life in Incarnations(archive).current.values()})
    [evidence] = parsed.all("table", **{"aria-label": "Evidence"})
    assert all(name in evidence.text for name in ("lr", "momentum", "dropout", "optimizer", "all together"))
    assert "layers" not in evidence.text, "it is never explored"
    [origins] = parsed.all("table", id="origins")
    newest = next(one for one in reversed(archive.rounds) if one.decisions)
    assert f"{newest.number}" in origins.text
    assert "nats from" in origins.text
    assert [row.text for row in parsed.all("p", class_="reason")][2].startswith(
        "Sub-population 0 (everyRounds 1)"
    )


def test_a_start_that_takes_over_early_is_warned_of():
    store = MemoryStore()
    record_simulated(store, num_rounds=16, end=False, nans=0, crashes=0).raise_total(40_000)
    archive = read_archive(store)
    after = next(one for one in diversity_of(archive, Incarnations(archive)) if one.ancestors == 1)
    [warning] = parse(page(archive)).all("p", class_="warning")
    assert warning.text.startswith(
        f"Warning: one start has taken over by step {after.step:,}, in the first fifth"
    )
    assert not parse(page(told(num_rounds=16, nans=0, crashes=0))).all("p", class_="warning"), (
        "it was no fifth"
    )
