"""The kopf end: the events of Populations, and the settings of their watch. Pods come by `pod_informer`.

kopf keeps nothing in the resources: no handler of creations, updates or deletions, so no annotation and no finalizer.
Every event of a Population, those of the first listing included, goes to `WorkQueue`, which is level-triggered.
"""

import socket
import sys
from typing import Any
from uuid import uuid4

import kopf

from pbt_operator.runners.kubernetes import operator_log
from pbt_operator.runners.kubernetes.api import GROUP, PLURAL, VERSION, Api
from pbt_operator.runners.kubernetes.config import MAX_WORKERS, OperatorConfig
from pbt_operator.runners.kubernetes.lease import Lease
from pbt_operator.runners.kubernetes.process import Process, version_of
from pbt_operator.runners.kubernetes.standby import in_turn

POPULATIONS = (GROUP, VERSION, PLURAL)
# The API server takes objects that are nested 10,000 deep. Who can't read one sees no other object either.
RECURSION_LIMIT = 50_000


class NoDiffs(kopf.DiffBaseStorage):
    """Keeps no former states: only handlers of changes ask for them, and kopf copies each object that it is shown."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of an object."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Nothing is known."""

    def store(self, **_: Any) -> None:
        """Nothing is kept."""


def registry_of(process: Process) -> kopf.OperatorRegistry:
    """The handlers by which kopf serves `process`."""
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        configured(settings, namespaced=bool(process.config.namespaces))
        await process.start()

    @kopf.on.cleanup(registry=registry)
    async def close(**_: Any) -> None:
        await process.close()

    @kopf.on.login(registry=registry)
    def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(**arguments)

    @kopf.on.event(*POPULATIONS, registry=registry)
    async def population_changed(event: kopf.RawEvent, **_: Any) -> None:
        await process.until_pods_are_listed()
        body, gone = event["object"], event["type"] == "DELETED"
        process.health.saw(PLURAL, *version_of(body["metadata"]), deleted=gone)
        if gone:
            process.queue.remove(body["metadata"]["uid"])
        else:
            process.queue.add(body)

    return registry


def configured(settings: kopf.OperatorSettings, *, namespaced: bool) -> None:
    """Sets what differs from kopf's defaults."""
    settings.watching.chunk_size = 500
    # Braces to kopf's belt, which are the bookmarks: a watch ends and begins anew every five minutes.
    settings.watching.server_timeout, settings.watching.client_timeout = 300, 330
    settings.watching.connect_timeout = 30
    settings.watching.reconnect_backoff = 1.0
    settings.networking.request_timeout = 30
    settings.queueing.error_delays = [1, 2, 5, 10, 30, 60]
    settings.scanning.disabled = namespaced  # a namespaced operator may not list namespaces and definitions
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = NoDiffs()
    settings.process.ultimate_exiting_timeout = 20.0


def serve(config: OperatorConfig) -> None:
    """Runs the operator until it gets SIGTERM or SIGINT; where two run, after it got the lease and while it has it.

    Raises:
        SystemExit: another operator drives now; started again, this one stands by.
    """
    sys.setrecursionlimit(RECURSION_LIMIT)
    operator_log.configure(config.log_format)
    api = Api.of_this_pod(connections=MAX_WORKERS)
    process = Process.open(config, api=api)
    if config.lease is None:
        _drive(process)
        return
    # A container that was started again is another operator: what the one before left undone, it may find changed.
    identity = f"{socket.gethostname()}_{uuid4()}"
    lease = Lease(api.connection, config.lease, identity=identity)
    seconds = config.lease.seconds
    if not in_turn(lease, seconds=seconds, health=process.health, drive=lambda: _drive(process)):
        raise SystemExit(1)


def _drive(process: Process) -> None:
    config = process.config
    kopf.run(
        registry=registry_of(process),
        settings=kopf.OperatorSettings(),
        standalone=True,
        clusterwide=not config.namespaces,
        namespaces=config.namespaces,
    )
