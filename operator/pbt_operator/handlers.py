"""The kopf end: an index of pods, events that only wake, and the settings of the watches.

kopf keeps nothing in the resources: no handler of creations, updates or deletions, so no annotation and no finalizer.
Every event of a Population, those of the first listing included, goes to `Drives`, which is level-triggered.
"""

import sys
from collections.abc import Mapping
from typing import Any

import kopf

from pbt_operator.cluster import logs
from pbt_operator.cluster.api import GROUP, PLURAL, VERSION, Api
from pbt_operator.cluster.config import MAX_WORKERS, OperatorConfig
from pbt_operator.cluster.process import Process
from pbt_operator.cluster.seen import SeenPod, population_of, read
from pbt_operator.cluster.template import MANAGED_BY, MANAGER

POPULATIONS = (GROUP, VERSION, PLURAL)
PODS = ("", "v1", "pods")
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

    @kopf.index(*PODS, registry=registry, id="pods_by_population")
    def index_pod(body: kopf.Body, **_: Any) -> Mapping[tuple[str, str], SeenPod] | None:
        uid, seen = population_of(body), read(body)
        return None if uid is None or seen is None else {(body["metadata"]["namespace"], uid): seen}

    @kopf.on.event(*PODS, registry=registry)
    async def pod_changed(event: kopf.RawEvent, **known: Any) -> None:
        process.show_pod(event, known["pods_by_population"])

    @kopf.on.event(*POPULATIONS, registry=registry)
    async def population_changed(event: kopf.RawEvent, **known: Any) -> None:
        process.show_population(event, known["pods_by_population"])

    return registry


def configured(settings: kopf.OperatorSettings, *, namespaced: bool) -> None:
    """Sets what differs from kopf's defaults."""
    # Handlers' filters are applied by the client: without this, every pod of the cluster would be sent here.
    settings.watching.label_selectors["pods"] = f"{MANAGED_BY}={MANAGER}"
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
    """Runs the operator until it gets SIGTERM or SIGINT."""
    sys.setrecursionlimit(RECURSION_LIMIT)
    logs.configure(config.log_format)
    process = Process(config, api=Api.of_this_pod(connections=MAX_WORKERS))
    kopf.run(
        registry=registry_of(process),
        settings=kopf.OperatorSettings(),
        standalone=True,
        clusterwide=not config.namespaces,
        namespaces=config.namespaces,
    )
