"""A Population's location, opened: its records, its pods, and the reconcile that joins them."""

from collections.abc import Callable, Mapping
from typing import Any

from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_contract.stores.probe import probe
from pbt_operator.control.decide import describe
from pbt_operator.control.events import Event
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.reconcile import Looks, Reconciler
from pbt_operator.manifest.population import PopulationSpec, as_now, recorded, to_core, to_wire
from pbt_operator.records import owners, results, specs
from pbt_operator.records.repository import Repository
from pbt_operator.runners.kubernetes.admission import Rejected, check_identity
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.pod_state import PodState
from pbt_operator.runners.kubernetes.pod_template import Owner

READERS = 8


class Experiment:
    """What one Population drives.

    Attributes:
        store: opened at its location.
        repository: the records.
        pods: those of the cluster.
        reconciler: drives the ones by the others.
        last: what the newest pass that was finished said; None before the first.
        is_new: whether the location was empty before.
    """

    def __init__(
        self,
        owner: Owner,
        manifest: PopulationSpec,
        *,
        store: Store,
        pods: ClusterPods,
        clock: Callable[[], float],
        emit: Callable[[Event], None],
        active_since: float | None = None,
    ) -> None:
        """Opens the location; it is taken over if nobody drives it or the manifest adopts it.

        Raises:
            Rejected: another Population drives it, or it holds another experiment.
            StoreUnavailable: the store can't be reached, or refuses.
        """
        self.store, self.pods = store, pods
        self._owner, self._emit = owner, emit
        self.adopts = manifest.storage.adopt is not None
        driving = owners.current(store)
        if driving is None or (driving.uid != owner.uid and self.adopts):
            probe(store)
        known = specs.newest(store)
        self.is_new = known is None
        if known is not None:
            check_identity(recorded(known), manifest, location=store.url)
        self.check_owner()
        record = specs.accept(
            store, name=owner.name, namespace=owner.namespace, spec=to_wire(manifest), as_now=as_now
        )
        self.repository = Repository(
            store,
            interval_steps=manifest.schedule.interval_steps,
            on_refused=self._tell_refused,
            readers=READERS,
        )
        self.repository.load()
        self.repository.count()
        self.reconciler = Reconciler(
            repository=self.repository,
            pods=pods,
            clock=clock,
            spec=to_core(manifest),
            spec_number=record.number,
            emit=emit,
            active_since=active_since,
        )
        self.last: PassResult | None = None
        self._tell_newest_round()
        ended = results.newest_result(store)
        if ended is not None and ended.spec == record.number:
            self.reconciler.resume_result(ended)

    def check_owner(self) -> None:
        """Takes the location, or makes sure that it is still this Population's.

        Raises:
            Rejected: somebody else drives it.
        """
        mine = self._owner
        owner = owners.settle(
            self.store, uid=mine.uid, name=mine.name, namespace=mine.namespace, adopt=self.adopts
        )
        if owner.uid != mine.uid:
            raise Rejected(
                "NotOwner",
                f"{self.store.url} is driven by Population {owner.namespace}/{owner.name} (uid {owner.uid}) now, which "
                "adopted it; this one does nothing more and deletes nothing: delete it",
            )

    @property
    def hurries(self) -> bool:
        """Whether the next pass has work that waits for nothing."""
        last = self.last
        if last is None:
            return self.pods.num_left > 0
        starts = last.num_left > 0 and self.pods.refusal is None
        return last.cursor is not None or starts or last.sweeps or self.pods.num_left > 0

    @property
    def is_over(self) -> bool:
        """Whether it ended, and its pods with it."""
        return (
            self.last is not None
            and self.last.outcome is not None
            and all(pod.ended for pod in self.pods.observe())
        )

    def replace_spec(self, manifest: PopulationSpec, *, render: Callable[[Birth], dict[str, Any]]) -> None:
        """Records a spec that changed and goes on under it; pods that run keep the template they were made from."""
        self.pods.render = render
        record = specs.accept(
            self.store,
            name=self._owner.name,
            namespace=self._owner.namespace,
            spec=to_wire(manifest),
            as_now=as_now,
        )
        self.reconciler.replace_spec(to_core(manifest), record.number)

    def run_once(self, seen: Mapping[str, PodState], looks: Looks) -> PassResult:
        """One pass over what the watch shows now; see `Reconciler.run_once`.

        Raises:
            StoreUnavailable: the store can't be reached; try again later.
            ApiUnavailable: neither can the API server.
        """
        self.pods.refresh(seen)
        with self.pods.at_once(READERS):
            self.last = self.reconciler.run_once(looks)
        return self.last

    def _tell_newest_round(self) -> None:
        """Tells it again: an operator may have died between the record and the Event. None is posted twice."""
        decided = self.repository.history.newest_round
        for decision in decided.decisions if decided else ():
            birth = self.repository.history.newest_birth(decision.member)
            if birth is not None and decided is not None and birth.round == decided.number:
                self._emit(Event("Exploited", describe(birth, decision), decision.member))

    def _tell_refused(self, key: str, why: str) -> None:
        self._emit(Event("RecordRefused", f"{key} is refused: {why}", warning=True))
