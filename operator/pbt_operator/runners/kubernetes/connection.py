"""Blocking JSON requests to the API server; what it refuses becomes one of the exceptions in `api_errors`.

They go over the client's connection without its typed calls: those check bodies against models of one Kubernetes
version, and refuse what the server takes, such as `nvidia.com/gpu: 1`.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from msgspec import DecodeError, json
from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import HTTPError

from pbt_operator.runners.kubernetes.api_errors import Interrupted, Unreachable, error_of

TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, to answer
SILENT_SECONDS = 90.0  # a watch shows a bookmark each minute: one that doesn't is asked for anew
JSON, MERGE = "application/json", "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"  # of which JSON is a part


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
        applies: bool = False,
    ) -> Any:
        """The answer's JSON, as `kind`; `applies`: a PATCH whose body is all that its manager wants.

        Raises:
            ApiError: the answer is no success, or there is none.
        """
        content = (APPLY if applies else MERGE) if method == "PATCH" else JSON
        headers = {**self._headers(accept), "Content-Type": content}
        url = self._url(path, options)
        try:
            answer = self._client.rest_client.request(  # type: ignore[no-untyped-call]
                method,
                url,
                headers=headers,
                body=_dumped(body) if applies else body,
                _request_timeout=TIMEOUT_SECONDS,
            )
            status, data = answer.status, answer.data or answer.read()
        except ApiException as error:  # older clients raise it, newer ones return the answer
            if not error.status:  # the certificate isn't trusted, say
                raise Unreachable(error) from error
            status, data = error.status, error.body or b""
        except (HTTPError, OSError) as error:
            raise Unreachable(error) from error
        if not 200 <= status <= 299:
            raise error_of(status, _parsed(data))
        return json.decode(data, type=kind)

    def lines(self, path: str, options: Mapping[str, str]) -> Iterator[bytes]:
        """The lines of an answer as they come; until it ends, breaks off, or nothing comes for `SILENT_SECONDS`.

        Raises:
            ApiError: the answer is no success, or there is none.
        """
        with self._opened(path, options, silent_seconds=SILENT_SECONDS) as answer:
            rest = b""
            with suppress(HTTPError, OSError):
                while data := answer.read1():  # what is there: a proxy may pass it on without its chunks
                    *lines, rest = (rest + data).split(b"\n")
                    yield from lines

    def stream(self, path: str, options: Mapping[str, str]) -> Iterator[bytes]:
        """An answer as it comes; it may pause for any time.

        Raises:
            ApiError: the answer is no success, there is none, or it breaks off.
        """
        with self._opened(path, options, silent_seconds=None) as answer:
            try:
                yield from answer.stream()
            except (HTTPError, OSError) as error:
                raise Interrupted(str(error)) from error

    @contextmanager
    def _opened(
        self, path: str, options: Mapping[str, str], *, silent_seconds: float | None
    ) -> Iterator[BaseHTTPResponse]:
        try:
            answer = self._client.rest_client.pool_manager.request(
                "GET",
                self._url(path, options),
                headers=self._headers(JSON),
                timeout=Timeout(connect=TIMEOUT_SECONDS[0], read=silent_seconds),
                retries=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            raise Unreachable(error) from error
        with closing(answer):
            if answer.status != 200:
                raise error_of(answer.status, _parsed(answer.data))
            yield answer

    def _headers(self, accept: str) -> dict[str, str]:
        settings = self._client.configuration
        keys = {a["key"]: a["value"] for a in settings.auth_settings().values() if a["value"]}
        return {"Accept": accept, **keys}

    def _url(self, path: str, options: Mapping[str, str] | None) -> str:
        return f"{self._client.configuration.host}{path}?{urlencode(options or {})}"


def _dumped(body: Mapping[str, Any] | None) -> str:
    """As text, which the client sends as it is, whatever its type."""
    return json.encode(body).decode()


def _parsed(data: bytes | str) -> Any:
    """What a refusal says; empty if it isn't JSON, but a proxy's page, say."""
    try:
        return json.decode(data)
    except DecodeError:
        return {}
