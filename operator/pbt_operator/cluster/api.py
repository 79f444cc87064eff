"""The few requests that the operator makes of the API server, blocking, with its many errors told apart in two.

They are plain JSON over the client's connection: its typed calls check bodies against models of one Kubernetes version,
and would refuse what the server takes, such as `nvidia.com/gpu: 1`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote, urlencode

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from msgspec import DecodeError, json
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

GROUP, VERSION, PLURAL, KIND = "pbt.dev", "v1alpha1", "populations", "Population"
TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, to answer
WATCH_SECONDS = 300  # then a watch ends and begins anew
SILENT_SECONDS = 90.0  # a watch shows a bookmark each minute: one that doesn't is asked for anew
PAGE = 500
JSON, MERGE = "application/json", "application/merge-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TRY_AGAIN = frozenset({401, 408, 409, 425, 429, 500, 502, 503, 504})
OUR_NAME = {"fieldManager": "pbt-operator"}


class ApiRefused(Exception):
    """The API server will not take a request as it is.

    Attributes:
        message: what it says.
        quota: whether it would once others have given up what they use.
    """

    def __init__(self, message: str, *, quota: bool) -> None:
        super().__init__(message)
        self.message, self.quota = message, quota


class ApiUnavailable(Exception):
    """The API server can't be reached, is busy, or has another version of the object; worth a retry."""


class TooOld(ApiUnavailable):
    """The server has forgotten what there was at that version: list anew."""


