"""A bare Kubernetes control plane on loopback: etcd and the API server, no nodes and no controllers."""

import json
import os
import secrets
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbt_operator.manifest import crd
from programs.build import binary
from support.servers import free_port, serving


@dataclass(frozen=True)
class ApiServer:
    """A running API server with RBAC on, and the credentials of its administrator."""

    url: str
    token: str
    ca: Path
    kubeconfig: Path

    def kubectl(
        self, *arguments: str, input: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl against it.

        Raises:
            AssertionError: it failed and `check` is set; the message holds what it printed.
        """
        return run_kubectl(self.kubeconfig, *arguments, input=input, check=check)


def write_kubeconfig(
    server: ApiServer, file: Path, *, namespace: str | None = None, token: str = "", url: str = ""
) -> None:
    """A kubeconfig like the server's, but for what is given."""
    config = json.loads(server.kubeconfig.read_text())
    if namespace:
        config["contexts"][0]["context"]["namespace"] = namespace
    if token:
        config["users"][0]["user"]["token"] = token
    if url:
        config["clusters"][0]["cluster"]["server"] = url
    file.write_text(json.dumps(config))


def run_kubectl(
    kubeconfig: Path, *arguments: str, input: str | None = None, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Runs kubectl with a kubeconfig of one's own; nothing of the user's settings or caches is touched.

    Raises:
        AssertionError: it failed and `check` is set; the message holds what it printed.
    """
    cache = f"--cache-dir={kubeconfig.parent / 'kubectl-cache'}"
    command = [str(binary("kubectl")), f"--kubeconfig={kubeconfig}", cache, *arguments]
    done = subprocess.run(command, input=input, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"kubectl {' '.join(arguments)} failed: {done.stderr or done.stdout}")
    return done


@contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Starts etcd and the API server on free ports, with all their files in `folder`.

    No controller runs: service accounts are not made by themselves and not asked for, nothing is collected.

    Raises:
        BuildError: a program isn't there and can't be built.
        RuntimeError: one doesn't start; the message holds its log.
    """
    etcd = f"http://127.0.0.1:{free_port()}"
    port, token = free_port(), secrets.token_hex(16)
    url, ca = f"https://127.0.0.1:{port}", folder / "certificates" / "apiserver.crt"
    tokens, key = folder / "tokens.csv", folder / "service-accounts.key"
    tokens.write_text(f"{token},admin,admin,system:masters\n")
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    server = [
        str(binary("kube-apiserver")),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={ca.parent}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",  # it refuses to publish an address of loopback
        "--disable-admission-plugins=ServiceAccount",
    ]
    store = [
        str(binary("etcd")),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd}",
        f"--advertise-client-urls={etcd}",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
    ]
    ready = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {token}"})
    # Settings such as ETCD_NAME or a proxy would reach them otherwise.
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    with ExitStack() as stack:
        stack.enter_context(
            serving(store, log=folder / "etcd.log", ready=f"{etcd}/health", environment=environment)
        )
        stack.enter_context(
            serving(server, log=folder / "apiserver.log", ready=ready, ca=ca, environment=environment)
        )
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(_kubeconfig(url, token=token, ca=ca))
        yield ApiServer(url, token, ca, kubeconfig)


def _kubeconfig(url: str, *, token: str, ca: Path) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bare", "cluster": {"server": url, "certificate-authority": str(ca)}}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "admin"}}],
            "current-context": "bare",
        }
    )


@contextmanager
def with_populations(folder: Path) -> Iterator[ApiServer]:
    """Like `running`, with the custom resource as the models make it; tests are skipped where nobody wants servers."""
    if os.environ.get("PBT_SKIP_CLUSTER") == "1":
        pytest.skip("PBT_SKIP_CLUSTER=1: nothing is tested against a real API server")
    with running(folder) as server:
        server.kubectl("create", "-f", "-", input=crd.text())
        server.kubectl("wait", "--for=condition=Established", "crd/populations.pbt.dev")
        yield server
