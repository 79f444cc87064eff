"""Kueue in the cluster: by the chart of the very module that its program is built from, for tests that need a queue.

It looks at pods in namespaces with the label `MANAGED` alone, and makes its certificates itself.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from kindcluster import lifetime
from kindcluster.images import KUEUE
from kindcluster.kind import Kind
from kindcluster.machine import ClusterError, alone, held, step
from programs.build import source

NAMESPACE = "kueue-system"
MANAGED = ("pbt.dev/queued", "true")
"""The label of namespaces whose pods wait in queues, and its value."""

SECONDS = 240.0

_PROBE = {
    "apiVersion": "kueue.x-k8s.io/v1beta2",
    "kind": "ClusterQueue",
    "metadata": {"name": "probe"},
    "spec": {"namespaceSelector": {}},
}
_OBJECTS = "clusterqueues,cohorts,resourceflavors,workloadpriorityclasses"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_CONFIGURATION = {
    "apiVersion": "config.kueue.x-k8s.io/v1beta2",
    "kind": "Configuration",
    "health": {"healthProbeBindAddress": ":8081"},
    "metrics": {"bindAddress": ":8443"},
    "webhook": {"port": 9443},
    "leaderElection": {"leaderElect": False},
    "integrations": {"frameworks": ["pod"]},
    # Its webhooks refuse pods while it isn't there: those of other tests are none of its business.
    "managedJobsNamespaceSelector": {"matchLabels": dict([MANAGED])},
}
_VALUES = {
    "controllerManager": {
        "featureGates": [{"name": "VisibilityOnDemand", "enabled": False}],
        "manager": {
            "image": {
                "repository": KUEUE.partition(":")[0],
                "tag": KUEUE.partition(":")[2],
                "pullPolicy": "Never",
            },
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        },
        "nodeSelector": {_CONTROL_PLANE: ""},
        "tolerations": [{"key": _CONTROL_PLANE, "operator": "Exists"}],
        "readinessProbe": {"initialDelaySeconds": 1},
    },
    "managerConfig": {"controllerManagerConfigYaml": yaml.safe_dump(_CONFIGURATION)},
}


@contextmanager
def installed(cluster: Kind) -> Iterator[None]:
    """Kueue for the length of the block; processes that ask at the same time share it, and the last one removes it.

    Raises:
        BuildError: it can't be built.
        ClusterError: it doesn't start.
    """
    folder = cluster.access.folder
    try:
        with held(folder / "kueue.users", shared=True):
            with held(folder / "kueue.lock"):
                _install(cluster)
            yield
    finally:
        with alone(folder / "kueue.users") as last:
            if last:
                _remove(cluster)


def _install(cluster: Kind) -> None:
    lifetime.bring(cluster, KUEUE)
    with step("starting Kueue"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        cluster.access.kubectl("apply", "-f", "-", input=yaml.safe_dump(namespace))
        apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        cluster.access.kubectl(*apply, input=_manifest(cluster))
        _await(cluster)


def _await(cluster: Kind) -> None:
    """Waits until its webhooks answer, which they do with the certificate that it makes itself."""
    kubectl, deadline = cluster.access.kubectl, time.monotonic() + SECONDS
    touch, here = ("annotate", "pods", "--all", "--overwrite"), f"--namespace={NAMESPACE}"
    while True:
        asked = kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(_PROBE), check=False)
        if not asked.returncode:
            return
        if time.monotonic() > deadline:
            described = kubectl("describe", "pods", here, check=False).stdout
            raise ClusterError(f"Kueue didn't start: {asked.stderr}\n{described[-4000:]}")
        # The kubelet looks whether a mounted Secret has changed when the pod has, else about once a minute.
        kubectl(*touch, here, f"pbt.dev/asked-at={time.time()}", check=False)
        time.sleep(1)


def _remove(cluster: Kind) -> None:
    """Removes it after all that it holds by finalizers, which nobody would take away any more."""
    kubectl = cluster.access.kubectl
    with step("removing Kueue"):
        label = "=".join(MANAGED)
        kubectl("wait", "--for=delete", "namespaces", f"--selector={label}", "--timeout=120s")
        kubectl("delete", _OBJECTS, "--all", "--timeout=60s")
        kubectl("delete", "--ignore-not-found", "-f", "-", input=_manifest(cluster))
        kubectl("delete", "namespace", NAMESPACE, "--timeout=120s")


def _manifest(cluster: Kind) -> str:
    chart = source("kueue", "sigs.k8s.io/kueue") / "charts" / "kueue"
    command = ("template", "kueue", str(chart), f"--namespace={NAMESPACE}", "--values=-")
    rendered = cluster.access.helm(*command, input=yaml.safe_dump(_VALUES)).stdout
    documents = [document for document in yaml.load_all(rendered, Loader=yaml.CSafeLoader) if document]
    # As long as an aggregated API isn't there, no namespace can be deleted, whoever's it is.
    return yaml.dump_all((d for d in documents if d["kind"] != "APIService"), Dumper=yaml.CSafeDumper)
