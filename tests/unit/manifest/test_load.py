"""Files are read as kubectl reads them, and what can't be read is told with its line."""

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import load, parse
from pbt_operator.manifest.population import Population
from pbt_operator.manifest.reader import Refused, read, scalar
from pbt_operator.manifest.reference import EXAMPLE


def message(file: Path, content: str | bytes) -> str:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ManifestError) as raised:
        load(file)
    text = str(raised.value)
    assert text.startswith(f"{file}: ")
    return text.removeprefix(f"{file}: ")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("digits.yaml")


def test_the_example_loads(file: Path) -> None:
    file.write_text(EXAMPLE)
    population = load(file)
    assert population.metadata.name == "digits"
    assert population.spec.ttl_seconds_after_finished == 604800
    assert population.spec.template["spec"]["containers"][0]["name"] == "trainer"
    assert load(str(file)) == population


def test_a_byte_order_mark_is_no_part_of_the_text(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.encode())
    assert load(file).metadata.name == "digits"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("1E5", 100_000),
        (".5", 0.5),
        ("-.5e1", -5),
        ("+3", 3),
        ("4.", 4),
        ("4000.0", 4000),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("010", 8),
        ("0o17", 15),
        ("08", 8),
        ("1.25", 1.25),
        ("9223372036854775808", 2**63),
        ("18446744073709551616", 2.0**64),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("_1", "_1"),
        ("1e", "1e"),
        ("-", "-"),
        (".", "."),
        ("yes", True),
        ("On", True),
        ("y", True),
        ("TRUE", True),
        ("no", False),
        ("off", False),
        ("N", False),
        ("yEs", "yEs"),
        ("", None),
        ("~", None),
        ("null", None),
        ("nil", "nil"),
        ("sgd", "sgd"),
    ],
)
def test_scalars_are_what_kubectl_makes_of_them(text: str, value: Any) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("'1e-4'", "1e-4"),
        ("!!str 5", "5"),
        ('"yes"', "yes"),
        ("|\n  5\n", "5\n"),
        ("{1: a, true: b, 0.5: c, ~x: d}", {"1": "a", "true": "b", "0.5": "c", "~x": "d"}),
        ("[1, , ]", None),
        ("{a: &x [1, 2], b: *x}", {"a": [1, 2], "b": [1, 2]}),
        ("{a: &x {k: 1, l: 2}, b: {<<: *x, l: 3}}", {"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 3}}),
        ("{a: &x {k: 1}, b: &y {k: 2, l: 2}, c: {<<: [*x, *y]}}",
         {"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}}),
    ],
)  # fmt: skip
def test_documents_become_json(text: str, tree: Any) -> None:
    if tree is None:
        with pytest.raises(Refused):
            read(text)
        return
    (document,) = read(text)
    assert document.tree == tree
    assert not document.problems


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".NaN", "+.INF"])
def test_infinities_are_refused(file: Path, text: str) -> None:
    assert isinstance(scalar(text), float)
    assert not math.isfinite(scalar(text))  # type: ignore[arg-type]
    told = message(file, EXAMPLE.replace("max: 1.0}", f"max: {text}}}"))
    assert f"spec.hyperparameters[0].logUniform.max (line 17): is {text}; should be a finite number" in told


