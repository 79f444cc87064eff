"""The chart's README has a row for each value, with the comment that stands above it."""

import json
import re

import pytest
import yaml

from release.chart_readme import CHART, Undocumented, page, rows_of

TEXT = """\
# Of the file, not of a value.

# -- Named buckets. For each:
#   name      as others
#             name it
#   bucket    must exist
# None by default.
stores: []
image:
  # -- Where it is.
  tag: ""
# -- Of each container.
resources:
  limits: {memory: 1Gi}
"""


def test_the_readme_is_what_the_values_say():
    assert (CHART / "README.md").read_text() == page((CHART / "values.yaml").read_text()), (
        "run `make generate`"
    )


def test_every_value_that_can_be_set_has_a_row():
    paths = {value.path for value in rows_of((CHART / "values.yaml").read_text())}
    schema = json.loads((CHART / "values.schema.json").read_text())
    for name, rule in schema["properties"].items():
        if name == "global":
            continue
        inner = rule["properties"] if rule.get("additionalProperties") is False else ()
        assert {f"{name}.{key}" for key in inner} <= paths, name
        assert inner or name in paths, name
    assert {f"stores[].{key}" for key in schema["definitions"]["store"]["properties"]} <= paths


def test_its_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#]+)\)", (CHART / "README.md").read_text().replace("\n", " "))
    assert len(targets) >= 3
    for target in targets:
        assert (CHART / target).exists(), target


def test_a_comment_becomes_rows_for_a_value_and_for_the_fields_of_its_items():
    found = [(value.path, value.default, " ".join(value.words)) for value in rows_of(TEXT)]
    assert found == [
        ("stores", "[]", "Named buckets. For each: None by default."),
        ("stores[].name", "", "as others name it"),
        ("stores[].bucket", "", "must exist"),
        ("image.tag", '""', "Where it is."),
        ("resources", "{limits: {memory: 1Gi}}", "Of each container."),
    ]


@pytest.mark.parametrize(
    ("line", "place"),
    [("workers: 8\n", "line 15: workers"), ("a:\n  # plain\n  b: 1\n", "line 17: a.b")],
)
def test_a_value_without_its_words_is_refused_by_line(line, place):
    assert yaml.safe_load(TEXT + line)
    with pytest.raises(Undocumented, match=re.escape(place)):
        list(rows_of(TEXT + line))
