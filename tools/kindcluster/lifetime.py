"""The beginning and the end of this machine's cluster: started once, shared by all who ask, removed without a trace."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kindcluster import images, store
from kindcluster.engine import docker, podman
from kindcluster.kind import Kind
from kindcluster.loading import load
from kindcluster.machine import ClusterError, alone, held, provider, step, why_not
from kindcluster.node_image import node_image
from kindcluster.traces import sweep
from programs.build import binaries, cache

_OURS = (images.OPERATOR, images.TRAINER)


def own() -> Kind:
    """This machine's cluster, which need not run; `$PBT_CLUSTER` names another than `pbt`.

    Raises:
        ClusterError: this machine can have none.
    """
    reason = why_not()
    if reason:
        raise ClusterError(reason)
    return Kind(docker() if provider() == "docker" else podman(), _name())


def prepare() -> None:
    """Builds all that a cluster is made of, as far as it isn't there.

    Raises:
        BuildError: a program can't be built.
        ClusterError: an image can't be made.
    """
    engine = own().engine
    with held(_building()):
        binaries("kind", "kubectl", "helm")
        if engine.name == "podman":
            node_image()
        for image in (images.MINIO, *_OURS):
            images.build(engine, image)


def up(*, kept: bool) -> Kind:
    """Starts the cluster where it doesn't run, and brings its images up to date.

    Args:
        kept: it stays until `down`, whoever asks for it meanwhile.

    Raises:
        ClusterError: it can't be had; nothing is left of what was begun.
    """
    prepare()
    cluster = own()
    with held(_lock("change")):
        new = not cluster.runs()
        try:
            if new:
                cluster.delete()
                cluster.create()
            _load(cluster, images.MINIO, *_OURS)
            cluster.repair()
            store.deploy(cluster.access, image=images.MINIO)
            with step("waiting for MinIO"):
                store.make_ready(cluster.access)
        except BaseException:
            if new:
                _remove(cluster)
            raise
        if kept:
            store.introduce(cluster.access)
            cluster.keep()
    return cluster


@contextmanager
def shared() -> Iterator[Kind]:
    """The running cluster for the length of the block; the last of all who ask removes it, unless it is kept.

    Raises:
        ClusterError: it can't be had.
    """
    users = _lock("users")
    try:
        with held(users, shared=True):
            yield up(kept=False)
    finally:
        with alone(users) as last:
            if last and not own().kept:
                down()


def refresh() -> Kind:
    """Builds and loads the images that changed, on a running cluster.

    Raises:
        ClusterError: it doesn't run, or an image can't be built.
    """
    cluster = own()
    with held(_lock("change")):
        if not cluster.runs():
            raise ClusterError("the cluster doesn't run; `make cluster-up` starts it")
        prepare()
        _load(cluster, *_OURS)
    return cluster


def bring(cluster: Kind, image: str) -> None:
    """Builds and loads an image that most tests don't need.

    Raises:
        BuildError: its program can't be built.
        ClusterError: it can't be built or loaded.
    """
    with held(_building()):
        images.build(cluster.engine, image)
    with held(_lock("change")):
        _load(cluster, image)


def down() -> None:
    """Removes the cluster and every trace of it; nothing happens where there is none.

    Raises:
        ClusterError: something can't be removed.
    """
    cluster = own()
    with held(_lock("change")):
        _remove(cluster)


def _remove(cluster: Kind) -> None:
    with step("removing the cluster"):
        cluster.delete()
        if cluster.engine.name == "podman":
            with held(_building()):
                sweep(cluster.engine)


def _load(cluster: Kind, *names: str) -> None:
    """Loads images: ours on the workers, MinIO and Kueue on the control plane, where they run."""
    control = [node for node in cluster.nodes if node not in cluster.workers]
    for image in names:
        nodes = cluster.workers if image in _OURS else control
        load(cluster.engine, cluster.name, image=image, nodes=nodes)


def _building() -> Path:
    return cache() / "clusters" / "build.lock"


def _lock(name: str) -> Path:
    return cache() / "clusters" / f"{_name()}.{name}.lock"


def _name() -> str:
    return os.environ.get("PBT_CLUSTER", "pbt")
