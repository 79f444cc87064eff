"""`pbt audit`: what it prints and returns for a sound population, a spoilt one, and one that is being recorded."""

import json
from pathlib import Path

import pytest

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.stores.folder import FolderStore
from pbt_operator.cli import output
from pbt_operator.records.archive import read_archive
from simulation.memory_store import MemoryStore
from unit.page.populations import record_simulated, record_small

V1 = Path(__file__).parents[2] / "service" / "upgrade" / "data" / "v1"
ROUND = keys.round_(1)


def spoil(folder: Path, key: str, found: bytes, other: bytes) -> None:
    """Changes some bytes of a record, once."""
    data = (folder / key).read_bytes()
    assert data.count(found) >= 1
    (folder / key).write_bytes(data.replace(found, other, 1))


def test_a_sound_population_is_one_line(pbt, digits):
    told = "digits: 0 violations; checked 2 rounds, 1 decision, 3 births and 4 reports\n"
    assert pbt("audit", digits) == (0, told, "")


@pytest.mark.parametrize("name", ["middle", "ended"])
def test_what_the_first_version_has_recorded_is_sound(pbt, name):
    ended = pbt("audit", V1 / name / "digits")
    assert (ended.code, ended.err) == (0, "")
    assert ": 0 violations; checked " in ended.out


def test_one_changed_byte_of_a_round_exits_with_1_and_names_the_round(pbt, digits):
    spoil(digits, ROUND, b'"score":0.75', b'"score":0.76')
    ended = pbt("audit", digits)
    *lines, last = ended.out.splitlines()
    assert (ended.code, ended.err) == (1, "")
    assert lines == [f"{ROUND}: its best has score 0.76, and reports/0000001/00000-000001.json has 0.75"]
    assert last == "digits: 1 violation; checked 2 rounds, 1 decision, 3 births and 4 reports"


@pytest.mark.parametrize(
    ("found", "other", "what"),
    [
        (b'"step":10}', b'"step":1x}', "malformed"),
        (b'"values":', b'"valuez":', "it has no field values, but valuez"),
        (b'"x0.8"', b'"x0.9"', "its decisions don't follow from its scores"),
        (b'"spec":1', b'"spec":2', "it was decided with specs/0000002.json, which doesn't exist"),
        (b'"number":1', b'"number":2', "the record says that it is rounds/0000002.json"),
    ],
)
def test_what_is_wrong_with_a_round_is_said(pbt, digits, found, other, what):
    spoil(digits, ROUND, found, other)
    ended = pbt("audit", digits)
    assert ended.code == 1
    assert any(line.startswith(f"{ROUND}: ") and what in line for line in ended.out.splitlines())


def test_a_round_of_a_newer_format_is_named_with_the_remedy(pbt, digits):
    spoil(digits, ROUND, b'"format":1', b'"format":3')
    ended = pbt("audit", digits)
    assert ended.code == 1
    assert ended.err.startswith(f"pbt: {ROUND}: format 3, ")


def test_json_has_the_counts_and_each_violation(pbt, digits):
    assert json.loads(pbt("audit", digits, "-o", "json").out) == {
        "population": "digits",
        "rounds": 2,
        "decisions": 1,
        "births": 3,
        "reports": 4,
        "violations": [],
    }
    spoil(digits, ROUND, b'"step":10}', b'"step":11}')
    ended = pbt("audit", digits, "-o", "json")
    assert ended.code == 1
    for violation in json.loads(ended.out)["violations"]:
        assert violation.keys() == {"invariant", "key", "what"}
        assert (violation["invariant"], violation["key"]) == (5, ROUND)


def test_control_characters_of_a_record_do_not_reach_the_terminal(pbt, digits):
    spoil(digits, ROUND, b'"values":', rb'"v\u001bz":')
    assert "\x1b" not in pbt("audit", digits).out


class Growing(MemoryStore):
    """A population that runs: the newest births are recorded after the first reading has listed the births."""

    def __init__(self, whole: MemoryStore) -> None:
        super().__init__()
        self._whole, self._late = whole, list(whole.names(keys.BIRTHS))[-3:]
        for key in whole.names(""):
            if key not in self._late and not key.startswith(keys.RESULTS):
                self.put(key, whole.read(key))

    def names(self, prefix, *, start_after=""):
        """See `Store.names`; after the births were listed, those that were missing are there."""
        found = list(super().names(prefix, start_after=start_after))
        if prefix == keys.BIRTHS:
            for key in self._late:
                self.put(key, self._whole.read(key))
        return iter(found)


def test_what_is_recorded_during_the_reading_is_no_violation(pbt, monkeypatch):
    whole = MemoryStore()
    record_simulated(whole, num_rounds=4)
    growing = Growing(whole)
    assert read_archive(Growing(whole)).refused  # reports without the births that they follow from
    monkeypatch.setattr(output, "open_store", lambda _url: growing)
    assert pbt("audit", "s3://bucket/x").code == 0


def test_what_stays_wrong_in_a_population_that_runs_is_a_violation(pbt, digits):
    for key in FolderStore(digits).names(keys.RESULTS):
        (digits / key).unlink()
    spoil(digits, ROUND, b'"score":0.75', b'"score":0.76')
    assert pbt("audit", digits).code == 1


def test_a_foreign_file_is_no_record(pbt, digits):
    (digits / keys.ROUNDS / "README.txt").write_text("mine")
    assert pbt("audit", digits).code == 0


def test_a_population_that_has_not_begun_is_sound(pbt, tmp_path):
    store = record_small(FolderStore(tmp_path / "all")).store
    (tmp_path / "new" / "specs").mkdir(parents=True)
    (tmp_path / "new" / keys.spec(1)).write_bytes(store.read(keys.spec(1)))
    assert pbt("audit", tmp_path / "new").out == (
        "digits: 0 violations; checked 0 rounds, 0 decisions, 0 births and 0 reports\n"
    )


def test_a_malformed_spec_is_named(pbt, digits):
    (digits / keys.spec(1)).write_bytes(encode(read_archive(FolderStore(digits)).record)[:-9])
    ended = pbt("audit", digits)
    assert ended.code == 1
    assert ended.err.startswith(f"pbt: {keys.spec(1)}: ")
