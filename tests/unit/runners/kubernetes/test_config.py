"""The operator's config file: what it may say, and what it is told when it is wrong."""

from pathlib import Path

import pytest

from pbt_operator.manifest.errors import ManifestError
from pbt_operator.runners.kubernetes.config import OperatorConfig, StoreConfig, UnknownStore, read_config

WHOLE = """
namespaces: [team-a, team-b]
stores:
  - name: default
    bucket: experiments
    prefix: pbt/v1
    endpoint: http://minio.storage:9000
    region: eu-west-1
    pathStyle: true
    checksums: WhenRequired
    credentials: /etc/pbt-operator/stores/default/credentials
    caBundle: /etc/pbt-operator/stores/default/ca/ca.crt
  - {name: aws, bucket: my.bucket}
pollSeconds: 2.5
workers: 4
port: 8081
logFormat: text
"""


def config(tmp_path: Path, text: str) -> OperatorConfig:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return read_config(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ManifestError) as raised:
        config(tmp_path, text)
    return [str(problem) for problem in raised.value.problems]


def test_all_that_can_be_said_is_read(tmp_path: Path) -> None:
    found = config(tmp_path, WHOLE)
    assert found.namespaces == ("team-a", "team-b")
    assert (found.poll_seconds, found.workers, found.port, found.log_format) == (2.5, 4, 8081, "text")
    assert found.stores[0] == StoreConfig(
        name="default",
        bucket="experiments",
        prefix="pbt/v1",
        endpoint="http://minio.storage:9000",
        region="eu-west-1",
        pathStyle=True,
        checksums="WhenRequired",
        credentials=Path("/etc/pbt-operator/stores/default/credentials"),
        caBundle=Path("/etc/pbt-operator/stores/default/ca/ca.crt"),
    )


@pytest.mark.parametrize("text", ["", "---\n", "stores: []\n", "stores:\nnamespaces:\n"])
def test_what_is_left_out_has_its_default(tmp_path: Path, text: str) -> None:
    found = config(tmp_path, text)
    assert found == OperatorConfig()
    assert (found.namespaces, found.stores, found.poll_seconds, found.workers) == ((), (), 5, 8)
    assert (found.port, found.log_format) == (8080, "json")


def test_a_store_needs_only_a_name_and_a_bucket(tmp_path: Path) -> None:
    store = config(tmp_path, WHOLE).store("aws")
    assert (store.prefix, store.endpoint, store.region, store.credentials, store.ca_bundle) == (
        "",
        *[None] * 4,
    )
    assert (store.addressing, store.checksum_setting) == ("auto", "when_supported")


def test_stores_with_prefixes_bucket_or_endpoint_of_their_own_lie_apart(tmp_path: Path) -> None:
    others = ["prefix: pbt2", "bucket: ccc, prefix: pbt", "endpoint: http://minio:9000, prefix: pbt/x"]
    for other in others:
        second = f"{{name: b, {'' if 'bucket' in other else 'bucket: bbb, '}{other}}}"
        assert len(config(tmp_path, f"stores: [{{name: a, bucket: bbb, prefix: pbt}}, {second}]").stores) == 2


@pytest.mark.parametrize(("said", "meant"), [("true", "path"), ("false", "virtual")])
def test_the_addressing_style_is_automatic_unless_it_is_said(tmp_path: Path, said: str, meant: str) -> None:
    text = f"stores: [{{name: default, bucket: experiments, pathStyle: {said}}}]"
    assert config(tmp_path, text).store("default").addressing == meant


def test_checksums_can_be_left_to_where_they_are_required(tmp_path: Path) -> None:
    assert config(tmp_path, WHOLE).store("default").checksum_setting == "when_required"


def test_an_unknown_store_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownStore, match=r"is 'gold', which is no store .* should be 'default' or 'aws'"):
        config(tmp_path, WHOLE).store("gold")
    with pytest.raises(UnknownStore, match="administrator has to set up one"):
        OperatorConfig().store("default")


