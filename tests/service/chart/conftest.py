"""A real API server that judges what the chart renders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from service.chart.rendering import NAMESPACE
from support.apiserver import ApiServer, running
from support.marks import mark

HERE = Path(__file__).parent

# The parts of the Prometheus operator's custom resources that a chart like this uses: that operator isn't installed.
SERVICE_MONITOR = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, plural: servicemonitors}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [endpoints, selector]
            properties:
              selector:
                type: object
                properties: {matchLabels: {type: object, additionalProperties: {type: string}}}
              endpoints:
                type: array
                items:
                  type: object
                  properties:
                    port: {type: string}
                    path: {type: string}
                    interval: {type: string, pattern: "^(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$"}
                    honorLabels: {type: boolean}
                    scrapeTimeout: {type: string, pattern: "^(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$"}
                    relabelings: &rules
                      type: array
                      items:
                        type: object
                        properties:
                          action: {type: string}
                          regex: {type: string}
                          replacement: {type: string}
                          sourceLabels: {type: array, items: {type: string}}
                          targetLabel: {type: string}
                    metricRelabelings: *rules
"""
PROMETHEUS_RULE = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: prometheusrules.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: PrometheusRule, plural: prometheusrules}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            properties:
              groups:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [name]
                items:
                  type: object
                  required: [name]
                  properties:
                    name: {type: string, minLength: 1}
                    rules:
                      type: array
                      items:
                        type: object
                        required: [expr]
                        properties:
                          alert: {type: string}
                          expr: {x-kubernetes-int-or-string: true}
                          for: {type: string, pattern: "^(0|(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?)$"}
                          labels: {type: object, additionalProperties: {type: string}}
                          annotations: {type: object, additionalProperties: {type: string}}
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark(items, "chart", below=HERE)
    mark(items, "server", below=HERE, using={"cluster"})


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """With the namespaces that the cases name, and one that enforces the restricted Pod Security Standard."""
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        namespaces = [namespace(name) for name in (NAMESPACE, "team-a", "team-b")]
        restricted = namespace("restricted", **{"pod-security.kubernetes.io/enforce": "restricted"})
        monitoring = [yaml.safe_load(text) for text in (SERVICE_MONITOR, PROMETHEUS_RULE)]
        documents = [*namespaces, restricted, *monitoring]
        server.kubectl("create", "-f", "-", input=yaml.safe_dump_all(documents))
        crds = [f"crd/{found['metadata']['name']}" for found in monitoring]
        server.kubectl("wait", "--for=condition=Established", *crds)
        yield server


def namespace(name: str, **labels: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
