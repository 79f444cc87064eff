"""The cluster that the user's kubeconfig names: the few requests of the commands, and its refusals as one line each."""

import difflib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pbt_contract.errors import PbtError
from pbt_operator.cli.output import Mistake, NoPopulation
from pbt_operator.runners.kubernetes.api_errors import ApiError, ApiRefused, Interrupted, Missing, Unreachable

if TYPE_CHECKING:
    from pbt_operator.runners.kubernetes.api import Api

INSTALL = "pip install '.[cluster]' in a checkout of pbt-operator"
MAX_NAMED = 5
POPULATIONS = "populations.pbt.dev"
OPERATORS = "app.kubernetes.io/name=pbt-operator"

Resource = Mapping[str, Any]


class ClusterRefused(PbtError):
    """The cluster can't be reached, or doesn't let us; the message names the remedy."""


class NoCluster(Mistake):
    """The user's settings name no cluster."""


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
    from pbt_operator.cli.kubeconfig import BadKubeconfig, find_access
    from pbt_operator.runners.kubernetes.api import Api

    try:
        access = find_access(kubeconfig=options.kubeconfig, context=options.context)
    except BadKubeconfig as error:
        raise NoCluster(str(error)) from error
    access.settings.retries = 0  # a cluster that is away should be told of soon
    return Cluster(
        Api(client.ApiClient(access.settings), manager="pbt"),
        where=access.where,
        host=access.settings.host,
        namespace=options.namespace or access.namespace,
    )


class Cluster:
    """One namespace of a cluster.

    Attributes:
        namespace: its name.
        where: what messages call the cluster.
    """

    def __init__(self, api: "Api", *, where: str, host: str, namespace: str) -> None:
        """Asks nothing yet.

        Args:
            api: the connection.
            where: what messages call the cluster.
            host: the URL of its API server, for messages.
            namespace: its name.
        """
        self.where, self.namespace = where, namespace
        self._api, self._host = api, host

    def population(self, name: str) -> Resource:
        """A Population's custom resource.

        Raises:
            NoPopulation: there is none of that name; the message names similar ones.
            ClusterRefused: see there.
        """
        try:
            with self._asking("get", POPULATIONS):
                return self._api.population(self.namespace, name)
        except Missing:
            raise NoPopulation(
                f"there is no Population {name} in namespace {self.namespace} ({self.where}){self._similar(name)}"
            ) from None

    def patch_population(self, name: str, spec: Mapping[str, Any]) -> None:
        """Merges `spec` into the spec of a Population.

        Raises:
            NoPopulation: it is gone.
            ClusterRefused: see there.
        """
        with self._asking("patch", POPULATIONS):
            patched = self._api.patch_population(self.namespace, name, {"spec": dict(spec)})
        if patched is None:
            raise NoPopulation(f"the Population {name} was deleted just now")

    def apply_population(self, manifest: Mapping[str, Any]) -> None:
        """Creates a Population, or makes it what the manifest says.

        Raises:
            ClusterRefused: it isn't valid, somebody else has set one of its fields, or see there.
        """
        try:
            with self._asking("patch", POPULATIONS):
                self._api.apply_population(self.namespace, manifest["metadata"]["name"], manifest)
        except Missing as missing:
            told = f"{self.where} has no namespace {self.namespace}, or knows no Populations ({missing})"
            raise ClusterRefused(f"{told}: create it, or install the chart pbt-operator") from missing

    def pods(self, selector: str) -> list[Resource]:
        """The pods with labels.

        Raises:
            ClusterRefused: see there.
        """
        with self._asking("list", "pods"):
            return list(self._api.pods_of(self.namespace, selector=selector))

    def log(self, pod: str, *, container: str | None, follow: bool) -> Iterator[bytes]:
        """What a container has printed, and with `follow` what it prints until it ends.

        Raises:
            ClusterRefused: it is gone, breaks off, or see there.
        """
        try:
            with self._asking("get", "pods/log"):
                yield from self._api.log_of(self.namespace, pod, container=container, follow=follow)
        except Missing as missing:
            raise ClusterRefused(f"the log of {pod} is gone: {missing}") from None
        except Interrupted as error:
            raise ClusterRefused(f"the log of {pod} broke off: {error}") from error

    def operators(self) -> list[Resource]:
        """The Deployments of the chart pbt-operator: of the cluster, or of the namespace where only that is allowed.

        Raises:
            ClusterRefused: see there.
        """
        with self._asking("list", "deployments.apps"):
            try:
                return list(self._api.deployments(None, selector=OPERATORS))
            except ApiRefused:
                return list(self._api.deployments(self.namespace, selector=OPERATORS))

    def _similar(self, name: str) -> str:
        """The end of a message: Populations that may have been meant."""
        try:
            with self._asking("list", POPULATIONS):
                listed = list(self._api.populations(self.namespace))
        except Missing:
            return "; the cluster knows no Populations at all: install the chart pbt-operator"
        except ClusterRefused:
            return ""
        names = sorted(item["metadata"]["name"] for item in listed)
        if similar := difflib.get_close_matches(name, names, n=MAX_NAMED):
            return f"; did you mean {' or '.join(similar)}?"
        if not names:
            return "; there is none, another namespace is chosen by -n"
        more = f" and {len(names) - MAX_NAMED} more" if names[MAX_NAMED:] else ""
        return f"; there {'is' if len(names) == 1 else 'are'} {', '.join(names[:MAX_NAMED])}{more}"

    @contextmanager
    def _asking(self, verb: str, resource: str) -> Iterator[None]:
        """Says what a request that fails means to a user, unless the answer is that there is no such thing."""
        try:
            yield
        except (Missing, Interrupted):
            raise
        except Unreachable as error:
            raise self._unreachable(error.cause) from error
        except ApiError as error:
            raise self._refused(error, verb, resource) from error

    def _refused(self, error: ApiError, verb: str, resource: str) -> ClusterRefused:
        message = error.message
        if error.status == 401 or "system:anonymous" in message:  # the latter where a login plugin has failed
            return ClusterRefused(f"{self.where} doesn't accept your credentials; log in to it again")
        if error.status == 403:
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