class Api:
    """A connection to the API server; safe to use from several threads."""

    def __init__(self, connection: client.ApiClient) -> None:
        """Takes a configured client."""
        self._connection = connection

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

    # pods

    def create_pod(self, namespace: str, body: Mapping[str, Any], *, dry_run: bool = False) -> Any:
        """The pod as it was created; None if one of that name is there.

        Raises:
            ApiRefused: admission, quota or validation say no.
            ApiUnavailable: see there.
        """
        options = {**OUR_NAME, "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
        with suppress(_Exists):
            return self._request("POST", _core(namespace, "pods"), options, body=body)
        return None

    def delete_pod(self, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> None:
        """Deletes that very pod, if it is there."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        with suppress(_Missing, _Conflict):  # another pod has its name by now
            self._request("DELETE", _core(namespace, "pods", name), body=options)

    def label_pod(self, namespace: str, name: str, labels: Mapping[str, str], *, uid: str) -> None:
        """Sets labels of that very pod, if it is there."""
        patch = {"metadata": {"uid": uid, "labels": dict(labels)}}
        try:
            with suppress(_Missing):
                self._request("PATCH", _core(namespace, "pods", name), OUR_NAME, body=patch)
        except ApiRefused as refused:
            if "metadata.uid" not in refused.message:  # it can't be changed: another pod has its name by now
                raise

    def create_event(self, namespace: str, body: Mapping[str, Any]) -> None:
        """Posts an Event, unless it was posted before."""
        with suppress(_Exists):
            self._request("POST", _core(namespace, "events"), OUR_NAME, body=body)

    # populations

    def patch_population(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Any:
        """Merges `patch` into a Population; None if it is gone.

        Raises:
            ApiUnavailable: also if `patch` names a resourceVersion that isn't the newest.
        """
        with suppress(_Missing):
            return self._request("PATCH", _populations(namespace, name), OUR_NAME, body=patch)
        return None

    def patch_status(self, namespace: str, name: str, status: Mapping[str, Any]) -> Any:
        """Merges into the status of a Population; None if it is gone."""
        patch = {"status": dict(status)}
        with suppress(_Missing):
            return self._request("PATCH", _populations(namespace, name, "status"), OUR_NAME, body=patch)
        return None

    def delete_population(self, namespace: str, name: str, *, uid: str) -> None:
        """Deletes that very Population; its pods follow."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        with suppress(_Missing, _Conflict):  # another one has its name by now
            self._request("DELETE", _populations(namespace, name), body=options)

    # what is there, past the watches

    def populations(self, namespace: str | None) -> Iterator[dict[str, Any]]:
        """All Populations of a namespace, or of the cluster."""
        with suppress(_Missing):  # the custom resource itself isn't there
            yield from self._items(_populations(namespace))

    def pods(self, namespace: str | None, *, selector: str) -> Iterator[dict[str, Any]]:
        """The metadata of the pods with certain labels, of a namespace or of the cluster."""
        options = {"labelSelector": selector}
        for pod in self._items(_core(namespace, "pods"), options, accept=METADATA_ONLY):
            yield pod["metadata"]

    def pods_of(self, namespace: str, *, selector: str) -> Iterator[dict[str, Any]]:
        """The pods with certain labels as they are now, whatever a watch shows."""
        return self._items(_core(namespace, "pods"), {"labelSelector": selector})

    def listed_pods(
        self, namespace: str | None, *, selector: str
    ) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """The same, of a namespace or of the cluster, page by page: with the version from which on to watch."""
        for page in self._pages(_core(namespace, "pods"), {"labelSelector": selector}):
            yield page["metadata"]["resourceVersion"], page["items"]

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
        for line in self._lines(_core(namespace, "pods"), options):
            event = json.decode(line)
            if event["type"] == "ERROR":
                raise _told_apart(event["object"].get("code") or 500, json.encode(event["object"]))
            yield event["type"], event["object"]

    def _items(
        self, path: str, options: Mapping[str, str] | None = None, *, accept: str = JSON
    ) -> Iterator[dict[str, Any]]:
        for page in self._pages(path, options, accept=accept):
            yield from page["items"] or ()  # null, where only metadata is asked for and nothing is there

    def _pages(
        self, path: str, options: Mapping[str, str] | None = None, *, accept: str = JSON
    ) -> Iterator[dict[str, Any]]:
        token = ""
        while True:
            place = {"limit": str(PAGE), **({"continue": token} if token else {})}
            page = self._request("GET", path, {**(options or {}), **place}, accept=accept)
            yield page
            token = page["metadata"].get("continue")
            if not token:
                return

    def _lines(self, path: str, options: Mapping[str, str]) -> Iterator[bytes]:
        """The lines of an answer as they come; until it ends, or the connection breaks."""
        try:
            answer = self._connection.rest_client.pool_manager.request(
                "GET",
                self._url(path, options),
                headers=self._headers(JSON),
                timeout=Timeout(connect=TIMEOUT_SECONDS[0], read=SILENT_SECONDS),
                retries=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"the API server can't be reached: {error}") from error
        with closing(answer):
            if answer.status != 200:
                raise _told_apart(answer.status, answer.data)
            with suppress(HTTPError, OSError):
                yield from answer

    def _headers(self, accept: str) -> dict[str, str]:
        settings = self._connection.configuration
        keys = {a["key"]: a["value"] for a in settings.auth_settings().values() if a["value"]}
        return {"Accept": accept, **keys}

    def _url(self, path: str, options: Mapping[str, str] | None) -> str:
        return f"{self._connection.configuration.host}{path}?{urlencode(options or {})}"

    def _request(
        self,
        method: str,
        path: str,
        options: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON,
    ) -> Any:
        """The answer's JSON."""
        headers = {**self._headers(accept), "Content-Type": MERGE if method == "PATCH" else JSON}
        url = self._url(path, options)
        try:
            answer = self._connection.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=TIMEOUT_SECONDS
            )
            status, data = answer.status, answer.data or answer.read()
        except ApiException as error:  # older clients raise it, newer ones return the answer
            status, data = error.status or 0, error.body or b""
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"the API server can't be reached: {error}") from error
        if not 200 <= status <= 299:
            raise _told_apart(status, data)
        return json.decode(data)


class _Missing(Exception):
    """404."""


class _Conflict(ApiUnavailable):
    """409 of something that is there."""


class _Exists(_Conflict):
    """409 of a creation."""


def _core(namespace: str | None, *path: str) -> str:
    place = () if namespace is None else ("namespaces", namespace)
    return "/".join(("/api/v1", *map(quote, (*place, *path))))


def _populations(namespace: str | None, *path: str) -> str:
    place = () if namespace is None else ("namespaces", namespace)
    return "/".join((f"/apis/{GROUP}/{VERSION}", *map(quote, (*place, PLURAL, *path))))


def _told_apart(status: int, data: bytes | str) -> Exception:
    try:
        told = json.decode(data)
    except DecodeError:
        told = {}
    message = str(told.get("message") or f"the API server answers {status}")
    if status == 404:
        return _Missing(message)
    if status == 410:
        return TooOld(message)
    if status == 409:
        return (_Exists if told.get("reason") == "AlreadyExists" else _Conflict)(message)
    if status in TRY_AGAIN:
        return ApiUnavailable(message)
    return ApiRefused(message, quota=status == 403 and "exceeded quota" in message)
