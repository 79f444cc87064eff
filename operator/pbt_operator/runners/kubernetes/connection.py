"""Requests to the API server as plain JSON, blocking, with its many errors told apart in two.

They go over the client's connection without its typed calls, which check bodies against models of one Kubernetes
version, and would refuse what the server takes, such as `nvidia.com/gpu: 1`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlencode

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from msgspec import DecodeError, json
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, to answer
SILENT_SECONDS = 90.0  # a watch shows a bookmark each minute: one that doesn't is asked for anew
JSON, MERGE = "application/json", "application/merge-patch+json"
TRY_AGAIN = frozenset({401, 408, 409, 425, 429, 500, 502, 503, 504})


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


class Missing(Exception):
    """404."""


class Conflict(ApiUnavailable):
    """409 of something that is there."""


class Exists(Conflict):
    """409 of a creation."""


class Connection:
    """To one API server; safe to use from several threads."""

    def __init__(self, connection: client.ApiClient) -> None:
        """Takes a configured client."""
        self._client = connection

    def request(
        self,
        method: str,
        path: str,
        options: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        accept: str = JSON,
        kind: Any = Any,
    ) -> Any:
        """The answer's JSON, as `kind`."""
        headers = {**self._headers(accept), "Content-Type": MERGE if method == "PATCH" else JSON}
        url = self._url(path, options)
        try:
            answer = self._client.rest_client.request(  # type: ignore[no-untyped-call]
                method, url, headers=headers, body=body, _request_timeout=TIMEOUT_SECONDS
            )
            status, data = answer.status, answer.data or answer.read()
        except ApiException as error:  # older clients raise it, newer ones return the answer
            status, data = error.status or 0, error.body or b""
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"the API server can't be reached: {error}") from error
        if not 200 <= status <= 299:
            raise told_apart(status, _parsed(data))
        return json.decode(data, type=kind)

    def lines(self, path: str, options: Mapping[str, str]) -> Iterator[bytes]:
        """The lines of an answer as they come; until it ends, or the connection breaks."""
        try:
            answer = self._client.rest_client.pool_manager.request(
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
                raise told_apart(answer.status, _parsed(answer.data))
            rest = b""
            with suppress(HTTPError, OSError):
                while data := answer.read1():  # what is there: a proxy may pass it on without its chunks
                    *lines, rest = (rest + data).split(b"\n")
                    yield from lines

    def _headers(self, accept: str) -> dict[str, str]:
        settings = self._client.configuration
        keys = {a["key"]: a["value"] for a in settings.auth_settings().values() if a["value"]}
        return {"Accept": accept, **keys}

    def _url(self, path: str, options: Mapping[str, str] | None) -> str:
        return f"{self._client.configuration.host}{path}?{urlencode(options or {})}"


def _parsed(data: bytes | str) -> Any:
    """What a refusal says; empty if it isn't JSON, but a proxy's page, say."""
    try:
        return json.decode(data)
    except DecodeError:
        return {}


def told_apart(status: int, told: Any) -> Exception:
    """What an answer that isn't a success, and says `told`, means for whoever asked."""
    message = str(told.get("message") or f"the API server answers {status}")
    if status == 404:
        return Missing(message)
    if status == 410:
        return TooOld(message)
    if status == 409:
        return (Exists if told.get("reason") == "AlreadyExists" else Conflict)(message)
    if status in TRY_AGAIN:
        return ApiUnavailable(message)
    return ApiRefused(message, quota=status == 403 and "exceeded quota" in message)
