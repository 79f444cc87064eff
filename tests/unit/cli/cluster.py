"""What the commands find on a cluster: Populations with a status and pods, as an operator and a kubelet leave them."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from kubernetes import client

from fixtures.manifests import TEMPLATE
from pbt_operator.core.status import Status
from pbt_operator.runners.kubernetes.status_summary import without_nulls
from support.apiserver import ApiServer, write_kubeconfig
from unit.page.populations import SPACE

PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations"}
SMALL: dict[str, Any] = {
    "members": 2,
    "objective": {"metric": "val_accuracy", "goal": "Maximize"},
    "schedule": {"totalSteps": 20, "intervalSteps": 10, "quorumPercent": 100},
    "hyperparameters": [SPACE[0]],
    "template": TEMPLATE,
}
TRAINER = {"name": "main", "image": "trainer", "env": [{"name": "PBT_LOCATION", "value": "s3://b/x"}]}
SIDECAR = {"name": "a-proxy", "image": "proxy"}
RUNNING = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "main",
            "state": {"running": {}},
            "image": "t",
            "imageID": "t",
            "ready": True,
            "restartCount": 0,
        }
    ],
}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, Any]:
    """A condition as the status has it."""
    time = "2026-01-01T00:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": time}


def words(status: Status) -> dict[str, Any]:
    """A status as the operator writes it into the custom resource."""
    told: dict[str, Any] = without_nulls(msgspec.to_builtins(status))
    return {name: value for name, value in told.items() if name not in {"format", "reason", "message"}}


@dataclass(frozen=True)
class Namespace:
    """A user's namespace."""

    server: ApiServer
    name: str
    kubeconfig: Path

    @cached_property
    def _connection(self) -> client.ApiClient:
        settings = client.Configuration(
            host=self.server.url, api_key={"BearerToken": f"Bearer {self.server.token}"}
        )
        settings.ssl_ca_cert = str(self.server.ca)
        return client.ApiClient(settings)

    @cached_property
    def core(self) -> client.CoreV1Api:
        """The administrator's own."""
        return client.CoreV1Api(self._connection)

    @cached_property
    def custom(self) -> client.CustomObjectsApi:
        """The administrator's own."""
        return client.CustomObjectsApi(self._connection)

    def create(self, name: str = "digits", **spec: Any) -> Any:
        """A Population."""
        body = {
            "apiVersion": "pbt.dev/v1alpha1",
            "kind": "Population",
            "metadata": {"name": name},
            "spec": {**SMALL, **spec},
        }
        return self.custom.create_namespaced_custom_object(**PLACE, namespace=self.name, body=body)

    def tell(self, name: str = "digits", **status: Any) -> None:
        """Merges into its status, as the operator does."""
        self.custom.patch_namespaced_custom_object_status(
            **PLACE, namespace=self.name, name=name, body={"status": status}
        )

    def read(self, name: str = "digits") -> Any:
        """A Population as it is now."""
        return self.custom.get_namespaced_custom_object(**PLACE, namespace=self.name, name=name)

    def pod(
        self,
        population: Any,
        member: int,
        incarnation: int,
        *,
        uid: str | None = None,
        node: str | None = None,
        **status: Any,
    ) -> str:
        """A member's pod, with a sidecar before the trainer."""
        name = f"{population['metadata']['name']}-{member}-{incarnation}"
        if uid is not None:
            name += "-old"
        labels = {
            "pbt.dev/population": population["metadata"]["name"],
            "pbt.dev/population-uid": uid or population["metadata"]["uid"],
            "pbt.dev/member": str(member),
            "pbt.dev/incarnation": str(incarnation),
        }
        spec = {"containers": [SIDECAR, TRAINER], "restartPolicy": "Never"}
        body = {
            "metadata": {"name": name, "labels": labels},
            "spec": {**spec, **({"nodeName": node} if node else {})},
        }
        self.core.create_namespaced_pod(self.name, body)
        if status:
            self.core.patch_namespaced_pod_status(name, self.name, {"status": status})
        return name

    def stranger(self, folder: Path, **may: list[str]) -> Path:
        """The kubeconfig of a user who may do only so much: verbs by resource of pbt.dev, pods or pods_log."""
        groups = {"pods": ("", "pods"), "pods_log": ("", "pods/log")}
        rules = [
            {"apiGroups": [group], "resources": [resource], "verbs": verbs}
            for name, verbs in may.items()
            for group, resource in [groups.get(name, ("pbt.dev", name))]
        ]
        self.core.create_namespaced_service_account(self.name, {"metadata": {"name": "stranger"}})
        rbac = client.RbacAuthorizationV1Api(self._connection)
        rbac.create_namespaced_role(self.name, {"metadata": {"name": "little"}, "rules": rules})
        rbac.create_namespaced_role_binding(
            self.name,
            {
                "metadata": {"name": "little"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "little"},
                "subjects": [{"kind": "ServiceAccount", "name": "stranger", "namespace": self.name}],
            },
        )
        token = self.core.create_namespaced_service_account_token("stranger", self.name, {"spec": {}})
        found = folder / "stranger"
        write_kubeconfig(self.server, found, namespace=self.name, token=token.status.token)
        return found


class Kubelet:
    """The log endpoint of a node: a line that names the container, and one more after `release` is set.

    Attributes:
        node: its name.
        release: an answer that is followed waits for it.
    """

    def __init__(self, node: str) -> None:
        """Is told of nothing yet."""
        self.node, self.release = node, threading.Event()


@contextmanager
def kubelet(namespace: Namespace) -> Iterator[Kubelet]:
    """Serves on loopback, as a node of the cluster."""
    found = Kubelet(f"node-of-{namespace.name}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self._chunk(f"{path.removeprefix('/containerLogs/')}\n")
            if "follow=true" in query:
                found.release.wait()
            self._chunk("the \x1b[31mend\n")
            self._chunk("")

        def _chunk(self, text: str) -> None:
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(namespace.server.ca, namespace.server.ca.with_suffix(".key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.server_port}},
    }
    try:
        namespace.core.create_node({"metadata": {"name": found.node}})
        namespace.core.patch_node_status(found.node, {"status": status})
        yield found
    finally:
        found.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
