"""The cluster as a runner of one Population: where its records lie, how its pods are made and reach them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import Ownership
from pbt_operator.core.assignments import assign
from pbt_operator.manifest.env_values import with_env_values
from pbt_operator.manifest.population import PopulationSpec, recorded, to_core
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.manifest.settled_spec import as_manifest
from pbt_operator.manifest.template import grace_seconds
from pbt_operator.records import owners, specs
from pbt_operator.runners.kubernetes import store_clients
from pbt_operator.runners.kubernetes.admission import Rejected, makes_such_pods, try_template
from pbt_operator.runners.kubernetes.api import Api
from pbt_operator.runners.kubernetes.api_errors import ApiUnavailable
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.config import OperatorConfig, StoreConfig, UnknownStore
from pbt_operator.runners.kubernetes.memory_shares import MemoryShares, was_accepted
from pbt_operator.runners.kubernetes.pod_template import POPULATION_UID, Owner, render

READERS = 8


class ClusterRunner:
    """Pods of a cluster, and a location in one of the administrator's stores. See `Runner`."""

    def __init__(
        self,
        owner: Owner,
        *,
        config: OperatorConfig,
        api: Api,
        shares: MemoryShares | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Touches nothing.

        Args:
            owner: the Population.
            config: of the operator.
            api: the API server.
            shares: of the operator's memory; None where nobody else takes any.
            clock: seconds, monotonic.
            now: POSIX time.
        """
        self.clock, self._shares = clock, shares or MemoryShares(config.namespace_megabytes)
        self._owner, self._config, self._api, self._now = owner, config, api, now

    parallelism = None
    is_alone = False

    @property
    def readers(self) -> int:
        """See `Runner.readers`."""
        return READERS

    def open_store(self, manifest: PopulationSpec) -> Store:
        """See `Runner.open_store`.

        Raises:
            Rejected: there is no such store.
            StoreUnavailable: the client can't be made.
        """
        return self.open_storage(manifest.storage)

    def open_pods(self, _store: Store, manifest: PopulationSpec) -> ClusterPods:
        """See `Runner.open_pods`.

        Raises:
            Rejected: there is no such store.
        """
        return ClusterPods(
            self._api,
            namespace=self._owner.namespace,
            selector=f"{POPULATION_UID}={self._owner.uid}",
            render=self.renderer(manifest),
            now=self._now,
            reads_events=self._config.read_events,
        )

    def open_storage(self, storage: Storage) -> Store:
        """Opens its location.

        Raises:
            Rejected: there is no such store.
            StoreUnavailable: the client can't be made.
        """
        return store_clients.open_location(self._config_of(storage), self._location(storage))

    def recall(self, body: Mapping[str, Any]) -> PopulationSpec | None:
        """What was asked before an operator started on a spec that is wrong: the newest record holds it.

        The values of `env` are those of the resource. None where it lacks one that pods were made with.
        """
        try:
            store = self.open_storage(Storage.model_validate(body["spec"].get("storage") or {}))
            driving, record = owners.current(store), specs.newest(store)
            if driving is None or driving.uid != self._owner.uid or record is None:
                return None
            accepted = as_manifest(recorded(record))
            template = with_env_values(accepted.template, body["spec"].get("template") or {})
            if template is None:
                return None
            self._shares.take(self._owner, accepted, is_in_force=True)
            return accepted.model_copy(update={"template": template})
        except (ValidationError, Rejected):
            return None

    def take_memory(self, manifest: PopulationSpec, body: Mapping[str, Any]) -> None:
        """Takes of the operator's memory what a Population of this size needs.

        Raises:
            Rejected: the others of its namespace leave too little.
        """
        self._shares.take(self._owner, manifest, is_in_force=was_accepted(body))

    def try_pods(
        self, manifest: PopulationSpec, *, in_force: PopulationSpec | None, body: Mapping[str, Any]
    ) -> None:
        """Has the API server try a pod, unless it took such pods before: who has a say in pods may be away.

        The webhook of a queue, for example: that is to hold up neither other changes nor an operator that starts.

        Args:
            manifest: what is asked.
            in_force: what was asked before, as far as this operator knows.
            body: the resource.

        Raises:
            Rejected: there is no such store, or the API server wouldn't take the pods.
            ApiUnavailable: nobody can tell now.
        """
        if in_force is not None and makes_such_pods(manifest, in_force):
            return
        try:
            pods = self.renderer(manifest)
            try_template(manifest, api=self._api, namespace=self._owner.namespace, render=pods)
        except ApiUnavailable:
            known = self.recall(body) if in_force is None else None
            if known is None or not makes_such_pods(manifest, known):
                raise

    def renderer(self, manifest: PopulationSpec) -> Callable[[Birth], dict[str, Any]]:
        """What makes the pod of a birth.

        Raises:
            Rejected: there is no such store.
        """
        store, secret = self._config_of(manifest.storage), manifest.storage.credentials_secret_ref
        bundle = store.ca_bundle.read_text(encoding="ascii") if store.ca_bundle else None
        spec, location = to_core(manifest), self._location(manifest.storage)
        grace = grace_seconds(manifest.template)

        def pod_of(birth: Birth) -> dict[str, Any]:
            assignment = assign(
                spec,
                birth,
                location=location,
                population=self._owner.name,
                poll_seconds=self._config.poll_seconds,
                grace_seconds=grace,
            )
            return render(
                self._owner,
                manifest.template,
                assignment=assignment,
                store=store,
                credentials_secret=secret.name if secret else None,
                ca_bundle=bundle,
            )

        return pod_of

    def tell_of_siblings(self, storage: Storage, emit: Callable[[Event], None]) -> None:
        """Warns where earlier Populations of this name have left their locations."""
        store, owner = self._config_of(storage), self._owner
        others = store_clients.siblings(
            store, namespace=owner.namespace, name=owner.name, uid=owner.uid, storage=storage
        )
        if others:
            told = (
                f"store {store.name} holds {', '.join(others[:5])} of earlier Populations of this name; this one "
                f"begins anew. To go on there, create a Population with storage.adopt: {others[-1]}"
            )
            emit(Event("LocationNotAdopted", told, warning=True))

    def _location(self, storage: Storage) -> str:
        owner = self._owner
        return store_clients.location_of(
            self._config_of(storage),
            namespace=owner.namespace,
            name=owner.name,
            uid=owner.uid,
            storage=storage,
        )

    def _config_of(self, storage: Storage) -> StoreConfig:
        try:
            return self._config.store(storage.store)
        except UnknownStore as unknown:
            raise Rejected("UnknownStore", f"spec.storage.store: {unknown}") from unknown


def ownership_of(owner: Owner, manifest: PopulationSpec, status: Mapping[str, Any]) -> Ownership:
    """By which a Population takes its location; its status says where it has begun."""
    return Ownership(
        name=owner.name,
        namespace=owner.namespace,
        uid=owner.uid,
        adopts=manifest.storage.adopt is not None,
        begun_at=status.get("location"),
    )
