"""Where one Population's records lie, and how the operator and its pods reach them: manifest and config together."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from pbt_contract.assignment import Assignment
from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.control.events import Event
from pbt_operator.core.spec import Restart
from pbt_operator.manifest.population import PopulationSpec, recorded, to_core
from pbt_operator.manifest.population_spec import Storage
from pbt_operator.manifest.template import grace_seconds
from pbt_operator.records import owners, specs
from pbt_operator.runners.kubernetes import store_clients
from pbt_operator.runners.kubernetes.admission import Rejected
from pbt_operator.runners.kubernetes.config import OperatorConfig, StoreConfig, UnknownStore
from pbt_operator.runners.kubernetes.pod_template import Owner, render


class Home:
    """The places of one Population."""

    def __init__(self, owner: Owner, *, config: OperatorConfig) -> None:
        """Touches nothing."""
        self._owner, self._config = owner, config

    def open(self, storage: Storage) -> Store:
        """Opens its location.

        Raises:
            Rejected: there is no such store.
            StoreUnavailable: the client can't be made.
        """
        return store_clients.open_location(self._config_of(storage), self._location(storage))

    def recall(self, body: Mapping[str, Any]) -> PopulationSpec | None:
        """The spec that was in force before an operator started on one that is wrong: the newest record holds it."""
        try:
            store = self.open(Storage.model_validate(body["spec"].get("storage") or {}))
            driving, record = owners.current(store), specs.newest(store)
            if driving is None or driving.uid != self._owner.uid or record is None:
                return None
            return recorded(record)
        except (ValidationError, Rejected):
            return None

    def renderer(self, manifest: PopulationSpec) -> Callable[[Birth], dict[str, Any]]:
        """What makes the pod of a birth.

        Raises:
            Rejected: there is no such store.
        """
        store, secret = self._config_of(manifest.storage), manifest.storage.credentials_secret_ref
        bundle = store.ca_bundle.read_text(encoding="ascii") if store.ca_bundle else None
        assignment = self._assignment(manifest)
        return lambda birth: render(
            self._owner,
            manifest.template,
            birth=birth,
            assignment=assignment,
            store=store,
            credentials_secret=secret.name if secret else None,
            ca_bundle=bundle,
        )

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

    def _assignment(self, manifest: PopulationSpec) -> Assignment:
        """What every trainer is told, whichever member it is."""
        return Assignment(
            location=self._location(manifest.storage),
            member=0,
            incarnation=1,
            pod="",
            objective=manifest.objective.metric,
            total_steps=manifest.schedule.total_steps,
            interval_steps=manifest.schedule.interval_steps,
            seed=manifest.seed,
            in_place=manifest.restart is Restart.IN_PLACE,
            shared_slots=to_core(manifest).shares_slots,
            poll_seconds=self._config.poll_seconds,
            grace_seconds=grace_seconds(manifest.template),
        )
