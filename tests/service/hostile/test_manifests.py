"""Fuzzed manifests on their way into `pbt run`: each is taken, or refused with one message that names the place."""

import json
import resource
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures.wrong_manifests import GOOD, put
from pbt_operator.manifest.errors import ManifestError
from pbt_operator.manifest.load import MAX_BYTES, load, parse
from pbt_operator.manifest.population import Population, to_core, to_wire
from service.hostile.texts import ESCAPES, TEXTS, assert_plain, nested, spoilt

MAX_MESSAGE = 40_000
TEXT = json.dumps(GOOD, indent=1)
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


def outcome(read: Any, *arguments: Any, **options: Any) -> Population | str:
    """The Population, or the message by which it is refused, which is fit to be shown."""
    try:
        found: Population = read(*arguments, **options)
    except ManifestError as error:
        message = str(error)
    else:
        again = parse({**GOOD, "spec": to_wire(found.spec)}, source="again")
        assert to_core(again.spec) == to_core(found.spec)
        return found
    assert len(message) < MAX_MESSAGE
    assert_plain(message)
    return message


@settings(max_examples=200, deadline=None)
@given(tree=spoilt(GOOD))
def test_a_spoilt_manifest_is_taken_or_refused(tree: Any) -> None:
    outcome(parse, tree, source="the manifest")


@settings(max_examples=80, deadline=None)
@given(tree=spoilt(GOOD))
def test_a_spoilt_file_means_what_the_tree_in_it_does(tree: Any, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "spoilt.yaml"
    file.write_text(json.dumps(tree))  # all of JSON is YAML
    from_file, from_tree = outcome(load, file), outcome(parse, tree, source=str(file))
    if not isinstance(from_file, str) and not isinstance(from_tree, str):
        assert to_core(from_file.spec) == to_core(from_tree.spec)


@settings(max_examples=80, deadline=None)
@given(
    cuts=st.lists(
        st.tuples(
            st.integers(0, len(TEXT)),
            st.integers(0, 40),
            st.sampled_from(
                [
                    *TEXTS,
                    "&a",
                    "*a",
                    "<<: *a",
                    "{",
                    "[",
                    "- ",
                    "\t",
                    "'",
                    '"',
                    "!!binary x",
                    "%YAML 9.9",
                    "---",
                    "...",
                ]
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_file_is_read_or_refused(cuts: list[tuple[int, int, str]], tmp_path_factory: Any) -> None:
    text = TEXT
    for at, length, put_in in cuts:
        text = text[:at] + put_in + text[at + length :]
    file = tmp_path_factory.getbasetemp() / "damaged.yaml"
    file.write_bytes(text.encode(errors="surrogatepass"))
    outcome(load, file)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300))
@example(data=b"\xff\xfe\x00")
@example(data=b"\x00" * 100)
def test_any_bytes_are_refused(data: bytes, tmp_path_factory: Any) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(data)
    assert isinstance(outcome(load, file), str)


MANY = [{"name": f"h{n}", "uniform": {"min": 0, "max": 1}} for n in range(5000)]
BOMBS = {
    "a billion laughs": (BOMB, "has more than 200000 values, aliases expanded"),
    "an alias in itself": ("a: &a [*a]", "nested more than 64 levels"),
    "a merge of merges": (
        "a0: &a0 {x: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(9)),
        "has more than 200000 values",
    ),
    "brackets": ("[" * 500_000, "nested more than 64 levels"),
    "mappings": ("{a: " * 100_000, "nested more than 64 levels"),
    "dashes": ("- " * 200_000, "nested more than 64 levels"),
    "too large": (" " * (MAX_BYTES + 1), "is larger than"),
    "a huge number": (TEXT.replace('"members": 8', '"members": ' + "9" * 200_000), "spec.members"),
    "a long name": (TEXT.replace("digits", "d" * 200_000), "metadata.name"),
    "a tag": ("!!python/object/apply:os.system ['true']", "has the tag"),
    "twice": (TEXT.replace('"members": 8', '"members": 8, "members": 9'), "given twice"),
    "not a number": (TEXT.replace('"members": 8', '"members": .nan'), "finite"),
    "thousands of hyperparameters": (json.dumps({**GOOD, "spec": {**GOOD["spec"], "hyperparameters": MANY}}),
                                     "is a list of 5000"),
    "an anchor for each value": ("".join(f"k{n}: &a{n} x\n" for n in range(10_000)), "apiVersion"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str, tmp_path: Path) -> None:
    text, told = BOMBS[name]
    file = tmp_path / "bomb.yaml"
    file.write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = outcome(load, file)
    assert told in str(message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.parametrize(
    "where", ["spec.template", "spec.initial", "spec.hyperparameters.2.choice.values", "spec"]
)
@pytest.mark.parametrize("depth", [70, 990, 9_990])
def test_a_tree_of_the_api_server_may_be_nested_deeply_and_is_refused(where: str, depth: int) -> None:
    tree, deep = deepcopy(GOOD), nested(depth)
    put(tree, where, deep if where in {"spec", "spec.template"} else [deep])
    assert "nested more than 64 levels" in str(outcome(parse, tree, source="the manifest"))


HOSTILE_FIELDS = {
    "metadata.name": "../../etc",
    "spec.objective.metric": ESCAPES,
    "spec.storage": {"prefix": "../../other-team"},
    "spec.hyperparameters.0.name": "(a+)+$",
    "spec.template.spec.containers.0.command": ["true", "\x00"],
    f"spec.{ESCAPES}": ESCAPES,
}


@pytest.mark.parametrize("where", HOSTILE_FIELDS, ids=repr)
@pytest.mark.process
def test_the_command_says_what_is_wrong_in_plain_text_and_starts_nothing(where: str, tmp_path: Path) -> None:
    tree = deepcopy(GOOD)
    put(tree, where, HOSTILE_FIELDS[where])
    file = tmp_path / "population.yaml"
    file.write_text(json.dumps(tree))
    command = [sys.executable, "-m", "pbt_operator.cli.main", "run", file.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{file.name}: 1 field is wrong; nothing was started.")
    assert "Traceback" not in done.stderr
    assert_plain(done.stderr)
    assert list(tmp_path.iterdir()) == [file]
