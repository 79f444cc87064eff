"""Whether the operator lives and is ready, by what it does and not by its answering alone, and the server for it."""

import logging
import math
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, MetricsHandler

BEAT_SECONDS = 60.0
WATCH_SECONDS = 120.0
PASS_SECONDS = 600.0
LOG = logging.getLogger(__name__)
GONE = math.inf  # the version of an object of which only the deletion is left to be seen


@dataclass(frozen=True, slots=True)
class _Due:
    """The oldest version that a watch hasn't shown, and since when it should have."""

    version: float
    since: float


class Health:
    """What keeps an operator from being alive; safe to use from several threads.

    Versions are resourceVersions or generations, as integers: of one object the later one is the higher one.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, workers: int = 1) -> None:
        """All is well. `clock` is monotonic, in seconds; so many `workers` make passes."""
        self._clock, self._lock, self._workers = clock, Lock(), workers
        self._beat_at = clock()
        self._ready = False
        self._seen: dict[tuple[str, str], int] = {}
        self._due: dict[tuple[str, str], _Due] = {}
        self._listed_at: dict[str, float] = {}
        self._passes: dict[str, float] = {}

    # the event loop

    def beat(self) -> None:
        """The event loop turns."""
        with self._lock:
            self._beat_at = self._clock()

    def become_ready(self) -> None:
        """The first list of Populations and pods was handled."""
        with self._lock:
            self._ready = True

    # watches

    def saw(self, kind: str, uid: str, version: int, *, deleted: bool = False) -> None:
        """A watch showed an object of a kind, or that it is gone."""
        key = (kind, uid)
        with self._lock:
            due = self._due.get(key)
            if deleted:
                self._seen.pop(key, None)
                self._due.pop(key, None)
                return
            self._seen[key] = max(version, self._seen.get(key, version))
            if due is not None and (due.version == GONE or due.version <= version):
                del self._due[key]

    def listed(self, kind: str, versions: Mapping[str, int]) -> None:
        """A list that went past the watch showed these objects, by uid, and no others of the kind."""
        with self._lock:
            self._listed_at[kind] = self._clock()
            for uid, version in versions.items():
                key = (kind, uid)
                if key in self._due and self._due[key].version == GONE:
                    del self._due[key]  # the list before was older than the object
                self._expect(key, version)
            for key in {*self._seen, *self._due}:
                if key[0] == kind and key[1] not in versions:
                    self._miss(key)

    def _expect(self, key: tuple[str, str], version: int) -> None:
        if self._seen.get(key, -1) < version:
            self._due.setdefault(key, _Due(version, self._clock()))

    def _miss(self, key: tuple[str, str]) -> None:
        """An object isn't there any more: its deletion is due; nothing is, if it was never seen at all."""
        if key not in self._seen:
            self._due.pop(key, None)
        elif key not in self._due or self._due[key].version != GONE:
            self._due[key] = _Due(GONE, self._clock())

    # passes

    @contextmanager
    def during(self, population: str) -> Iterator[None]:
        """A pass of a population runs, however it ends."""
        with self._lock:
            self._passes[population] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._passes.pop(population, None)

    # the answers

    @property
    def is_ready(self) -> bool:
        """Whether all that existed at the start has been seen."""
        with self._lock:
            return self._ready

    def faults(self) -> list[str]:
        """Why the process should be restarted; none while it lives."""
        with self._lock:
            now = self._clock()
            return [*self._stuck_loop(now), *self._deaf_watches(), *self._stuck_passes(now)]

    def _stuck_loop(self, now: float) -> Iterator[str]:
        silent = now - self._beat_at
        if silent > BEAT_SECONDS:
            yield f"the event loop has not turned for {silent:.0f} s"

    def _deaf_watches(self) -> Iterator[str]:
        """A list that was answered since is the proof that it isn't the API server that is silent."""
        for (kind, uid), due in self._due.items():
            waited = self._listed_at.get(kind, -math.inf) - due.since
            if waited > WATCH_SECONDS:
                what = "the deletion" if due.version == GONE else f"version {due.version}"
                yield f"the watch of {kind} has not shown {what} of {uid} for {waited:.0f} s"

    def _stuck_passes(self, now: float) -> Iterator[str]:
        """Those that leave no thread for other Populations; fewer are that Population's own trouble."""
        found = {name: now - began for name, began in self._passes.items() if now - began > PASS_SECONDS}
        told = [f"a pass of {name} has been running for {seconds:.0f} s" for name, seconds in found.items()]
        if len(found) >= self._workers:
            yield from told
        elif told:
            LOG.warning("%s", "; ".join(told))


class HealthServer:
    """Serves /healthz, /readyz and /metrics from a thread of its own, until it is closed.

    Attributes:
        port: where it listens.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        """Takes a server that listens."""
        self._server = server
        self.port: int = server.server_address[1]

    @classmethod
    def open(
        cls, port: int, *, health: Health, registry: CollectorRegistry, host: str = ""
    ) -> "HealthServer":
        """Begins to listen and to answer.

        Args:
            port: 0 for any that is free.
            health: what /healthz and /readyz say.
            registry: what /metrics shows.
            host: by default all addresses, IPv6 and IPv4.

        Raises:
            OSError: the port is taken.
        """
        kind = _DualStackServer if not host and socket.has_dualstack_ipv6() else _Server
        server = kind((host, port), _handler(health, registry), bind_and_activate=False)
        try:
            server.server_bind()
            server.server_activate()
        except OSError:
            server.server_close()
            raise
        Thread(target=server.serve_forever, name="health", daemon=True).start()
        return cls(server)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Answers while the event loop is stuck, which is when it matters."""

    def handle_error(self, _request: object, client_address: object) -> None:
        """A client that went away, say; the library would print what is no line of the log."""
        LOG.warning("a request of %s failed: %r", client_address, sys.exception())


class _DualStackServer(_Server):
    """Listens on all addresses, IPv6 and IPv4."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def _handler(health: Health, registry: CollectorRegistry) -> type[MetricsHandler]:
    class Handler(MetricsHandler):
        timeout = 10  # of a client that connects and says nothing

        def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
            match urlsplit(self.path).path:
                case "/healthz":
                    self._answer(health.faults())
                case "/readyz":
                    self._answer([] if health.is_ready else ["not everything that exists has been seen yet"])
                case "/metrics":
                    super().do_GET()
                case _:
                    self.send_error(404)

        def _answer(self, faults: list[str]) -> None:
            body = ("\n".join(faults or ["ok"]) + "\n").encode()
            self.send_response(503 if faults else 200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    Handler.registry = registry
    return Handler
