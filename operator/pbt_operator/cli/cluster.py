"""The cluster that the user's kubeconfig names: the few requests of the commands, and its refusals as one line each."""

import difflib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pbt_contract.errors import PbtError
from pbt_operator.cli.output import Mistake, NoPopulation

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, Configuration, CoreV1Api

INSTALL = "pip install 'pbt-operator[cluster]'"
MAX_NAMED = 5
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

Resource = Mapping[str, Any]


class ClusterRefused(PbtError):
    """The cluster can't be reached, or doesn't let us; the message names the remedy."""


class NoCluster(Mistake):
    """The user's settings name no cluster."""


class _Missing(Exception):
    """There is no such object, or no such kind of objects."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """What the command line says about the cluster; None where it says nothing."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    @property
    def given(self) -> bool:
        """Whether it says anything."""
        return any(option is not None for option in (self.namespace, self.context, self.kubeconfig))


def connect(options: ClusterOptions) -> "Cluster":
    """The cluster of the options, of the kubeconfig, or the one that we run in.

    Raises:
        NoCluster: there is no such one; nothing is asked of it yet.
    """
    try:
        from kubernetes import client
    except ModuleNotFoundError as error:
        raise NoCluster(f"Populations on a cluster need the Kubernetes client: {INSTALL}") from error
    settings = client.Configuration()
    settings.retries = 0  # a cluster that is away should be told of soon
    where, namespace = _configure(settings, options)
    return Cluster(
        client.ApiClient(settings),
        where=where,
        host=settings.host,
        namespace=options.namespace or namespace or "default",
    )


