"""Ways on loopback to the API server and to MinIO on which each request of an operator can be told apart and judged."""

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from support.cluster import Cluster

WRITES = ("POST", "PUT", "PATCH", "DELETE")
OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "proxy-connection"})
CHUNK = 65536


@dataclass(frozen=True)
class Request:
    """What an operator asks; `path` is without scheme and host, and with the query."""

    method: str
    path: str
    body: bytes

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.method in WRITES and "dryRun" not in self.path


class Moment(Enum):
    """When the one who asks is to die: nothing has happened yet, or all has and the answer never comes."""

    BEFORE = "before the server has it"
    AFTER = "before the answer comes"


class Lost(Exception):
    """Raised by a judge: the connection breaks here."""


Judge = Callable[[Request, Moment], None]
"""Called with each request before it is passed on, and with the same object again once the server has answered."""


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    judge: Judge
    connect: Callable[[], HTTPConnection]

    def pass_on(self) -> None:
        self.close_connection = True  # each has a connection of its own
        found = urlsplit(self.path)
        path = found.path + (f"?{found.query}" if found.query else "")
        request = Request(self.command, path, self.rfile.read(int(self.headers.get("Content-Length", 0))))
        # The one who asks may be dead by now, or the server away.
        with suppress(Lost, OSError, HTTPException):
            self.judge(request, Moment.BEFORE)
            connection = self.connect()
            try:
                self._ask(connection, request)
                response = connection.getresponse()
                self.judge(request, Moment.AFTER)
                self._return(response)
            finally:
                connection.close()

    def _ask(self, connection: HTTPConnection, request: Request) -> None:
        connection.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in OF_THE_CONNECTION:
                connection.putheader(name, value)
        connection.endheaders(request.body or None)

    def _return(self, response: HTTPResponse) -> None:
        """Passes an answer on as it comes: a watch goes on for minutes, and ends with the connection."""
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in OF_THE_CONNECTION:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while data := response.read1(CHUNK):
            self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing."""


@contextmanager
def proxy(connect: Callable[[], HTTPConnection], judge: Judge) -> Iterator[int]:
    """Serves on a port of loopback for the length of the block; yields the port."""
    members: dict[str, Any] = {f"do_{method}": _Proxy.pass_on for method in (*WRITES, "GET", "HEAD")}
    members |= {"judge": staticmethod(judge), "connect": staticmethod(connect)}
    handler = type("Proxy", (_Proxy,), members)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False  # watches end with the process
    thread = threading.Thread(target=server.serve_forever, name="proxy")
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def to_store(endpoint: str) -> Callable[[], HTTPConnection]:
    """Connects to MinIO's port of loopback, whatever name it is called by: requests are signed with that name."""
    found = urlsplit(endpoint)
    assert found.hostname
    return lambda: HTTPConnection(found.hostname or "", found.port, timeout=60)


def to_api(cluster: Cluster, folder: Path) -> Callable[[], HTTPConnection]:
    """Connects to the API server as the cluster's administrator."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    (context,) = [c["context"] for c in config["contexts"] if c["name"] == cluster.access.context]
    (place,) = [c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"]]
    (user,) = [u["user"] for u in config["users"] if u["name"] == context["user"]]
    pair = folder / "admin.pem"
    data = [user[f"client-{kind}-data"] for kind in ("certificate", "key")]
    pair.write_bytes(b"\n".join(map(base64.b64decode, data)))
    trusted = ssl.create_default_context(
        cadata=base64.b64decode(place["certificate-authority-data"]).decode()
    )
    trusted.load_cert_chain(pair)
    server = urlsplit(place["server"])
    assert server.hostname
    return lambda: HTTPSConnection(server.hostname or "", server.port, context=trusted, timeout=400)


def kubeconfig(port: int, file: Path) -> Path:
    """A kubeconfig by which the API server is reached through a proxy, without credentials."""
    name = "proxied"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    file.write_text(json.dumps(config))
    return file
