"""Runs a population in virtual time: the in-memory runner of the tests of decisions and of fault simulation."""

from pbt_operator import specs
from pbt_operator.api.population import PopulationSpec, to_core, to_wire
from pbt_operator.events import Event
from pbt_operator.journal import Journal
from pbt_operator.reconcile import Reconciler
from pbt_operator.simulation.clock import VirtualTime
from pbt_operator.simulation.pods import Durations, SimulatedPods
from pbt_operator.simulation.trainable import Trainable
from pbt_trainer.stores.memory import MemoryStore


class Simulation:
    """One population over a store in memory.

    Attributes:
        store: what it has recorded.
        events: what a person would have seen.
    """

    def __init__(
        self,
        spec: PopulationSpec,
        trainable: Trainable,
        *,
        durations: Durations = Durations(),  # noqa: B008 - frozen
        store: MemoryStore | None = None,
        tick_seconds: float = 5.0,
    ) -> None:
        """Prepares a run; a store that was used before is gone on with."""
        self.spec, self.events = to_core(spec), list[Event]()
        self.store = store or MemoryStore()
        accepted = specs.accept(self.store, name="simulated", namespace="simulation", spec=to_wire(spec))
        self._spec_number = accepted.number
        self.time = VirtualTime()
        self.pods = SimulatedPods(
            time=self.time, store=self.store, spec=self.spec, trainable=trainable, durations=durations
        )
        self._tick_seconds = tick_seconds
        self.operator_restarts()

    def operator_restarts(self) -> None:
        """The operator's process ends and another one begins, with nothing but the store and the pods."""
        self.journal = Journal(
            self.store,
            interval_steps=self.spec.schedule.interval_steps,
            on_refused=lambda key, why: self.events.append(
                Event("RecordRefused", f"{key}: {why}", warning=True)
            ),
        )
        self.journal.load()
        self.reconciler = Reconciler(
            journal=self.journal,
            pods=self.pods,
            clock=self.time,
            spec=self.spec,
            spec_number=self._spec_number,
            emit=self.events.append,
        )

    @property
    def ended(self) -> bool:
        """Whether the population has ended and no pod is left."""
        return self.reconciler.outcome is not None and not self.pods.observe()

    def step(self) -> None:
        """One pass of the reconcile, and on to the next moment at which something happens."""
        self.reconciler.run_once()
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
