"""What the values of the chart do, and with what message wrong ones are refused."""

import json
from pathlib import Path

import pytest
import yaml

from pbt_operator.runners.kubernetes.config import LeaseConfig, OperatorConfig, StoreConfig, read_config
from service.chart.rendering import (
    CASES,
    CHART,
    MINIO,
    STORE,
    config,
    mounted_files,
    one,
    pods,
    refusal,
    render,
)

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())

ONE_OF = "value must be one of"
WRONG = {
    "no store": ({}, "stores: name at least one bucket, for example --set"),
    "a store without a bucket": ({"stores": [{"name": "a"}]}, "/stores/0': missing property 'bucket'"),
    "a misspelt field of a store": (
        {"stores": [{**STORE, "endpont": "x"}]},
        "/stores/0': additional properties 'endpont' not allowed",
    ),
    "keys among the values": (
        {"stores": [{**STORE, "secretKey": "x"}]},
        "/stores/0': additional properties 'secretKey' not allowed",
    ),
    "an endpoint without a scheme": (
        {"stores": [{**STORE, "endpoint": "minio:9000"}]},
        "/stores/0/endpoint': 'minio:9000' does not match pattern '^https?://",
    ),
    "a prefix with a slash at its end": (
        {"stores": [{**STORE, "prefix": "a/"}]},
        "/stores/0/prefix': 'a/' does not match",
    ),
    "unknown checksums": (
        {"stores": [{**STORE, "checksums": "Never"}]},
        f"/stores/0/checksums': {ONE_OF} 'WhenSupported', 'WhenRequired'",
    ),
    "a Secret's name where a reference belongs": (
        {"stores": [{**STORE, "credentialsSecretRef": "keys"}]},
        "/stores/0/credentialsSecretRef': got string, want object",
    ),
    "a store's name that no Population can write": (
        {"stores": [{**STORE, "name": "Team A"}]},
        "/stores/0/name': 'Team A' does not match",
    ),
    "overlapping stores": (
        {"stores": [{**STORE, "prefix": "a"}, {**STORE, "name": "inner", "prefix": "a/b"}]},
        "stores: default and inner lie in one bucket, and one prefix begins with the other",
    ),
    "two stores of one name": ({"stores": [STORE, STORE]}, 'stores: there are two of the name "default"'),
    "an unknown scope": (
        {"watch": {"scope": "cluster"}},
        f"/watch/scope': {ONE_OF} 'Cluster', 'Namespaces', 'Release'",
    ),
    "no namespaces": (
        {"watch": {"scope": "Namespaces"}},
        "watch.namespaces: watch.scope is Namespaces; list at",
    ),
    "namespaces that would be ignored": (
        {"watch": {"namespaces": ["a"]}},
        "watch.namespaces: watch.scope is Cluster, which takes no list; set watch.scope to Namespaces",
    ),
    "one namespace twice": (
        {"watch": {"scope": "Namespaces", "namespaces": ["a", "a"]}},
        "/watch/namespaces': items at 0 and 1 are equal",
    ),
    "three operators": ({"replicas": 3}, f"/replicas': {ONE_OF} 1, 2"),
    "a lease too short to be renewed": ({"lease": {"seconds": 1}}, "/lease/seconds': minimum: got 1, want 2"),
    "a volume of a name that the chart uses": (
        {"extraVolumes": [{"name": "config", "emptyDir": {}}]},
        "/extraVolumes/0/name': 'not' failed",
    ),
    "a mount that names no path": (
        {"extraVolumeMounts": [{"name": "token"}]},
        "/extraVolumeMounts/0': missing property 'mountPath'",
    ),
    "a misspelt source of variables": (
        {"extraEnvFrom": [{"secret": {"name": "a"}}]},
        "/extraEnvFrom/0': additional properties 'secret' not allowed",
    ),
    "a timeout without its unit": (
        {"serviceMonitor": {"scrapeTimeout": "10"}},
        "/serviceMonitor/scrapeTimeout': '10' does not match",
    ),
    "a digest without its algorithm": ({"image": {"digest": "0a" * 32}}, "/image/digest': "),
    "a tag inside the repository's name": (
        {"image": {"repository": "a@sha256:1"}},
        "/image/repository': 'a@sha256:1' does not match",
    ),
    "a text for a number": ({"workers": "8"}, "/workers': got string, want integer"),
    "too small a number": ({"pollSeconds": 0}, "/pollSeconds': minimum: got 0, want 0.1"),
    "a label that is no text": ({"podLabels": {"a": True}}, "/podLabels/a': got boolean, want string"),
    "no service account": ({"serviceAccount": {"create": False}}, "serviceAccount.name: name the existing"),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_name(values, message):
    assert message in refusal({"stores": [STORE], **values} if values else {})


def test_every_value_has_a_rule_and_a_default():
    rules = SCHEMA["properties"]
    assert rules.keys() - {"global"} == DEFAULTS.keys()
    for name, rule in rules.items():
        if rule.get("additionalProperties") is False:
            assert rule["properties"].keys() == DEFAULTS[name].keys(), name


def test_the_schema_allows_what_the_operator_does():
    ours, theirs = SCHEMA["definitions"]["store"]["properties"], StoreConfig.model_json_schema()["properties"]
    for name in ("bucket", "prefix", "endpoint", "region"):
        rule = theirs[name].get("anyOf", [theirs[name]])[0]
        assert ours[name]["pattern"] == rule["pattern"], name
    fields = OperatorConfig.model_json_schema()["properties"]
    lease = LeaseConfig.model_json_schema()["properties"]["seconds"]
    allowed = SCHEMA["properties"]["lease"]["properties"]["seconds"]
    pairs = [(SCHEMA["properties"][name], fields[name]) for name in ("pollSeconds", "workers")]
    for bounds, theirs in [*pairs, (allowed, lease)]:
        assert (bounds["minimum"], bounds["maximum"]) == (theirs["minimum"], theirs["maximum"])


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_the_operator_reads_its_config_and_finds_the_files_it_names(values, tmp_path):
    objects = render(values)
    name = values.get("fullnameOverride", "pbt-operator")
    read = _read(config(objects, name), tmp_path)
    assert [store.name for store in read.stores] == [store["name"] for store in values["stores"]]
    files = mounted_files(pods(objects)[name])
    for store in read.stores:
        if store.credentials:
            assert {
                f"{store.credentials}/AWS_{key}" for key in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
            } <= files
        if store.ca_bundle:
            assert str(store.ca_bundle) in files


def test_a_store_reaches_the_config_as_it_was_given(tmp_path):
    store = _read(config(render({"stores": [MINIO]})), tmp_path).store("minio")
    given = {key: value for key, value in MINIO.items() if not key.endswith("Ref")}
    assert store.model_dump(by_alias=True, exclude={"credentials", "ca_bundle"}) == given
    assert str(store.credentials) == "/etc/pbt-operator/stores/minio/credentials"
    assert str(store.ca_bundle) == "/etc/pbt-operator/stores/minio/ca/ca.crt"


def test_of_a_secret_only_the_keys_of_s3_are_mounted_and_a_token_where_there_is_one():
    (volume,) = [
        volume
        for volume in pods(render({"stores": [MINIO]}))["pbt-operator"]["spec"]["volumes"]
        if volume["name"] == "config"
    ]
    secrets = [source["secret"] for source in volume["projected"]["sources"] if "secret" in source]
    assert [(s["name"], [i["key"] for i in s["items"]], s.get("optional", False)) for s in secrets] == [
        ("minio-keys", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], False),
        ("minio-keys", ["AWS_SESSION_TOKEN"], True),
    ]


