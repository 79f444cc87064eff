"""A few requests of S3, signed and sent by hand: boto3 would take as much of the machine as what is measured."""

import hashlib
import hmac
import http.client
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from support.s3server import Server

_KEY, _TIME = re.compile(r"<Key>(.*?)</Key>"), re.compile(r"<LastModified>(.*?)</LastModified>")
_MORE = re.compile(r"<NextContinuationToken>(.*?)</NextContinuationToken>")


class Bucket:
    """The bucket of a server; each thread has a connection of its own."""

    def __init__(self, server: Server) -> None:
        self._server, self._host = server, urlsplit(server.endpoint).netloc
        self._own = threading.local()
        self._all: list[http.client.HTTPConnection] = []
        self._day, self._signing = "", b""

    def close(self) -> None:
        """Ends all connections."""
        for connection in self._all:
            connection.close()

    def put(self, key: str, data: bytes) -> None:
        """Writes an object."""
        self._request("PUT", key, body=data)

    def get(self, key: str) -> bytes:
        """Reads an object."""
        return self._request("GET", key)

    def listed(self, prefix: str) -> Iterator[tuple[str, float]]:
        """The keys below a prefix, and when each was written, as POSIX time by the server's clock."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = self._request("GET", "", query=query).decode()
            for key, time in zip(_KEY.findall(page), _TIME.findall(page), strict=True):
                yield key, datetime.fromisoformat(time).timestamp()
            more = _MORE.search(page)
            if more is None:
                return
            query["continuation-token"] = more[1]

    def _request(
        self, method: str, key: str, *, query: dict[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        path = quote(f"/{self._server.bucket}/{key}" if key else f"/{self._server.bucket}")
        text = urlencode(sorted((query or {}).items()), quote_via=quote, safe="")
        headers = self._signed(method, path, text)
        for attempt in (1, 2):
            connection = self._connection(anew=attempt == 2)
            try:
                connection.request(method, f"{path}?{text}" if text else path, body=body, headers=headers)
                answer = connection.getresponse()
                data = answer.read()
            except (http.client.HTTPException, OSError):
                if attempt == 2:
                    raise
                continue
            break
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
        return data

    def _connection(self, *, anew: bool) -> http.client.HTTPConnection:
        if anew or not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection(self._host, timeout=60)
            self._all.append(self._own.connection)
        connection: http.client.HTTPConnection = self._own.connection
        return connection

    def _signed(self, method: str, path: str, query: str) -> dict[str, str]:
        """The headers of AWS Signature Version 4, without the body in it."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        day, payload = now[:8], "UNSIGNED-PAYLOAD"
        if day != self._day:
            key = f"AWS4{self._server.secret_key}".encode()
            for part in (day, "us-east-1", "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._day, self._signing = day, key
        names = "host;x-amz-content-sha256;x-amz-date"
        heads = f"host:{self._host}\nx-amz-content-sha256:{payload}\nx-amz-date:{now}\n"
        request = hashlib.sha256(
            f"{method}\n{path}\n{query}\n{heads}\n{names}\n{payload}".encode()
        ).hexdigest()
        scope = f"{day}/us-east-1/s3/aws4_request"
        signature = hmac.digest(
            self._signing, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{request}".encode(), "sha256"
        ).hex()
        credential = f"{self._server.access_key}/{scope}"
        return {
            "x-amz-date": now,
            "x-amz-content-sha256": payload,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}",
        }
