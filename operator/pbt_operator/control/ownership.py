"""Who may drive a location: its owner, with the experiment that it holds."""

from dataclasses import dataclass

from pbt_contract.stores import Store
from pbt_operator.core.location_records import OwnerRecord, SpecHistory
from pbt_operator.manifest.population import PopulationSpec, changed_identity, recorded
from pbt_operator.manifest.settled_spec import is_another
from pbt_operator.records import owners


class LocationTaken(Exception):
    """Somebody else drives the location.

    Attributes:
        owner: who does.
        location: its URL.
    """

    def __init__(self, owner: OwnerRecord, location: str) -> None:
        super().__init__(f"{location} is driven by {owner.namespace}/{owner.name} (uid {owner.uid})")
        self.owner, self.location = owner, location


class LocationEmptied(Exception):
    """What the population had stored was deleted, with the record of its ownership.

    Attributes:
        location: its URL.
    """

    def __init__(self, location: str) -> None:
        super().__init__(f"what was stored at {location} is gone")
        self.location = location


class AnotherExperiment(Exception):
    """The location holds another experiment.

    Attributes:
        changed: the paths of the manifest that identify the experiment and differ.
        location: its URL.
    """

    def __init__(self, changed: list[str], location: str) -> None:
        super().__init__(f"{', '.join(changed)} differ from what {location} was begun with")
        self.changed, self.location = changed, location


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """Who drives a location.

    Attributes:
        name, namespace: of the population.
        uid: of its resource, which an owner record names; None where a lock settles who drives.
        adopts: whether it takes a location over that another one drives.
        begun_at: the URL of the location that it is known to have begun at: something must be stored there.
    """

    name: str
    namespace: str
    uid: str | None = None
    adopts: bool = False
    begun_at: str | None = None

    def settle(self, store: Store) -> None:
        """Takes the location, unless it has it already.

        Raises:
            LocationTaken: somebody else drives it.
        """
        if self.uid is None:
            return
        owner = owners.settle(
            store, uid=self.uid, name=self.name, namespace=self.namespace, adopt=self.adopts
        )
        if owner.uid != self.uid:
            raise LocationTaken(owner, store.url)

    def confirm(self, store: Store) -> None:
        """Makes sure that the location, which it took before, is still its own.

        Raises:
            LocationTaken: somebody else drives it.
            LocationEmptied: nobody does: to take it again would be to go on from memory where nothing is left.
        """
        if self.uid is None:
            return
        owner = owners.current(store)
        if owner is None:
            raise LocationEmptied(store.url)
        if owner.uid != self.uid:
            raise LocationTaken(owner, store.url)

    def begins(self, store: Store) -> bool:
        """Whether it hasn't driven the location before, as far as anybody knows."""
        driving = None if self.uid is None else owners.current(store)
        return driving is None or (driving.uid != self.uid and self.adopts)

    def check_identity(self, known: SpecHistory, manifest: PopulationSpec, *, location: str) -> None:
        """Makes sure that a location is continued by the same experiment.

        Raises:
            AnotherExperiment: it holds another one.
        """
        changed = changed_identity(recorded(known.newest), manifest)
        if self.uid is not None:
            # Where it lies is settled by having found it there: who adopts it names its storage differently.
            changed = [path for path in changed if not path.startswith("spec.storage")]
        if is_another(manifest, known.first):
            changed.append("spec.strategy")
        if changed:
            raise AnotherExperiment(changed, location)
