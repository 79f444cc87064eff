"""What befalls a population from outside: operators die and double, nodes go, people change their minds."""

from typing import TYPE_CHECKING

from simulate.operators import Operator
from simulate.weather import draw_pause

if TYPE_CHECKING:
    from simulate.experiment import Experiment

DEEDS = (
    "operator dies",
    "operator doubles",
    "store down",
    "api down",
    "pod deleted",
    "pod killed",
    "node lost",
    "node drained",
    "scale",
    "parallelism",
    "suspend",
    "adopt",
    "operator stalls",
    "delete",
)
LATE_SECONDS = 5.0
DELETED = {
    "Retain": 0.2,
    "Delete": 0.6,
}  # how often who may delete it does: what is deleted shows nothing else


class Misfortune:
    """The deeds of one world, one after the other, until the weather clears; then all is put right.

    Attributes:
        owner: the name of the Population that drives the location in the end.
        is_over: whether nothing will happen any more.
        is_deleted: whether somebody has deleted it before its end.
    """

    def __init__(self, experiment: "Experiment") -> None:
        self.owner, self.is_over, self.is_deleted = "digits", False, False
        self.counted: dict[str, int] = {}
        self._experiment = experiment
        self._world, self._weather, self._server = experiment.world, experiment.weather, experiment.server
        self._random = self._world.chance("misfortune")
        spec = self._server.populations["digits"]["spec"]
        self._members, self._parts = spec["members"], len(spec.get("subPopulations", ()))
        drawn = self._world.chance("deeds")
        spared = {"pod killed"} if experiment.script.is_pure else set()
        self._deeds = [deed for deed in DEEDS if drawn.random() < 0.3 and deed not in spared]
        self._most = drawn.choice((1, 3, 10, 30))
        experiment.laws.pods.most_slots = spec["parallelism"]
        self._weather.kill_current = self._kill_current
        self._weather.hold_current = self._hold_current
        self._is_late = False  # what was held arrives now

    def begin(self) -> None:
        """Starts to happen."""
        self._world.spawn("misfortune", self._run)

    def _run(self) -> None:
        for _ in range(self._most):
            self._world.sleep(draw_pause(self._random))
            if not self._deeds or self._weather.is_clear:
                break
            deed = self._random.choice(self._deeds)
            self._world.tell(deed)
            self.counted[deed] = self.counted.get(deed, 0) + 1
            getattr(self, "_" + deed.replace(" ", "_"))()
        self._world.sleep(max(0.0, self._weather.clears_at - self._world.time.now))
        self._put_right()
        self._experiment.laws.grow_calm()
        self._let_arrive()
        self.is_over = True

    def _put_right(self) -> None:
        """One operator, nothing suspended, no zombie."""
        experiment = self._experiment
        experiment.kubelet.end_zombies()
        for operator in self._at_work[1:]:
            operator.kill()
        self._replace()
        for name in self._server.populations:
            self._change(name, suspend=False)

    def _let_arrive(self) -> None:
        """Requests that have been under way for long arrive when the population has ended."""
        stalled = [
            operator
            for operator in self._experiment.operators
            if operator.alive and operator.stalls is not None
        ]
        while stalled and not self._experiment.has_ended:
            self._world.sleep(LATE_SECONDS)
        self._is_late = True
        self._world.sleep(3 * LATE_SECONDS)
        for operator in stalled:
            operator.kill()

    @property
    def _at_work(self) -> list[Operator]:
        return [o for o in self._experiment.operators if o.alive and o.stalls is None]

    def _change(self, name: str, **changes: object) -> None:
        body = self._server.populations.get(name)
        if body is not None and any(body["spec"].get(field) != value for field, value in changes.items()):
            self._server.change_spec(name, **changes)

    # processes

    def _kill_current(self) -> bool:
        """Whether the process that is about to do something, or just has, dies here."""
        process = self._world.current
        operator = self._current_operator()
        if operator is not None:
            if operator.spent:
                operator.kill()
                return True
            if self._weather.strikes("operator dies"):
                self._world.tell("dies")
                self._die(operator)
                return True
            return False
        placed = self._experiment.kubelet.placed.get(process.name)
        if placed is not None and placed.trainer is not None and self._weather.strikes("trainer dies"):
            placed.trainer.kill()
            return True
        return False

    def _hold_current(self, path: str) -> None:
        operator = self._current_operator()
        if operator is not None and operator.stalls is not None and path.endswith(operator.stalls):
            self._world.tell("stalls")
            while not self._is_late:
                self._world.sleep(LATE_SECONDS)
            operator.spent = True

    def _current_operator(self) -> Operator | None:
        operator = self._world.current.part_of
        return operator if isinstance(operator, Operator) and operator.alive else None

    def _die(self, operator: Operator) -> None:
        operator.kill()
        self._world.spawn("deployment", self._replace, after=self._random.choice((0.5, 5.0, 60.0)))

    def _replace(self) -> None:
        if not self._at_work:
            self._experiment.start_operator()

    def _operator_dies(self) -> None:
        if self._at_work:
            self._die(self._random.choice(self._at_work))

    def _operator_doubles(self) -> None:
        """The former one's node is cut off from its kubelet only: both go on."""
        if sum(operator.alive for operator in self._experiment.operators) < 3:
            self._experiment.laws.facts.is_lawless = True
            self._experiment.start_operator()

    def _operator_stalls(self) -> None:
        """It is taken for dead; what it was about to tell the API server arrives long after."""
        if self._at_work:
            self._experiment.laws.facts.is_lawless = True
            self._random.choice(self._at_work).stalls = self._random.choice(("", "/status"))
            self._world.spawn("deployment", self._replace, after=self._random.choice((0.5, 5.0, 60.0)))

    def _store_down(self) -> None:
        self._weather.take_down("store", seconds=self._random.choice((5.0, 60.0, 300.0)))

    def _api_down(self) -> None:
        self._weather.take_down("api", seconds=self._random.choice((5.0, 60.0)))

    # pods and nodes

    def _pod_deleted(self) -> None:
        running = self._experiment.kubelet.running
        pod = self._server.pod(self._random.choice(running).uid) if running else None
        if pod is not None:
            self._server.delete_pod(pod["metadata"]["name"])

    def _pod_killed(self) -> None:
        running = self._experiment.kubelet.running
        if running:
            trainer = self._random.choice(running).trainer
            assert trainer is not None
            trainer.kill()

    def _node_lost(self) -> None:
        running = self._experiment.kubelet.running
        if running:
            self._experiment.laws.facts.had_zombies = True
            self._experiment.kubelet.lose(self._random.choice(running))

    def _node_drained(self) -> None:
        for placed in self._experiment.kubelet.running[:2]:
            self._experiment.kubelet.evict(placed)

    # people

    def _scale(self) -> None:
        least = 4 * self._parts or 2  # the API server refuses fewer
        members = self._random.randint(least, least + 4)
        self._change(self.owner, members=members)

    def _parallelism(self) -> None:
        slots = self._random.randint(1, 5)
        laws = self._experiment.laws.pods
        laws.most_slots = max(laws.most_slots, slots)
        self._change(self.owner, parallelism=slots)

    def _suspend(self) -> None:
        self._change(self.owner, suspend=True)
        self._world.sleep(draw_pause(self._random) + 5.0)
        self._change(self.owner, suspend=False)

    def _adopt(self) -> None:
        """Another Population takes the location over; the former one is deleted sooner or later."""
        body = self._server.populations.get(self.owner)
        if self.owner != "digits" or body is None or not body["status"].get("location"):
            return
        if "deletionTimestamp" in body["metadata"]:
            return  # what is being purged can't be had any more
        self._experiment.laws.facts.is_lawless = self._experiment.laws.facts.had_zombies = True
        leaf = body["status"]["location"].rstrip("/").rpartition("/")[2]
        self.owner = "adopter"
        self._server.create_population(self.owner, {**body["spec"], "storage": {"adopt": leaf}})
        self._world.spawn("person", lambda: self._succeed(self._random.choice((0.0, 30.0, 600.0))))

    def _succeed(self, seconds: float) -> None:
        """The former one is deleted some time after its location was taken: before, it would purge its own."""
        facts = self._experiment.laws.facts
        while facts.owner is None or facts.owner.name == "digits":
            self._world.sleep(LATE_SECONDS)
        self._world.sleep(seconds)
        if "digits" in self._server.populations:
            self._server.delete_population("digits")

    def _delete(self) -> None:
        """Now and then somebody has had enough of it, mostly while it trains."""
        body = self._server.populations.get(self.owner)
        if body is not None and self._random.random() < DELETED[body["spec"]["retention"]["onDelete"]]:
            for _ in range(self._random.choice((0, 20, 20))):
                if self._experiment.kubelet.running:
                    break
                self._world.sleep(LATE_SECONDS)
            if self.owner not in self._server.populations:
                return
            self.is_deleted = True
            self._server.delete_population(self.owner)
