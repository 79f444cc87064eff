"""The few requests that the operator and the commands make of the API server, blocking."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import quote

from kubernetes import client, config
from msgspec import Struct, field, json

from pbt_operator.runners.kubernetes.api_errors import ApiRefused, Conflict, Exists, Missing, error_of
from pbt_operator.runners.kubernetes.connection import JSON, Connection

GROUP, VERSION, PLURAL, KIND = "pbt.dev", "v1alpha1", "populations", "Population"
WATCH_SECONDS = 300  # then a watch ends and begins anew
PAGE = 500
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class _ListMeta(Struct, rename="camel"):
    resource_version: str = ""
    next: str = field(default="", name="continue")


class _Page(Struct):
    """A piece of a list."""

    metadata: _ListMeta
    items: list[dict[str, Any]]


class _Version(Struct, rename="camel"):
    uid: str
    resource_version: str


class _Versioned(Struct):
    metadata: _Version


class _Versions(Struct):
    """A piece of a list of which only the versions are wanted: the rest isn't made into objects."""

    metadata: _ListMeta
    items: list[_Versioned] | None = None  # null, where only metadata is asked for and nothing is there


P = TypeVar("P", _Page, _Versions)


class Api:
    """A connection to the API server; safe to use from several threads."""

    def __init__(self, connection: client.ApiClient, *, manager: str = "pbt-operator") -> None:
        """Asks nothing yet.

        Args:
            connection: a configured client.
            manager: who the API server notes as having written a field.
        """
        self._connection = Connection(connection)
        self._manager = {"fieldManager": manager}

    @classmethod
    def of_this_pod(cls, *, connections: int) -> "Api":
        """By the pod's service account; outside of a cluster by the kubeconfig."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        settings.connection_pool_maxsize = connections
        return cls(client.ApiClient(settings))

    @property
    def connection(self) -> Connection:
        """For requests of modules of their own."""
        return self._connection

    # pods

    def create_pod(self, namespace: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Any:
        """The pod as it was created; None if one of that name is there.

        Raises:
            ApiRefused: admission, quota or validation say no.
            ApiUnavailable: see there.
        """
        options = {**self._manager, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        with suppress(Exists):
            return self._connection.request("POST", _core(namespace, "pods"), options, body=body)
        return None

    def pod(self, namespace: str, name: str) -> Any:
        """A pod as it is now, whatever a watch shows.

        Raises:
            Missing: there is none of that name.
            ApiRefused, ApiUnavailable: it can't be read.
        """
        return self._connection.request("GET", _core(namespace, "pods", name))

    def delete_pod(self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> None:
        """Deletes that very pod, if it is there."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        with suppress(Missing, Conflict):  # another pod has its name by now
            self._connection.request("DELETE", _core(namespace, "pods", name), body=options)

    def label_pod(
        self,
        namespace: str,
        name: str,
        labels: Mapping[str, str],
        *,
        uid: str,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """Sets labels, and annotations, of that very pod, if it is there."""
        noted = {"annotations": dict(annotations)} if annotations else {}
        patch = {"metadata": {"uid": uid, "labels": dict(labels), **noted}}
        try:
            with suppress(Missing):
                self._connection.request("PATCH", _core(namespace, "pods", name), self._manager, body=patch)
        except ApiRefused as refused:
            if "metadata.uid" not in refused.message:  # it can't be changed: another pod has its name by now
                raise

    def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Posts an Event, unless it was posted before."""
        with suppress(Exists):
            self._connection.request("POST", _core(namespace, "events"), self._manager, body=body)

    def pod_warnings(self, namespace: str, *, most: int) -> list[dict[str, Any]]:
        """Warning Events about pods of a namespace: so many at most, be there more.

        Raises:
            ApiRefused, ApiUnavailable: they can't be read.
        """
        options = {"fieldSelector": "type=Warning,involvedObject.kind=Pod", "limit": str(most)}
        page: _Page = self._connection.request("GET", _core(namespace, "events"), options, kind=_Page)
        return page.items

    def log_of(self, namespace: str, pod: str, *, container: str | None, follow: bool) -> Iterator[bytes]:
        """What a container has printed, and with `follow` what it prints until it ends.

        Raises:
            ApiError: there is no such log, it can't be read, or it breaks off.
        """
        options = {"follow": str(follow).lower(), **({"container": container} if container else {})}
        return self._connection.stream(_core(namespace, "pods", pod, "log"), options)

    # populations

    def population(self, namespace: str, name: str) -> dict[str, Any]:
        """A Population.

        Raises:
            Missing: there is none of that name.
            ApiError: it can't be read.
        """
        found: dict[str, Any] = self._connection.request("GET", _populations(namespace, name))
        return found

    def patch_population(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Any:
        """Merges `patch` into a Population; None if it is gone.

        Raises:
            ApiUnavailable: also if `patch` names a resourceVersion that isn't the newest.
        """
        with suppress(Missing):
            return self._connection.request("PATCH", _populations(namespace, name), self._manager, body=patch)
        return None

    def apply_population(self, namespace: str, name: str, body: Mapping[str, Any]) -> Any:
        """Creates a Population or makes it what `body` says, by server-side apply.

        Raises:
            ApiRefused: it is no valid Population.
            Conflict: somebody else has set a field of it to another value.
        """
        options = {**self._manager, "fieldValidation": "Strict"}
        return self._connection.request(
            "PATCH", _populations(namespace, name), options, body=body, applies=True
        )

    def patch_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> Any:
        """Merges into the status of a Population; None if it is gone."""
        patch = {"status": dict(status)}
        with suppress(Missing):
            return self._connection.request(
                "PATCH", _populations(namespace, name, "status"), self._manager, body=patch
            )
        return None

    def delete_population(self, namespace: str, name: str, *, uid: str) -> None:
        """Deletes that very Population; its pods follow."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        with suppress(Missing, Conflict):  # another one has its name by now
            self._connection.request("DELETE", _populations(namespace, name), body=options)

    # what is there, past the watches

    def populations(self, namespace: str | None) -> Iterator[dict[str, Any]]:
        """All Populations of a namespace, or of the cluster.

        Raises:
            Missing: the custom resource itself isn't there.
        """
        return self._items(_populations(namespace))

    def population_versions(self, namespace: str | None) -> dict[str, int]:
        """The versions of all Populations of a namespace, or of the cluster, by uid."""
        with suppress(Missing):  # the custom resource itself isn't there
            return self._versions(_populations(namespace), {})
        return {}

    def pod_versions(self, namespace: str | None, *, selector: str) -> dict[str, int]:
        """The versions of the pods with certain labels, of a namespace or of the cluster, by uid."""
        return self._versions(_core(namespace, "pods"), {"labelSelector": selector})

    def _versions(self, path: str, options: Mapping[str, str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for page in self._pages(path, options, accept=METADATA_ONLY, kind=_Versions):
            found |= {o.metadata.uid: int(o.metadata.resource_version) for o in page.items or ()}
        return found

    def pods_of(self, namespace: str, *, selector: str) -> Iterator[dict[str, Any]]:
        """The pods with certain labels as they are now, whatever a watch shows."""
        return self._items(_core(namespace, "pods"), {"labelSelector": selector})

    def listed_pods(
        self, namespace: str | None, *, selector: str
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The same, of a namespace or of the cluster, page by page: with the version from which on to watch."""
        for page in self._pages(_core(namespace, "pods"), {"labelSelector": selector}, kind=_Page):
            yield page.metadata.resource_version, page.items

    def watch_pods(
        self, namespace: str | None, *, selector: str, version: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """What happens to these pods after a version: ADDED, MODIFIED, DELETED or BOOKMARK, and the pod.

        It ends by itself after some minutes, or when the connection breaks.

        Raises:
            TooOld: the server has forgotten what happened since.
            ApiRefused, ApiUnavailable: it can't be watched.
        """
        options = {"labelSelector": selector, "resourceVersion": version, "allowWatchBookmarks": "true"}
        options |= {"watch": "true", "timeoutSeconds": str(WATCH_SECONDS)}
        for line in self._connection.lines(_core(namespace, "pods"), options):
            event = json.decode(line)
            if event["type"] == "ERROR":
                raise error_of(event["object"].get("code") or 500, event["object"])
            yield event["type"], event["object"]

    def deployments(self, namespace: str | None, *, selector: str) -> Iterator[dict[str, Any]]:
        """The Deployments with certain labels, of a namespace or of the cluster.

        Raises:
            ApiError: they can't be listed.
        """
        place = "" if namespace is None else f"/namespaces/{quote(namespace)}"
        return self._items(f"/apis/apps/v1{place}/deployments", {"labelSelector": selector})

    def _items(self, path: str, options: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        for page in self._pages(path, options or {}, kind=_Page):
            yield from page.items

    def _pages(
        self, path: str, options: Mapping[str, str], *, kind: type[P], accept: str = JSON
    ) -> Iterator[P]:
        token = ""
        while True:
            place = {"limit": str(PAGE), **({"continue": token} if token else {})}
            page: P = self._connection.request("GET", path, {**options, **place}, accept=accept, kind=kind)
            yield page
            token = page.metadata.next
            if not token:
                return


def _core(namespace: str | None, *path: str) -> str:
    place = () if namespace is None else ("namespaces", namespace)
    return "/".join(("/api/v1", *map(quote, (*place, *path))))


def _populations(namespace: str | None, *path: str) -> str:
    place = () if namespace is None else ("namespaces", namespace)
    return "/".join((f"/apis/{GROUP}/{VERSION}", *map(quote, (*place, PLURAL, *path))))
