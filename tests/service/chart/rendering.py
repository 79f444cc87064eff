"""The chart as helm renders it: objects, refusals and notes, and the cases that all checks go through."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from programs.build import binary

Object = dict[str, Any]
Values = dict[str, Any]

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts" / "pbt-operator"
RELEASE, NAMESPACE = "pbt-operator", "pbt-system"

STORE = {"name": "default", "bucket": "experiments"}
MINIO = {
    "name": "minio",
    "bucket": "experiments",
    "prefix": "pbt/team",
    "endpoint": "http://minio.storage:9000",
    "region": "us-east-1",
    "pathStyle": True,
    "checksums": "WhenRequired",
    "credentialsSecretRef": {"name": "minio-keys"},
    "caBundleConfigMapRef": {"name": "minio-ca", "key": "bundle.pem"},
}
PEER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}

CASES: dict[str, Values] = {
    "one store": {"stores": [STORE]},
    "two stores": {"stores": [STORE, MINIO], "pollSeconds": 0.5, "workers": 32, "logFormat": "text"},
    "list of namespaces": {
        "stores": [MINIO],
        "watch": {"scope": "Namespaces", "namespaces": ["team-a", "team-b"]},
    },
    "own namespace, nothing cluster-wide": {
        "stores": [STORE],
        "watch": {"scope": "Release"},
        "crds": {"install": False},
    },
    "monitoring": {
        "stores": [STORE],
        "serviceMonitor": {
            "enabled": True,
            "interval": "1m30s",
            "scrapeTimeout": "10s",
            "labels": {"release": "prometheus"},
            "relabelings": [{"targetLabel": "cluster", "replacement": "one"}],
            "metricRelabelings": [{"action": "labeldrop", "regex": "pod"}],
        },
        "scrapeAnnotations": True,
        "prometheusRule": {"enabled": True, "force": True, "labels": {"release": "prometheus"}},
        "grafanaDashboard": {"enabled": True, "annotations": {"grafana_folder": "Training"}},
        "service": {"annotations": {"prometheus.io/scrape": "true"}},
    },
    "network policy": {"stores": [STORE], "networkPolicy": {"enabled": True}},
    "narrow network policy": {
        "stores": [STORE, MINIO, {**MINIO, "name": "plain", "endpoint": "http://s3.storage"}],
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [PEER],
            "apiServerPorts": [6443],
            "egressTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80}]}],
        },
    },
    "web identity on a busy cluster": {
        "stores": [STORE],
        "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/pbt"}},
        "image": {"repository": "registry.example/pbt", "digest": f"sha256:{'0a' * 32}"},
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "DoesNotExist"}]}]
                }
            }
        },
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "podLabels": {"azure.workload.identity/use": "true"},
        "extraEnv": [
            {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "resources": {"limits": {"memory": "2Gi", "cpu": 2}},
        "terminationGracePeriodSeconds": 10,
        "commonLabels": {"team": "ml"},
    },
    "two operators": {"stores": [STORE], "replicas": 2, "commonLabels": {"team": "ml"}},
    "volumes and variables of one's own": {
        "stores": [STORE],
        "replicas": 2,
        "watch": {"scope": "Release"},
        "extraEnvFrom": [{"secretRef": {"name": "proxy"}}],
        "extraVolumes": [
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"audience": "sts", "path": "token"}}]},
            }
        ],
        "extraVolumeMounts": [{"name": "token", "mountPath": "/token", "readOnly": True}],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "operator"}},
            }
        ],
    },
    "other names, no switches": {
        "stores": [STORE],
        "nameOverride": "populations",
        "fullnameOverride": "trainer",
        "serviceAccount": {"create": False, "name": "existing"},
        "crds": {"keep": False},
        "rbac": {"aggregate": False},
        "uninstall": {"force": True},
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}},
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-two'}",
        ],
    },
}


def helm(*arguments: object, kubeconfig: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs helm with no settings of the user's, and no cluster unless one is given."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,  # else it caches what a server offers in the working folder
            "HELM_CACHE_HOME": home,
            "HELM_CONFIG_HOME": home,
            "HELM_DATA_HOME": home,
            "KUBECONFIG": str(kubeconfig or os.devnull),
        }
        command = [str(binary("helm")), *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def render(values: Values) -> list[Object]:
    """All objects that the chart makes for `values`, hooks included."""
    return [document for document in yaml.safe_load_all(manifest(values)) if document]


def manifest(values: Values) -> str:
    """The same as text.

    Raises:
        AssertionError: helm refuses the values.
    """
    done = _template(json.dumps(values))
    assert not done.returncode, done.stderr
    return done.stdout


def refusal(values: Values) -> str:
    """What helm refuses `values` with.

    Raises:
        AssertionError: it renders them.
    """
    done = _template(json.dumps(values))
    assert done.returncode, done.stdout
    return done.stderr


def notes(values: Values) -> str:
    """What an installation prints at its end."""
    with values_file(values) as file:
        done = helm("install", RELEASE, CHART, "-n", NAMESPACE, "-f", file, "--dry-run=client")
    assert not done.returncode, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


@contextmanager
def values_file(values: Values) -> Iterator[Path]:
    """A file for `helm -f`, for the length of the block."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "values.json"
        file.write_text(json.dumps(values))
        yield file


@cache
def _template(values: str) -> "subprocess.CompletedProcess[str]":
    with values_file(json.loads(values)) as file:
        return helm("template", RELEASE, CHART, "-n", NAMESPACE, "-f", file)


def one(objects: list[Object], kind: str, name: str = "") -> Object:
    """The only object of a kind, and of a name where one is given."""
    (found,) = [o for o in objects if o["kind"] == kind and name in ("", o["metadata"]["name"])]
    return found


def pods(objects: list[Object]) -> dict[str, Object]:
    """Every pod or pod template, by the name of its owner."""
    found = {}
    for o in objects:
        if o["kind"] == "Pod":
            found[o["metadata"]["name"]] = o
        elif "template" in o.get("spec", {}):
            found[o["metadata"]["name"]] = o["spec"]["template"]
    return found


def config(objects: list[Object], name: str = RELEASE) -> str:
    """The text of the operator's config file."""
    text = one(objects, "ConfigMap", name)["data"]["config.yaml"]
    assert isinstance(text, str)
    return text


def mounted_files(pod: Object) -> set[str]:
    """The files that a pod of the chart sees below /etc/pbt-operator, optional ones included."""
    (volume,) = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "config"]
    sources = volume["projected"]["sources"]
    items = [item["path"] for s in sources for item in next(iter(s.values())).get("items", [])]
    return {f"/etc/pbt-operator/{path}" for path in ["config.yaml", *items]}