def _configure(settings: "Configuration", options: ClusterOptions) -> tuple[str, str | None]:
    """Fills in the settings; returns what to call the cluster, and the namespace that they name."""
    from yaml import YAMLError

    kube_config = import_module("kubernetes.config.kube_config")  # it has no types
    files = options.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    try:
        merger = kube_config.KubeConfigMerger(files)
        if merger.config is None:
            return _configure_from_pod(settings, options, files)
        _check_context(merger.config.value, options.context, files)
        loader = kube_config.KubeConfigLoader(
            config_dict=merger.config,
            active_context=options.context,
            config_base_path=None,
            config_persister=merger.save_changes,
        )
        loader.load_and_set(settings)
    except (kube_config.ConfigException, YAMLError, OSError) as error:
        raise NoCluster(f"the kubeconfig {files} can't be used: {error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # the loader trusts its form
        raise NoCluster(f"{files} is not a kubeconfig") from error
    current = loader.current_context
    return f"context {current['name']}", current["context"].get("namespace")


def _check_context(config: Mapping[str, Any], wanted: str | None, files: str) -> None:
    names = sorted(context["name"] for context in config.get("contexts") or ())
    there = f"it has {', '.join(names)}" if names else "it has none at all"
    if wanted is not None and wanted not in names:
        raise NoCluster(f"the kubeconfig {files} has no context {wanted}: {there}")
    if wanted is None and not config.get("current-context"):
        raise NoCluster(f"the kubeconfig {files} has no current context; choose one by --context: {there}")


def _configure_from_pod(
    settings: "Configuration", options: ClusterOptions, files: str
) -> tuple[str, str | None]:
    config = import_module("kubernetes.config")
    absent = NoCluster(f"there is no kubeconfig {files}; name one by --kubeconfig or KUBECONFIG")
    if options.kubeconfig or options.context:
        raise absent
    try:
        config.load_incluster_config(settings)
    except config.ConfigException:
        raise absent from None
    return "the cluster of this pod", NAMESPACE_FILE.read_text().strip()


class Cluster:
    """One namespace of a cluster.

    Attributes:
        namespace: its name.
        where: what messages call the cluster.
    """

    def __init__(self, connection: "ApiClient", *, where: str, host: str, namespace: str) -> None:
        """Takes a configured client."""
        from kubernetes import client

        self.where, self.namespace, self._host = where, namespace, host
        self._connection, self._custom = connection, client.CustomObjectsApi(connection)

    def population(self, name: str) -> Resource:
        """A Population's custom resource.

        Raises:
            NoPopulation: there is none of that name; the message names similar ones.
        """
        request = self._custom.get_namespaced_custom_object
        try:
            return self._of_populations("get", request, name)
        except _Missing:
            raise NoPopulation(
                f"there is no Population {name} in namespace {self.namespace} ({self.where}){self._similar(name)}"
            ) from None

    def patch_population(self, name: str, spec: Mapping[str, Any]) -> None:
        """Merges `spec` into the spec of a Population."""
        request = self._custom.patch_namespaced_custom_object
        try:
            self._of_populations("patch", request, name, {"spec": dict(spec)}, field_manager="pbt")
        except _Missing:
            raise NoPopulation(f"the Population {name} was deleted just now") from None

    def pods(self, selector: str) -> list[Resource]:
        """The pods with labels."""
        request = self._core.list_namespaced_pod
        found = self._asked("list", "pods", request, self.namespace, label_selector=selector)
        return list(json.loads(found.data)["items"])

    def log(self, pod: str, *, container: str | None, follow: bool) -> Iterator[bytes]:
        """What a container has printed, and with `follow` what it prints until it ends."""
        from urllib3.exceptions import HTTPError

        request = self._core.read_namespaced_pod_log
        # An answer that is followed may pause for any time.
        limit = {"_request_timeout": None} if follow else {}
        try:
            answer = self._asked(
                "get", "pods/log", request, pod, self.namespace, container=container, follow=follow, **limit
            )
        except _Missing as missing:
            raise ClusterRefused(f"the log of {pod} is gone: {missing}") from None
        try:
            yield from answer.stream()
        except HTTPError as error:
            raise ClusterRefused(f"the log of {pod} broke off: {error}") from error

    @cached_property
    def _core(self) -> "CoreV1Api":
        from kubernetes.client import CoreV1Api  # its models take half a second

        return CoreV1Api(self._connection)

    def _similar(self, name: str) -> str:
        """The end of a message: Populations that may have been meant."""
        try:
            listed = self._of_populations("list", self._custom.list_namespaced_custom_object)
        except _Missing:
            return "; the cluster knows no Populations at all: install the chart pbt-operator"
        except ClusterRefused:
            return ""
        names = sorted(item["metadata"]["name"] for item in listed["items"])
        if similar := difflib.get_close_matches(name, names, n=MAX_NAMED):
            return f"; did you mean {' or '.join(similar)}?"
        if not names:
            return "; there is none, another namespace is chosen by -n"
        more = f" and {len(names) - MAX_NAMED} more" if names[MAX_NAMED:] else ""
        return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:MAX_NAMED])}{more}"

    def _of_populations(
        self, verb: str, request: Callable[..., Any], *arguments: Any, **options: Any
    ) -> Resource:
        from pbt_operator.runners.kubernetes.api import GROUP, PLURAL, VERSION

        place = (GROUP, VERSION, self.namespace, PLURAL)
        answer = self._asked(verb, f"{PLURAL}.{GROUP}", request, *place, *arguments, **options)
        found: Resource = json.loads(answer.data)
        return found

    def _asked(
        self, verb: str, resource: str, request: Callable[..., Any], *arguments: Any, **options: Any
    ) -> Any:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        from pbt_operator.runners.kubernetes.connection import TIMEOUT_SECONDS

        try:
            return request(
                *arguments, **{"_preload_content": False, "_request_timeout": TIMEOUT_SECONDS, **options}
            )
        except ApiException as error:
            if error.status == 404:
                raise _Missing(_message(error)) from None
            if error.status:
                raise self._refused(error.status, _message(error), verb, resource) from error
            raise self._unreachable(error.reason) from error
        except (HTTPError, OSError) as error:
            raise self._unreachable(getattr(error, "reason", None) or error) from error

    def _refused(self, status: int, message: str, verb: str, resource: str) -> ClusterRefused:
        if status == 401 or "system:anonymous" in message:  # the latter where a login plugin has failed
            return ClusterRefused(f"{self.where} doesn't accept your credentials; log in to it again")
        if status == 403:
            role = "edit" if verb == "patch" else "view"
            return ClusterRefused(
                f"you may not {verb} {resource} in namespace {self.namespace} ({self.where}): {message}; "
                f"the ClusterRole {role} would allow it"
            )
        return ClusterRefused(f"{self.where} refused to {verb} {resource}: {message}")

    def _unreachable(self, cause: object) -> ClusterRefused:
        return ClusterRefused(
            f"the API server of {self.where}, {self._host}, can't be reached: {cause}; "
            "is the cluster running, and is this the right context?"
        )


def _message(error: Any) -> str:
    """The API server's own words."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
