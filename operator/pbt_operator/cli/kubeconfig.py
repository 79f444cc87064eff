"""Which cluster the user's settings name: a context of the kubeconfig, or the cluster that we run in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class BadKubeconfig(Exception):
    """It names no cluster."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster.

    Attributes:
        settings: for the client.
        where: what messages call the cluster.
        namespace: the one that the settings name.
    """

    settings: client.Configuration
    where: str
    namespace: str


def find_access(*, kubeconfig: str | None, context: str | None) -> Access:
    """The settings for a context; nothing is asked of the cluster yet.

    Args:
        kubeconfig: the file; KUBECONFIG, which may name several, or ~/.kube/config where None.
        context: its name; the current one where None.

    Raises:
        BadKubeconfig: there is none.
    """
    files = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    found = [Path(file).expanduser() for file in files.split(os.pathsep) if file]
    present = [file for file in found if file.exists()]
    if not present:
        return _of_this_pod(files, asked=bool(kubeconfig or context))
    settings = client.Configuration()
    try:
        contexts, current = _contexts(present)
        chosen = _choose(contexts, context or current, asked=context is not None, files=files)
        config.load_kube_config(files, chosen, client_configuration=settings)  # type: ignore[no-untyped-call]
    except (config.ConfigException, yaml.YAMLError, OSError) as error:
        raise BadKubeconfig(f"the kubeconfig {files} can't be used: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it has another form
        raise BadKubeconfig(f"{files} is not a kubeconfig") from error
    return Access(settings, f"context {chosen}", contexts.get(chosen, {}).get("namespace") or "default")


def _contexts(files: list[Path]) -> tuple[dict[str, Mapping[str, Any]], str | None]:
    """The contexts of all files by name, and the current one's: messages name them, and they name the namespace."""
    contexts: dict[str, Mapping[str, Any]] = {}
    current = None
    for file in files:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
        if read is None:
            raise config.ConfigException(f"{file} file is empty")
        contexts = {c["name"]: c.get("context") or {} for c in read.get("contexts") or ()} | contexts
        current = read.get("current-context", current)
    return contexts, current


def _choose(contexts: Mapping[str, Any], name: str | None, *, asked: bool, files: str) -> str:
    there = f"it has {', '.join(sorted(contexts))}" if contexts else "it has none at all"
    if not name:
        raise BadKubeconfig(
            f"the kubeconfig {files} has no current context; choose one by --context: {there}"
        )
    if asked and name not in contexts:
        raise BadKubeconfig(f"the kubeconfig {files} has no context {name}: {there}")
    return name


def _of_this_pod(files: str, *, asked: bool) -> Access:
    settings = client.Configuration()
    absent = BadKubeconfig(f"there is no kubeconfig {files}; name one by --kubeconfig or KUBECONFIG")
    if asked:
        raise absent
    try:
        config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        raise absent from None
    return Access(settings, "the cluster of this pod", NAMESPACE_FILE.read_text().strip())