@pytest.mark.parametrize(
    ("watch", "namespaces"),
    [
        ({}, ()),
        ({"scope": "Namespaces", "namespaces": ["team-a", "team-b"]}, ("team-a", "team-b")),
        ({"scope": "Release"}, ("pbt-system",)),
    ],
)
def test_the_scope_names_the_namespaces(watch, namespaces, tmp_path):
    assert _read(config(render({"stores": [STORE], "watch": watch})), tmp_path).namespaces == namespaces


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({}, "pbt-operator:0.1.0"),
        ({"repository": "registry.example:5000/pbt", "tag": "2"}, "registry.example:5000/pbt:2"),
        ({"tag": "2", "digest": f"sha256:{'0a' * 32}"}, f"pbt-operator@sha256:{'0a' * 32}"),
    ],
)
def test_a_digest_wins_over_a_tag_and_the_tag_over_the_charts_version(image, expected):
    found = pods(render({"stores": [STORE], "image": image}))
    assert len(found) == 3
    assert {pod["spec"]["containers"][0]["image"] for pod in found.values()} == {expected}


def test_names_that_look_like_numbers_stay_names():
    values = {
        "stores": [{**STORE, "credentialsSecretRef": {"name": "1"}}],
        "watch": {"scope": "Namespaces", "namespaces": ["2"]},
        "serviceAccount": {"name": "3"},
        "priorityClassName": "4",
    }
    objects = render(values)
    spec = pods(objects)["pbt-operator"]["spec"]
    sources = spec["volumes"][0]["projected"]["sources"]
    assert [source["secret"]["name"] for source in sources[1:]] == ["1", "1"]
    assert one(objects, "Role")["metadata"]["namespace"] == "2"
    assert one(objects, "RoleBinding")["subjects"][0]["name"] == "3"
    assert one(objects, "ServiceAccount")["metadata"]["name"] == "3"
    assert (spec["serviceAccountName"], spec["priorityClassName"]) == ("3", "4")