STORE = "stores: [{name: default, bucket: experiments, %s}]"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pollSecond: 5", "pollSecond (line 1): unknown field; did you mean pollSeconds?"),
        ("debug: true", "debug (line 1): unknown field; should be one of namespaces, stores, pollSeconds,"),
        (STORE % "workers: 2", "stores[0].workers (line 1): unknown field here; it belongs at the top"),
        ("pollSeconds: 0", "pollSeconds (line 1): is 0; should be a number of seconds from 0.1 to 300"),
        ("workers: 0", "workers (line 1): is 0; should be a whole number from 1 to 64"),
        ("workers: '8'", "workers (line 1): is '8'; should be a whole number from 1 to 64"),
        ("port: 65536", "port (line 1): is 65536; should be a whole number from 1 to 65535"),
        ("logFormat: xml", "logFormat (line 1): is 'xml'; should be json or text"),
        ("namespaces: team-a", "namespaces (line 1): is 'team-a'; should be a list of namespaces"),
        ("namespaces: [a, B]", "namespaces[1] (line 1): is 'B'; should be a namespace's name"),
        ("stores: {default: x}", "stores (line 1): is a mapping; should be a list of stores"),
        ("stores: [default]", "stores[0] (line 1): is 'default'; should be a mapping with name, bucket,"),
        ("stores: [{name: default}]", "stores[0].bucket (line 1): is missing; should be a bucket's name"),
        (STORE % "bukket: x", "stores[0].bukket (line 1): unknown field; did you mean bucket?"),
        (STORE % "prefix: ../x", "stores[0].prefix (line 1): is '../x'; should be folder names"),
        (STORE % "prefix: x/", "stores[0].prefix (line 1): is 'x/'; should be folder names"),
        (
            STORE % "endpoint: minio:9000",
            "stores[0].endpoint (line 1): is 'minio:9000'; should be a URL such as",
        ),
        (STORE % "endpoint: s3://x", "stores[0].endpoint (line 1): is 's3://x'; should be a URL such as"),
        (STORE % "pathStyle: 'on'", "stores[0].pathStyle (line 1): is 'on'; should be true or false"),
        (STORE % "checksums: never", "stores[0].checksums (line 1): is 'never'; should be WhenSupported or"),
        (STORE % "caBundle: [x]", "stores[0].caBundle (line 1): is a list of 1; should be a PEM file"),
        (
            "stores:\n- {name: a, bucket: bbb}\n- {name: a, bucket: ccc}",
            "stores[1].name (line 3): is the name of stores[0] too; each should have its own",
        ),
        (
            "stores:\n- {name: a, bucket: bbb, prefix: pbt/x}\n- {name: b, bucket: bbb, prefix: pbt}",
            "stores[1].prefix (line 3): lies in the same bucket as stores[0], and one prefix begins with the other",
        ),
        (
            "stores:\n- {name: a, bucket: bbb}\n- {name: b, bucket: bbb, prefix: pbt}",
            "stores[1].prefix (line 3): lies in the same bucket as stores[0]",
        ),
        ("- 5", "is a list of 1; should be a mapping with namespaces, stores,"),
        ("port: 1\n---\nport: 2", "holds 2 documents; should hold one"),
        ("port: {", "line 1: is not YAML"),
        ("port: 1\nport: 2", "port (line 2): is given twice, first in line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(problem)


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(tmp_path, "port: 0\nstores:\n- name: A\nworkers: 0\n")
    assert [problem.split(" ")[0] for problem in found] == [
        "port",
        "stores[0].name",
        "stores[0].bucket",
        "workers",
    ]


def test_a_file_that_is_not_there_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="can't be read: No such file or directory"):
        read_config(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_bytes(b"\xff")
    with pytest.raises(ManifestError, match="is not UTF-8 text"):
        read_config(tmp_path / "config.yaml")