def test_the_lines_of_wrong_fields_are_told(file: Path) -> None:
    text = EXAMPLE.replace("members: 8", "members: 0").replace("quorumPercent: 75", "quorum: 75")
    text = text.replace("seed: 7", "seed: 7\n  seed: 8").replace("    intervalSteps: 200\n", "")
    assert message(file, text) == (
        "4 fields are wrong; nothing was started.\n"
        "  spec.members (line 5): is 0; should be a whole number from 1 to 10000\n"
        "  spec.schedule.intervalSteps (line 8): is missing; should be a whole number "
        "from 1 to 999999999999\n"
        "  spec.schedule.quorum (line 11): unknown field; did you mean quorumPercent?\n"
        "  spec.seed (line 30): is given twice, first in line 29"
    )


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("", "is empty; should hold a Population"),
        ("# nothing\n---\n---\n", "is empty; should hold a Population"),
        ("- a\n", "is a list of 1; should be a mapping with apiVersion, kind"),
        ("5\n", "is 5; should be a mapping"),
        ("kind: Job\n", "kind (line 1): is 'Job'; should be Population"),
        ("kind: Job\n---\nkind: Secret\n", "holds 2 documents, but no Population; should hold one"),
        ("kind: Population\n---\nkind: Population\n", "holds 2 Populations, in lines 1 and 3; should"),
        ("a: b: c\n", "line 1: is not YAML: mapping values are not allowed here"),
        ("a:\n\t- b\n", "line 2: is not YAML"),
        ("a: [1, 2\n", "is not YAML"),
        ("a: *b\n", "line 1: is not YAML: found undefined alias 'b'"),
        ("a: \x01\n", "line 1: has a character that YAML doesn't allow, U+0001"),
        (b"a: 1\nb: \xff\n", "line 2: is not UTF-8 text"),
        ("a: " + "[" * 5000 + "]" * 5000, "is nested more than 64 levels deep"),
        ("a: " + "[" * 100 + "]" * 100, "is nested more than 64 levels deep"),
        ("&a [*a]", "is nested more than 64 levels deep"),
        ("&a {<<: *a}", "levels deep"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)),
         "has more than 200000 values, aliases expanded"),
        ("a: !!python/object/apply:os.system [ls]\n", "a (line 1): has the tag"),
        ("a: !!int 5\n", "a (line 1): has the tag tag:yaml.org,2002:int; should have none"),
        ("? [1]\n: 2\n", "has a field without a name"),
        ("~: 2\n", "has a field without a name"),
        ("{<<: 2}\n", "merges what is not a mapping"),
        ('a: "\\ud800"\n', "a (line 1): is not Unicode"),
        ("#" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_told_plainly(file: Path, content: str | bytes, phrase: str) -> None:
    text = message(file, content)
    assert phrase in text
    assert "nothing was started" in text


def test_other_kinds_in_the_file_are_passed_over(file: Path) -> None:
    file.write_text(f"kind: Secret\n---\n{EXAMPLE}---\n")
    assert load(file).metadata.name == "digits"
    assert "spec.members (line 7): is 0" in message(
        file, "kind: Secret\n---\n" + EXAMPLE.replace("members: 8", "members: 0")
    )


@pytest.mark.parametrize(
    ("name", "phrase"), [("none.yaml", "No such file"), (".", "Is a directory"), ("a\0b", "no such file")]
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, phrase: str) -> None:
    with pytest.raises(ManifestError, match=phrase) as raised:
        load(str(tmp_path / name))
    assert "\0" not in str(raised.value)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
FIELDS = """apiVersion kind metadata name spec members schedule totalSteps hyperparameters exploit logUniform
    min max choice values initial lr template storage truncation factors"""
KEYS = st.sampled_from(FIELDS.split()) | st.text(max_size=4)
TREES = st.recursive(
    SCALARS | st.sampled_from(["Population", "pbt.dev/v1alpha1", 10**400, -(10**30)]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=30,
)


@settings(deadline=None)
@given(TREES)
def test_any_tree_is_a_population_or_a_manifest_error(tree: Any) -> None:
    check(tree)


@settings(deadline=None)
@given(st.dictionaries(KEYS, TREES), st.dictionaries(KEYS, TREES))
def test_any_spec_is_a_population_or_a_manifest_error(spec: dict[str, Any], first: dict[str, Any]) -> None:
    good = yaml.safe_load(EXAMPLE)
    check({**good, "spec": {**good["spec"], **spec}})
    good["spec"]["hyperparameters"][0].update(first)
    check(good)


def check(tree: Any) -> None:
    try:
        assert isinstance(parse(tree, source="tree"), Population)
    except ManifestError as error:
        assert error.problems  # noqa: PT017
        str(error).encode()


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="[]{}:,&*<!-?|>#\"' \n\tab1.~", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        documents = read(text)
    except Refused as refused:
        assert str(refused.problem)  # noqa: PT017
        return
    for document in documents:
        assert all(line >= 1 for line in document.lines.values())
