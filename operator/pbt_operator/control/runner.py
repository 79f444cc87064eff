"""What a runner is: the place where the members of one population run."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pbt_contract.stores import Store
from pbt_operator.control.pods import Pods
from pbt_operator.manifest.population import PopulationSpec

P_co = TypeVar("P_co", bound=Pods, covariant=True)


class Runner(Protocol[P_co]):
    """Where the members of one population run: pods of a cluster, processes of this machine, a simulation.

    What it provides is all that opening a location and driving it need to know of such a place.
    """

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds, monotonic."""
        ...

    @property
    def readers(self) -> int:
        """How many requests of the store are made at once."""
        ...

    @property
    def parallelism(self) -> int | None:
        """How many members train at once here; the manifest's where None."""
        ...

    @property
    def is_alone(self) -> bool:
        """Whether nobody else can drive the location meanwhile, so that nobody else's records need be looked for."""
        ...

    def open_store(self, manifest: PopulationSpec) -> Store:
        """The population's location.

        Raises:
            StoreUnavailable: it can't be opened.
        """
        ...

    def open_pods(self, store: Store, manifest: PopulationSpec) -> P_co:
        """The population's pods. Their trainers are told what `assign` says.

        Args:
            store: opened by `open_store`.
            manifest: as it is run here, with `parallelism`.
        """
        ...
