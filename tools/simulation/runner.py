"""Runs a population in virtual time: the in-memory runner of the tests of decisions and of fault simulation."""

from collections.abc import Callable

from pbt_contract.stores import Store
from pbt_operator.control.events import Event
from pbt_operator.control.ownership import Ownership
from pbt_operator.control.pass_result import PassResult
from pbt_operator.control.session import Session
from pbt_operator.core.allowance import Allowance
from pbt_operator.manifest.population import PopulationSpec, to_core
from pbt_operator.manifest.settled_spec import settled
from pbt_operator.records import specs
from simulation.clock import VirtualTime
from simulation.memory_store import MemoryStore
from simulation.pods import Durations, SimulatedPods
from simulation.trainable import Trainable


class Simulation:
    """One population over a store in memory.

    Attributes:
        store: what it has recorded.
        events: what a person would have seen.
        last: what the newest pass said; None before the first one of each operator.
    """

    def __init__(
        self,
        spec: PopulationSpec,
        trainable: Trainable,
        *,
        durations: Durations = Durations(),  # noqa: B008 - frozen
        store: MemoryStore | None = None,
        tick_seconds: float = 5.0,
        allowance: Callable[[], Allowance] = Allowance,
        is_alone: bool = False,
    ) -> None:
        """Prepares a run; a store that was used before is gone on with. Each pass has an `allowance` of its own."""
        self.store = store or MemoryStore()
        self.spec = to_core(settled(spec, specs.history(self.store)))
        self.events = list[Event]()
        self.clock = self.time = VirtualTime()
        self.readers, self.parallelism, self.is_alone = 1, None, is_alone
        self.pods = SimulatedPods(
            time=self.time, store=self.store, spec=self.spec, trainable=trainable, durations=durations
        )
        self._manifest, self._tick_seconds, self._allowance = spec, tick_seconds, allowance
        self.operator_restarts()

    def open_store(self, _manifest: PopulationSpec) -> MemoryStore:
        """See `Runner.open_store`."""
        return self.store

    def open_pods(self, _store: Store, _manifest: PopulationSpec) -> SimulatedPods:
        """See `Runner.open_pods`: they outlive the operator."""
        return self.pods

    def operator_restarts(self) -> None:
        """The operator's process ends and another one begins, with nothing but the store and the pods."""
        session = Session.open(
            self,
            self._manifest,
            ownership=Ownership(name="simulated", namespace="simulation"),
            emit=self.events.append,
            allowance=self._allowance,
        )
        session.reconciler.spec = self.spec
        self.last: PassResult | None = None
        self.repository, self.reconciler = session.repository, session.reconciler

    @property
    def ended(self) -> bool:
        """Whether the population has ended and no pod is left."""
        return self.last is not None and self.last.outcome is not None and not self.pods.observe()

    def passes(self) -> PassResult:
        """One pass, now; with those that it takes to read everything before."""
        self.last = self.reconciler.run_once(allowance=self._allowance())
        while self.last.cursor is not None:
            self.last = self.reconciler.run_once(allowance=self._allowance())
        return self.last

    def step(self) -> None:
        """One pass of the reconcile, and on to the next moment at which something happens."""
        self.passes()
        tick = self.time.after(self._tick_seconds, lambda: None)
        self.time.advance()
        tick.cancelled = True

    def run(self, *, max_seconds: float = 1e9) -> "Simulation":
        """Runs to the end.

        Raises:
            TimeoutError: it hasn't ended after so many virtual seconds.
        """
        while not self.ended:
            if self.time.now > max_seconds:
                raise TimeoutError(f"not ended after {self.time.now:g} virtual seconds")
            self.step()
        return self
