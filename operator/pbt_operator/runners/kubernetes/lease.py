"""The right to drive where two operators run: a Lease of the cluster, which one of them holds and renews."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pbt_operator.runners.kubernetes.api_errors import Missing
from pbt_operator.runners.kubernetes.config import LeaseConfig
from pbt_operator.runners.kubernetes.connection import Connection

RENEWALS = 5
"""In the time after which a lease that wasn't renewed is free."""
FREE_SECONDS = 1  # as client-go writes a lease that was given back


class Lease:
    """The lease as one operator sees it.

    Clocks of two machines aren't compared: a holder is dead when its lease has looked the same here for so long.

    Attributes:
        holder: who held it at the last look; empty where nobody did.
    """

    def __init__(
        self,
        connection: Connection,
        config: LeaseConfig,
        *,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet.

        Args:
            connection: to the API server.
            config: where the lease is, and how long it lasts.
            identity: of this operator, and of no other one.
            clock: monotonic, in seconds.
        """
        self._connection, self._config, self._identity = connection, config, identity
        self._clock = clock
        self._path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(config.namespace)}/leases"
        self._seen: dict[str, Any] | None = None
        self._seen_at = 0.0
        self.holder = ""

    def seek(self) -> bool:
        """Renews the lease, takes it if it is free, or looks who holds it; returns whether this operator does.

        Raises:
            ApiRefused: the operator may not.
            ApiUnavailable: nothing is known; also where another one was quicker.
        """
        try:
            found = self._connection.request("GET", f"{self._path}/{quote(self._config.name)}")
        except Missing:
            self.holder = ""
            self._write("POST", self._path, {"metadata": {"name": self._config.name}}, self._mine({}))
            return True
        known = found.get("spec") or {}
        if known != self._seen:
            self._seen, self._seen_at = known, self._clock()
        self.holder = known.get("holderIdentity") or ""
        if self.holder not in {"", self._identity} and not self._is_over(known):
            return False
        self._write("PUT", f"{self._path}/{quote(self._config.name)}", found, self._mine(known))
        return True

    def release(self) -> None:
        """Frees the lease if this operator holds it: another one needs not wait then.

        Raises:
            ApiError: it isn't freed, but it ends by itself.
        """
        if self.holder != self._identity:
            return
        path = f"{self._path}/{quote(self._config.name)}"
        found = self._connection.request("GET", path)
        if found["spec"].get("holderIdentity") == self._identity:
            free = {"holderIdentity": "", "leaseDurationSeconds": FREE_SECONDS, "renewTime": _now()}
            self._connection.request("PUT", path, body={**found, "spec": {**found["spec"], **free}})
        self.holder = ""

    def _is_over(self, known: dict[str, Any]) -> bool:
        lasts = known.get("leaseDurationSeconds") or self._config.seconds
        return self._clock() - self._seen_at >= float(lasts)

    def _mine(self, known: dict[str, Any]) -> dict[str, Any]:
        """What the lease says when this operator has it, after it said what is known."""
        spec = {"holderIdentity": self._identity, "leaseDurationSeconds": self._config.seconds}
        if self.holder != self._identity:
            known = {
                **known,
                "acquireTime": _now(),
                "leaseTransitions": known.get("leaseTransitions", -1) + 1,
            }
        return {**known, **spec, "renewTime": _now()}

    def _write(self, method: str, path: str, found: dict[str, Any], spec: dict[str, Any]) -> None:
        """Of two that write after one version the API server refuses the second."""
        self._connection.request(method, path, body={**found, "spec": spec})
        self._seen, self._seen_at, self.holder = spec, self._clock(), self._identity


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