def test_a_change_of_the_config_rolls_the_pod_and_nothing_else_of_the_stores_does():
    def template(**values):
        return pods(render({"stores": [STORE], **values}))["pbt-operator"]

    assert template() == template(service={"annotations": {"a": "b"}})
    assert template()["metadata"] != template(workers=9)["metadata"]


def test_one_operator_is_alone_also_during_an_upgrade_and_has_no_lease(tmp_path):
    objects = render({"stores": [STORE]})
    spec = one(objects, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "topologySpreadConstraints" not in spec["template"]["spec"]
    assert _read(config(objects), tmp_path).lease is None
    assert "PodDisruptionBudget" not in {o["kind"] for o in objects}


def test_two_operators_agree_by_a_lease_and_keep_apart(tmp_path):
    objects = render({"stores": [STORE], "replicas": 2, "lease": {"seconds": 30}})
    spec = one(objects, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]) == (2, {"maxSurge": 0, "maxUnavailable": 1})
    given = _read(config(objects), tmp_path).lease
    assert given == LeaseConfig(namespace="pbt-system", name="pbt-operator", seconds=30)
    budget, selector = one(objects, "PodDisruptionBudget")["spec"], spec["selector"]
    assert (budget["maxUnavailable"], budget["selector"]) == (1, selector)
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["labelSelector"]) == ("kubernetes.io/hostname", selector)


def test_a_budget_can_be_left_out_and_the_spread_be_ones_own():
    own = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]
    values = {"replicas": 2, "podDisruptionBudget": {"enabled": False}, "topologySpreadConstraints": own}
    objects = render({"stores": [STORE], **values})
    assert "PodDisruptionBudget" not in {o["kind"] for o in objects}
    assert pods(objects)["pbt-operator"]["spec"]["topologySpreadConstraints"] == own
    alone = pods(render({"stores": [STORE], "topologySpreadConstraints": own}))
    assert alone["pbt-operator"]["spec"]["topologySpreadConstraints"] == own


def test_what_the_operator_is_given_in_addition_the_helm_test_has_too_and_an_uninstall_does_not_need():
    found = pods(render(CASES["volumes and variables of one's own"]))
    for name in ("pbt-operator", "pbt-operator-test-stores"):
        (container,) = found[name]["spec"]["containers"]
        assert [m["mountPath"] for m in container["volumeMounts"]] == ["/etc/pbt-operator", "/tmp", "/token"]
        assert container["envFrom"] == [{"secretRef": {"name": "proxy"}}]
        assert [v["name"] for v in found[name]["spec"]["volumes"]] == ["config", "tmp", "token"]
    check = found["pbt-operator-uninstall-check"]["spec"]
    assert [v["name"] for v in check["volumes"]] == ["config", "tmp"]
    assert "envFrom" not in check["containers"][0]


