"""The Kubernetes cluster that tests run on: this machine's kind cluster, or one that the caller names and allows.

A session fixture takes it as `with cluster() as found: ...`. `PBT_E2E_KUBECONFIG` names a cluster of the
caller's; images for it come from `PBT_OPERATOR_IMAGE`, `PBT_TRAINER_IMAGE` and `PBT_MINIO_IMAGE`.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kindcluster import images, lifetime, store
from kindcluster.access import Access
from kindcluster.faults import Faults
from kindcluster.machine import ClusterError, why_not
from support.s3server import Server

_IMAGES = ("PBT_OPERATOR_IMAGE", "PBT_TRAINER_IMAGE", "PBT_MINIO_IMAGE")


@dataclass(frozen=True)
class Unavailable:
    """This machine can have no cluster, and why."""

    reason: str


@dataclass(frozen=True)
class Cluster:
    """A running cluster with MinIO in its namespace `minio`; `faults` is None where its nodes aren't ours to break."""

    access: Access
    operator_image: str
    trainer_image: str
    faults: Faults | None

    @property
    def kubeconfig(self) -> Path:
        """Its administrator's kubeconfig; `environment` and `access.context` go with it."""
        return self.access.kubeconfig

    @property
    def environment(self) -> dict[str, str]:
        """For programs that look for the cluster themselves, in a kubeconfig whose current context may be another."""
        return self.access.environment

    def kubectl(
        self, *arguments: str, input: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs kubectl as the cluster's administrator.

        Raises:
            ClusterError: it failed and `check` is set; the message holds what it printed.
        """
        return self.access.kubectl(*arguments, input=input, check=check)

    def helm(
        self, *arguments: str, input: str | None = None, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Runs helm as the cluster's administrator.

        Raises:
            ClusterError: it failed and `check` is set; the message holds what it printed.
        """
        return self.access.helm(*arguments, input=input, check=check)

    def s3(self) -> AbstractContextManager[Server]:
        """The cluster's MinIO with its bucket `experiments`, at an endpoint that this machine reaches.

        Pods reach it at `http://minio.minio:9000`.
        """
        return store.forwarded(self.access)


@contextmanager
def cluster() -> Iterator[Cluster | Unavailable]:
    """The cluster for the length of the block; processes that ask at the same time share it.

    This machine's own is started where it isn't running, else its images are refreshed. It is removed again
    with the last block, unless `make cluster-up` had started it.

    Raises:
        ClusterError: a cluster was named that isn't allowed or lacks its images, or the own one doesn't start.
    """
    named = os.environ.get("PBT_E2E_KUBECONFIG")
    reason = None if named else why_not()
    if named:
        with _named(Path(named)) as found:
            yield found
    elif reason:
        yield Unavailable(reason)
    else:
        with lifetime.shared() as own:
            yield Cluster(own.access, images.OPERATOR, images.TRAINER, Faults(own))


@contextmanager
def _named(kubeconfig: Path) -> Iterator[Cluster]:
    access = Access(kubeconfig, allowed_context(kubeconfig))
    missing = [name for name in _IMAGES if not os.environ.get(name)]
    if missing:
        raise ClusterError(f"images that {access.context} can pull are needed in {', '.join(missing)}")
    operator, trainer, minio = (os.environ[name] for name in _IMAGES)
    deployed = store.deploy(access, image=minio)
    try:
        store.make_ready(access)
        yield Cluster(access, operator, trainer, None)
    finally:
        if deployed:
            store.remove(access)


def allowed_context(kubeconfig: Path) -> str:
    """The current context of a kubeconfig, if tests may use it: kind's, or the one that `PBT_E2E_CONTEXT` names.

    Raises:
        ClusterError: they may not.
    """
    context = yaml.safe_load(kubeconfig.read_text()).get("current-context") or ""
    if context.startswith("kind-") or (context and context == os.environ.get("PBT_E2E_CONTEXT")):
        return context
    raise ClusterError(
        f"tests create and delete on the cluster that they are given, so {kubeconfig} isn't touched: its current "
        f"context is {context!r}. If that is a cluster for tests, set PBT_E2E_CONTEXT={context}"
    )
