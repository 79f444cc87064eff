"""The chart as a package: it lints, fits the code beside it, and says what to do next."""

import json
import re
import tomllib

import pytest
import yaml
from typer.main import get_command

from pbt_operator.cli.main import app
from pbt_operator.manifest.load import parse
from pbt_operator.runners.kubernetes.metrics import Metrics
from service.chart.rendering import (
    CASES,
    CHART,
    MINIO,
    ROOT,
    STORE,
    config,
    helm,
    notes,
    one,
    pods,
    render,
)

RELEASE_LIMIT = 1024 * 1024
CRD = CHART / "files" / "population-crd.yaml"


def test_it_lints():
    done = helm("lint", "--strict", CHART, "--set", "stores[0].name=default,stores[0].bucket=experiments")
    assert not done.returncode, done.stdout + done.stderr


def test_it_takes_the_values_of_the_first_steps():
    given = yaml.safe_load((ROOT / "examples" / "kind" / "values.yaml").read_text())
    objects = render(given)
    assert given["stores"][0]["endpoint"] in config(objects)
    image = f"{given['image']['repository']}:{given['image']['tag']}"
    assert one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"] == image


def test_it_is_the_chart_of_this_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert chart["appVersion"] == project["version"]


def test_it_is_small_enough_for_a_release(tmp_path):
    """Helm keeps chart and manifest in a Secret, which holds 1 MiB; a third leaves room for users' values."""
    done = helm("package", CHART, "--destination", tmp_path)
    assert not done.returncode, done.stderr
    (package,) = tmp_path.glob("*.tgz")
    assert package.stat().st_size < RELEASE_LIMIT / 3


def test_the_custom_resource_is_installed_as_it_was_generated_and_kept():
    given = yaml.safe_load(CRD.read_text())
    found = one(render({"stores": [STORE]}), "CustomResourceDefinition")
    assert found["metadata"]["name"] == given["metadata"]["name"]
    assert found["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert found["spec"] == given["spec"]


@pytest.mark.parametrize(
    ("crds", "count", "kept"), [({"keep": False}, 1, False), ({"install": False}, 0, False)]
)
def test_the_custom_resource_can_go_with_the_release_or_be_left_to_others(crds, count, kept):
    found = [o for o in render({"stores": [STORE], "crds": crds}) if o["kind"] == "CustomResourceDefinition"]
    assert len(found) == count
    assert any("annotations" in o["metadata"] for o in found) is kept


def test_an_upgrade_touches_no_population_and_no_pod_of_one():
    objects = [
        o for o in render({"stores": [STORE]}) if "helm.sh/hook" not in o["metadata"].get("annotations", {})
    ]
    assert not {"Population", "Pod"} & {o["kind"] for o in objects}


def test_hooks_clean_up_after_themselves():
    objects = render({"stores": [STORE]})
    hooks = {
        o["metadata"]["name"]: o["metadata"]["annotations"]
        for o in objects
        if "helm.sh/hook" in o["metadata"].get("annotations", {})
    }
    assert {name: h["helm.sh/hook"] for name, h in hooks.items()} == {
        "pbt-operator-uninstall-check": "pre-delete",
        "pbt-operator-test-stores": "test",
    }
    policy = "before-hook-creation,hook-succeeded"
    assert all(hook["helm.sh/hook-delete-policy"] == policy for hook in hooks.values())
    job = one(objects, "Job")["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"], job["ttlSecondsAfterFinished"]) == (
        0,
        120,
        600,
    )


def test_the_dashboard_asks_for_metrics_and_labels_that_there_are():
    text = one(render(CASES["monitoring"]), "ConfigMap", "pbt-operator-dashboard")["data"][
        "pbt-operator.json"
    ]
    known = exported()
    targets = [target for panel in json.loads(text)["panels"] for target in panel["targets"]]
    assert targets
    for target in targets:
        expression, legend = target["expr"], target["legendFormat"]
        (metric,) = re.findall(r"\bpbt_\w+", expression)
        assert metric in known, expression
        grouped = re.findall(r"by \(([^)]+)\)", expression)
        labels = {label for group in grouped for label in group.split(", ")} - {"le"}
        shown = set(re.findall(r"{{(\w+)}}", legend))
        assert labels | shown | set(re.findall(r"(\w+)=~", expression)) <= known[metric], expression
        assert not grouped or shown <= labels


def exported() -> dict[str, set[str]]:
    """The operator's series by name, with their labels."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    collectors = Metrics().registry._collector_to_names
    own = [collector for collector in collectors if hasattr(collector, "_labelnames")]
    return {
        f"{collector._name}{suffix}": set(collector._labelnames)
        for collector in own
        for suffix in suffixes[collector._type]
    }


def test_every_pod_runs_a_command_that_exists():
    group = get_command(app).commands["operator"]
    for pod in pods(render({"stores": [STORE]})).values():
        name, *arguments = pod["spec"]["containers"][0]["args"]
        assert name == "operator"
        command = group.commands.get(arguments[0], group)
        option, file = arguments if command is group else arguments[1:]
        assert option in {option for parameter in command.params for option in parameter.opts}
        assert file == "/etc/pbt-operator/config.yaml"


def test_the_probes_ask_where_the_operator_answers():
    (container,) = pods(render({"stores": [STORE]}))["pbt-operator"]["spec"]["containers"]
    asked = {probe: container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert {probe: get["path"] for probe, get in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {"http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]


@pytest.mark.parametrize("name", ["two stores", "list of namespaces"])
def test_the_notes_hold_a_population_that_is_accepted(name):
    values = CASES[name]
    text = notes(values)
    population = text.partition("<<EOF\n")[2].partition("EOF")[0]
    spec = parse(yaml.safe_load(population), source="NOTES").spec
    assert spec.storage.store == values["stores"][0]["name"]


def test_the_notes_warn_of_what_may_surprise():
    secure = {**MINIO, "endpoint": "https://minio.storage:9000"}

    def warnings(**values):
        return [line for line in notes({"stores": [secure], **values}).splitlines() if "WARNING" in line]

    assert warnings() == []
    (identity,) = warnings(stores=[STORE])
    assert "store default has no credentialsSecretRef" in identity
    (plain,) = warnings(stores=[MINIO])
    assert "store minio is reached without encryption (http://minio.storage:9000)" in plain
    (scope,) = warnings(watch={"scope": "Release"})
    assert "nobody drives Populations in other namespaces" in scope
    (alerts,) = warnings(prometheusRule={"enabled": True})
    assert (
        "this cluster has no PrometheusRules (monitoring.coreos.com/v1), so prometheusRule was left out"
        in alerts
    )
    assert warnings(prometheusRule={"enabled": True, "force": True}) == []
    (forced,) = warnings(uninstall={"force": True})
    assert "doesn't ask whether Populations live" in forced


def test_the_values_in_the_documentation_are_accepted():
    pages = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("install", "gpu-cluster"))
    blocks = re.findall(r"```yaml\n(.*?)```", pages, re.DOTALL)
    examples = [example for block in blocks for example in yaml.safe_load_all(block)]
    values_files = [example for example in examples if "kind" not in example]  # the others are manifests
    assert len(values_files) == 4
    for values in values_files:
        assert one(render(values), "Deployment")