def test_a_prometheus_that_looks_for_annotations_finds_the_operator_and_no_other_pod():
    found = pods(render({"stores": [STORE], "scrapeAnnotations": True, "podAnnotations": {"a": "b"}}))
    told = {name: pod["metadata"].get("annotations", {}) for name, pod in found.items()}
    scraped = {key: text for key, text in told["pbt-operator"].items() if key.startswith("prometheus.io/")}
    assert scraped == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8080",
        "prometheus.io/path": "/metrics",
    }
    assert all(notes["a"] == "b" for notes in told.values())
    assert [name for name, notes in told.items() if "prometheus.io/scrape" in notes] == ["pbt-operator"]


def test_how_prometheus_scrapes_is_said_in_the_service_monitor():
    drop = [{"action": "drop", "sourceLabels": ["__name__"], "regex": "pbt_reconcile.*"}]
    target = [{"action": "replace", "targetLabel": "cluster", "replacement": "one"}]
    given = {"scrapeTimeout": "10s", "relabelings": target, "metricRelabelings": drop}
    objects = render({"stores": [STORE], "serviceMonitor": {"enabled": True, "labels": {"a": "b"}, **given}})
    monitor = one(objects, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert {key: endpoint[key] for key in given} == given
    assert (endpoint["interval"], monitor["metadata"]["labels"]["a"]) == ("30s", "b")


def test_the_service_leads_to_the_operator_alone_and_the_policy_covers_all_pods():
    values = {"stores": [STORE], "networkPolicy": {"enabled": True}}
    values["podLabels"] = {"app.kubernetes.io/name": "other", "own": "label"}
    objects = render(values)
    labels = {name: pod["metadata"]["labels"].items() for name, pod in pods(objects).items()}
    selector = one(objects, "Service")["spec"]["selector"].items()
    assert [name for name in labels if selector <= labels[name]] == ["pbt-operator"]
    assert one(objects, "Deployment")["spec"]["selector"]["matchLabels"].items() == selector
    policy = one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    assert all(policy <= own and ("own", "label") in own for own in labels.values())


def test_the_policy_opens_the_ports_of_the_stores():
    objects = render(CASES["narrow network policy"])
    stores = one(objects, "NetworkPolicy")["spec"]["egress"][1]
    assert [port["port"] for port in stores["ports"]] == [6443, 443, 9000, 80]
    assert stores["to"] == [{"ipBlock": {"cidr": "10.0.0.0/8"}}]


def test_the_helm_test_sees_what_the_operator_sees_without_a_token_of_the_cluster():
    found = pods(render({"stores": [STORE, MINIO]}))
    operator, test = (found[name]["spec"] for name in ("pbt-operator", "pbt-operator-test-stores"))
    assert test["volumes"] == operator["volumes"]
    assert test["serviceAccountName"] == operator["serviceAccountName"]
    assert (test["automountServiceAccountToken"], operator["automountServiceAccountToken"]) == (False, True)


def test_a_missing_secret_does_not_stop_an_uninstall():
    job = pods(render({"stores": [MINIO]}))["pbt-operator-uninstall-check"]
    assert not [volume for volume in job["spec"]["volumes"] if volume.keys() & {"secret", "projected"}]


def test_forced_means_no_question_asked():
    kinds = {o["kind"] for o in render({"stores": [STORE], "uninstall": {"force": True}})}
    assert "Job" not in kinds


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_common_labels_reach_every_object_and_pod(values):
    objects = render({**values, "commonLabels": {"team": "ml"}, "extraObjects": []})
    for o in [*objects, *pods(objects).values()]:
        assert o["metadata"]["labels"]["team"] == "ml"


def _read(text: str, folder: Path) -> OperatorConfig:
    file = folder / "config.yaml"
    file.write_text(text)
    return read_config(file)
