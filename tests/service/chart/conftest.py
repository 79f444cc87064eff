"""A real API server that judges what the chart renders."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from service.chart.rendering import NAMESPACE
from support.apiserver import ApiServer, running
from support.marks import mark

HERE = Path(__file__).parent

# The part of the Prometheus operator's custom resource that a chart like this uses: that operator isn't installed.
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
        documents = [*namespaces, restricted, yaml.safe_load(SERVICE_MONITOR)]
        server.kubectl("create", "-f", "-", input=yaml.safe_dump_all(documents))
        crd = "crd/servicemonitors.monitoring.coreos.com"
        server.kubectl("wait", "--for=condition=Established", crd)
        yield server


def namespace(name: str, **labels: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
