"""One seed: a population, its operators, and what befalls them; and whether every law held."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch
from uuid import UUID

from pbt_contract.assignment import Assignment
from pbt_contract.stores import probe, s3
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records import large_records, metered, paged_names
from pbt_operator.runners.kubernetes import cluster_runner, pass_limits, store_clients
from pbt_operator.runners.kubernetes.config import OperatorConfig
from simulate.apiserver import ApiServer, Body
from simulate.bucket import BUCKET, Bucket
from simulate.kubelet import Kubelet
from simulate.laws.laws import Laws
from simulate.misfortune import Misfortune
from simulate.operators import Operator
from simulate.room import draw_room
from simulate.script import Script
from simulate.spec_draw import draw_population
from simulate.trainer import Trainer
from simulate.weather import Weather
from simulate.world import World

DELETION_SECONDS = 3600.0
SCARCE = 0.12  # of the worlds
CALM_WHERE_SCARCE = 0.6  # else members die more often than they take turns
IN_PIECES = 0.15  # of the worlds: rounds and results don't fit in one object
FEW_READS = 0.15  # of the worlds: no pass has enough for what there is to do
PATIENCE_SECONDS = 6 * 3600.0
"""How long after the last fault a population may take to end."""


@dataclass
class Outcome:
    """What became of one seed.

    Attributes:
        wrong: the laws that were broken, a sentence for each.
        digest: of everything that was ever stored: two runs of a seed have the same.
    """

    seed: int | str
    wrong: list[str]
    ended: str
    virtual_seconds: float
    births: int
    rounds: int
    faults: dict[str, int] = field(default_factory=dict)
    digest: str = ""


class Experiment:
    """One seed's world.

    Attributes:
        is_scarce: it lacks room until the end, and its members are to take turns in it.
        sizes: how large a record may be as one object, and a piece of one that is larger; empty where nothing is drawn.
        few: how much a pass may read, and how many names a page has; empty where nothing is drawn.
    """

    def __init__(self, seed: int | str) -> None:
        self.world = world = World(seed)
        self.is_scarce = world.knows_room and world.chance("scarcity").random() < SCARCE
        plan = world.chance("plan")
        self.weather = Weather(world, clears_at=plan.uniform(60.0, 600.0), calm=plan.random() < 0.05)
        if self.is_scarce and world.chance("calm").random() < CALM_WHERE_SCARCE:
            self.weather.clears_at = 0.0
        self.bucket, self.server = Bucket(world, self.weather), ApiServer(world, self.weather)
        self.config = OperatorConfig.model_validate(
            {
                "stores": [{"name": "default", "bucket": BUCKET, "prefix": "pbt"}],
                "pollSeconds": plan.choice((2, 10)),
            }
        )
        self.sizes, self.few = _draw_sizes(world), _draw_few(world)
        self.script = Script(world)
        if self.script.is_pure:
            self.weather.spare("script crashes", "out of memory", "hangs", "trainer dies", "bad node")
        self._ignores_gates = plan.random() < 0.15  # some of the trainers do, as those of other languages may
        self._steps = [plan.choice((0.5, 1.0, 3.0, 10.0)) for _ in range(16)]
        self.room = draw_room(world, self.weather, members=6, is_scarce=self.is_scarce)
        self.kubelet = Kubelet(
            world,
            self.weather,
            self.server,
            room=self.room,
            start_seconds=plan.choice((0.5, 5.0, 30.0, 120.0)),
            trainer_of=self._trainer,
        )
        body = self.server.create_population("digits", self._spec())
        base = f"pbt/team/digits-{body['metadata']['uid'][:8]}/"
        self.laws = Laws(world, self.bucket, self.server, self.script, base=base)
        self.operators: list[Operator] = []
        self.misfortune = Misfortune(self)
        self._phase = "none"
        self._counted: dict[str, int] = {}

    def _spec(self) -> dict[str, Any]:
        """What is asked."""
        return draw_population(self.world, is_scarce=self.is_scarce)

    def _trainer(self, assignment: Assignment, pod: str) -> Trainer:
        store = S3Store(BUCKET, assignment.location.removeprefix(f"s3://{BUCKET}/"), client=self.bucket)  # type: ignore[arg-type]
        trainer = Trainer(
            self.world,
            self.weather,
            assignment,
            pod=pod,
            store=store,
            step_seconds=self._steps[assignment.member],
            on_begin=self.laws.on_begin,
            on_step=self.laws.on_step,
            script=self.script,
            ignores_gates=self._ignores_gates and assignment.member % 2 == 0,
        )
        self.laws.facts.trainers[pod] = trainer
        return trainer

    def start_operator(self) -> Operator:
        """One more operator begins."""
        name = f"operator-{len(self.operators)}"
        operator = Operator(self.world, self.weather, self.server, self.config, name=name)
        self.operators.append(operator)
        return operator

    @property
    def population(self) -> Body | None:
        """The resource that owns the location in the end."""
        return self.server.populations.get(self.misfortune.owner)

    @property
    def has_ended(self) -> bool:
        """Whether the population is Complete or Failed, shown as such, or deleted, and no trainer runs."""
        body = self.population
        if body is None and not self.misfortune.is_deleted:
            return False
        if body is not None and not _is_over(body):
            return False
        alive = [p for p in self.kubelet.placed.values() if p.trainer is None and p.process.alive]
        return not alive and not any(p.trainer and p.trainer.alive for p in self.kubelet.placed.values())

    def run(self) -> Outcome:
        """Runs to the end."""
        world = self.world
        with _in(self):
            self.start_operator()
            self.misfortune.begin()
            self.room.begin()
            deadline = self.weather.clears_at + PATIENCE_SECONDS
            while not (self.has_ended and self.misfortune.is_over) and not world.wrong:
                if world.time.now > deadline or not world.time.advance():
                    body = self.population or {}
                    world.blame(f"7: it hasn't ended: {body.get('status', {}).get('conditions')}")
            if not world.wrong:
                self._settle()
            outcome = self._outcome()
            world.close()
        return outcome

    def _settle(self) -> None:
        """What is under way is finished: pods that end by themselves, the last status."""
        until = self.world.time.now + 400.0
        while self.world.time.now < until and self.world.time.advance():
            pass
        self.kubelet.end_zombies()
        body = self.population
        if body is None:
            self._phase = "Deleted"
            return
        self._phase = body["status"]["phase"]
        judge = self.world.spawn("judge", lambda: self.laws.judge_end(body))
        while judge.alive and self.world.time.advance():
            pass
        if not self.world.wrong:
            self._counted = self._count()  # a purge makes the facts forget it
            self._delete()

    def _delete(self) -> None:
        """What is over is deleted, and leaves what it was asked to leave."""
        name = self.misfortune.owner
        self.server.delete_population(name)
        until = self.world.time.now + DELETION_SECONDS
        while name in self.server.populations:
            if self.world.time.now > until or not self.world.time.advance():
                self.world.blame(f"14: {name} was deleted and is still there")
                return
        self.laws.judge_deletion()

    def _count(self) -> dict[str, int]:
        facts = self.laws.facts
        return {"births": len(facts.births), "rounds": len(facts.rounds)}

    def _outcome(self) -> Outcome:
        return Outcome(
            seed=self.world.seed,
            wrong=self.world.wrong,
            ended=self._phase,
            virtual_seconds=self.world.time.now,
            **(self._counted or self._count()),
            faults={**self.weather.counted, **self.misfortune.counted},
            digest=self.bucket.written.hexdigest(),
        )


def _is_over(body: Body) -> bool:
    """Whether it has ended, and not under a spec before its newest, by which a failed one goes on."""
    status = body["status"]
    is_newest = status.get("observedGeneration") == body["metadata"]["generation"]
    return is_newest and status.get("phase") in {"Complete", "Failed"}


def _draw_sizes(world: World) -> dict[str, int]:
    random = world.chance("pieces")
    if not world.knows_room or random.random() >= IN_PIECES:
        return {}
    return {"WHOLE_BYTES": random.choice((500, 1500)), "CUT_BYTES": random.choice((200, 800))}


def _draw_few(world: World) -> dict[str, int]:
    random = world.chance("few reads")
    if not world.knows_few_reads or random.random() >= FEW_READS:
        return {}
    return {"reads": random.choice((2, 5, 20)), "names": random.choice((2, 5))}


@contextmanager
def _with_few(*, reads: int, names: int) -> Iterator[None]:
    with (
        patch.object(pass_limits, "READS", reads),
        patch.object(paged_names, "NAMES_A_READ", names),
        patch.object(metered, "NAMES_A_READ", names),
    ):
        yield


@contextmanager
def _in(experiment: Experiment) -> Iterator[None]:
    """The product runs in this world: its one client of S3, and the pauses that it makes itself."""
    ids = experiment.world.chance("probes")
    clock = type("Clock", (), {"sleep": staticmethod(experiment.world.sleep)})
    with (
        patch.object(store_clients, "client_of", lambda _: experiment.bucket),
        patch.object(cluster_runner, "READERS", 1),  # threads would leave the one that everything runs in
        patch.object(s3, "time", clock),
        patch.object(probe, "uuid4", lambda: UUID(int=ids.getrandbits(128))),
        patch.object(s3, "random", experiment.world.chance("pauses")),
        patch.multiple(large_records, **experiment.sizes) if experiment.sizes else nullcontext(),
        _with_few(**experiment.few) if experiment.few else nullcontext(),
    ):
        yield


def run(seed: int | str, *, trace: Callable[[str], None] | None = None) -> Outcome:
    """Runs one seed; `trace` takes a line for all that happens."""
    experiment = Experiment(seed)
    experiment.world.trace = trace
    return experiment.run()
