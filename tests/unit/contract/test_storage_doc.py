"""docs/storage.md says what the code does: its examples are records, its tables name all their fields."""

import re
from pathlib import Path

import msgspec
import pytest

from pbt_contract import keys
from pbt_contract.encoding import decode, decode_report, encode
from pbt_contract.gates import Gate
from pbt_contract.records import Birth, Cause, Claim, File, Record, Report, Source
from pbt_contract.yields import Yield
from pbt_operator.core.end_record import End
from pbt_operator.core.pieces import Items, Piece

PAGE = (Path(__file__).parents[3] / "docs" / "storage.md").read_text()
EXAMPLES = dict(re.findall(r"```json (\S+)\n(.*?)```", PAGE, re.DOTALL))
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (Birth, keys.birth(5, 3)),
        (Claim, keys.claim(5, 3)),
        (Yield, keys.yielded(5, 3)),
        (Gate, keys.gate(4)),
        (End, keys.ended(5, 3)),
    ],
)
def test_an_example_is_a_record_with_all_its_fields(kind: type[Record], key: str) -> None:
    record = decode(kind, EXAMPLES[key].encode(), key=key)
    assert msgspec.json.decode(encode(record)) == msgspec.json.decode(EXAMPLES[key])


def test_the_example_of_a_report_passes_all_checks() -> None:
    key = keys.report(3, 5, 3)
    report = decode_report(EXAMPLES[key].encode(), key=key)
    assert msgspec.json.decode(encode(report)) == msgspec.json.decode(EXAMPLES[key])


@pytest.mark.parametrize(
    ("section", "kinds"),
    [
        ("Birth", [Birth, Source]),
        ("Claim", [Claim]),
        ("Yield", [Yield]),
        ("Gate", [Gate]),
        ("End", [End]),
        ("Report and save", [Report, File]),
        ("Records in pieces", [Piece, Items]),
    ],
)
def test_each_field_is_explained(section: str, kinds: list[type[Record]]) -> None:
    named = set(re.findall(r"`(\w+)`", SECTIONS[section])) | {"format"}
    nested = {"checkpoint", "record", "step"} if Source in kinds else set()
    fields = {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}
    assert fields - named <= nested


def test_each_cause_and_each_place_is_named() -> None:
    for cause in Cause:
        assert f"`{cause}`" in SECTIONS["Birth"]
    places = (keys.OWNERS, keys.SPECS, keys.ROUNDS, keys.BIRTHS, keys.CLAIMS, keys.CHECKPOINTS, keys.REPORTS)
    for place in (
        *places,
        keys.YIELDS,
        keys.GATES,
        keys.ENDS,
        keys.SAVES,
        keys.RESULTS,
        keys.PIECES,
        keys.PROBES,
    ):
        assert f"| `{place}<" in SECTIONS["Keys"]
