"""Recorded populations that the tests of the commands and of the page read."""

import math
from random import Random
from typing import Any

import msgspec

from fixtures.manifests import TEMPLATE
from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Claim, File, Report
from pbt_contract.scores import wire_metrics
from pbt_contract.stores import Store
from pbt_operator.core import births, quorum
from pbt_operator.core.births import Counters
from pbt_operator.core.history import History
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import PopulationPhase, Result
from pbt_operator.manifest.population import PopulationSpec, to_core, to_wire
from pbt_operator.manifest.settled_spec import settled
from pbt_operator.records import results, specs
from pbt_operator.records.archive import Archive, read_archive
from support.checksums import sha256

FILES = {"state.safetensors": b"tensors", "state.json": b"{}"}

SPACE: list[dict[str, Any]] = [
    {"name": "lr", "logUniform": {"min": 1e-4, "max": 1.0}},
    {"name": "momentum", "logUniform": {"min": 0.5, "max": 0.999, "of": "OneMinus"}},
    {"name": "dropout", "uniform": {"min": 0.0, "max": 0.6}},
    {"name": "layers", "integer": {"min": 1, "max": 4}, "explore": "Never"},
    {"name": "optimizer", "choice": {"values": ["sgd", "adamw"], "order": "Ordered"}},
]


def spec_of(
    *, members: int = 8, total_steps: int = 4000, interval_steps: int = 200, **changes: Any
) -> PopulationSpec:
    """A spec with one hyperparameter of each kind."""
    return PopulationSpec.model_validate(
        {
            "members": members,
            "objective": {"metric": "val_accuracy", "goal": "Maximize"},
            "strategy": "Explicit",
            "schedule": {"totalSteps": total_steps, "intervalSteps": interval_steps, "quorumPercent": 100},
            "hyperparameters": SPACE,
            "template": TEMPLATE,
            "seed": 7,
            **changes,
        }
    )


class Recorder:
    """Writes the records of a population as an operator and its trainers would."""

    def __init__(self, store: Store, spec: PopulationSpec, *, name: str = "digits") -> None:
        begun = settled(spec, None)
        self.store, self.spec = store, to_core(begun)
        self.history = History(kept_per_member=8)
        specs.accept(store, name=name, namespace="default", asked=lambda _: to_wire(begun))

    def bear(self, birth: Birth, *, claim: bool = True) -> Birth:
        """Orders an incarnation, which a process takes."""
        self.history.add_birth(birth)
        self.store.create(keys.birth(birth.member, birth.incarnation), encode(birth))
        if claim and not birth.cause.closes:
            taken = Claim(member=birth.member, incarnation=birth.incarnation, pod="pod", nonce="n")
            self.store.create(keys.claim(birth.member, birth.incarnation), encode(taken))
        return birth

    def report(self, birth: Birth, step: int, *scores: float, save: bool = False, **more: Any) -> Report:
        """Records a checkpoint, with its score unless it is a save. Lists of scores are episodes."""
        checkpoint = keys.checkpoint(birth.member, birth.incarnation, step, "n")
        metrics = {} if save else {self.spec.objective.metric: list(scores) if scores[1:] else scores[0]}
        files = [File(name=name, size=len(data), sha256=sha256(data)) for name, data in FILES.items()]
        fields = {
            "member": birth.member,
            "incarnation": birth.incarnation,
            "step": step,
            "round": None if save else -(-step // self.spec.schedule.interval_steps),
            "metrics": wire_metrics(metrics),
            "hyperparameters": birth.hyperparameters,
            "checkpoint": checkpoint,
            "files": files,
            "seconds": 1.5,
        }
        record = Report(**{**fields, **more})
        self.history.add_record(record)
        self.store.create(record.key, encode(record))
        for name, data in FILES.items():
            self.store.create(checkpoint + name, data)
        return record

    def raise_total(self, total_steps: int) -> None:
        """Accepts the spec with a larger totalSteps."""
        record = specs.newest(self.store)
        assert record is not None
        schedule = {**record.spec["schedule"], "totalSteps": total_steps}
        asked = {**record.spec, "schedule": schedule}
        specs.accept(self.store, name=record.name, namespace=record.namespace, asked=lambda _: asked)

    def decide(self, number: int) -> list[Birth]:
        """Decides a round and orders what follows."""
        attendance = quorum.attend(self.history, self.spec, number, living=set(range(self.spec.members)))
        decided = quorum.decide(self.history, self.spec, attendance, spec_number=1)
        self.store.create(keys.round_(number), encode(decided))
        self.history.add_round(decided)
        return [
            self.bear(
                births.decided(decision, round_number=number, at_step=decided.step, history=self.history)
            )
            for decision in decided.decisions
        ]

    def end(self, phase: PopulationPhase = PopulationPhase.COMPLETE, reason: str = "AllStepsDone") -> None:
        """Records the result."""
        told = read_archive(self.store)
        message = f"all members are at step {self.spec.schedule.total_steps}"
        results.write_result(self.store, concluded(told, phase=phase, reason=reason, message=message))


def concluded(told: Archive, *, phase: PopulationPhase, reason: str, message: str) -> Result:
    """The result that the records alone would give."""
    status = msgspec.structs.replace(told.status(), phase=phase, reason=reason, message=message)
    lineage = told.lineage(told.best) if told.best is not None else []
    return Result.of(status, spec=told.record.number, lineage=lineage)


def record_small(store: Store, *, name: str = "digits") -> Recorder:
    """Two members, two rounds: member 1 copies member 0, becomes the best, and the population is complete."""
    spec = PopulationSpec.model_validate(
        {
            "members": 2,
            "objective": {"metric": "val_accuracy", "goal": "Maximize"},
            "strategy": "Explicit",
            "schedule": {"totalSteps": 20, "intervalSteps": 10, "quorumPercent": 100},
            "hyperparameters": [SPACE[0]],
            "initial": [{"lr": 0.5}, {"lr": 0.01}],
            "explore": {"factors": [0.8, 1.25]},
            "template": TEMPLATE,
        }
    )
    recorder = Recorder(store, spec, name=name)
    first, second = (recorder.bear(births.first(recorder.spec, member=m)) for m in range(2))
    recorder.report(first, 10, 0.75)
    recorder.report(second, 10, 0.25)
    [copy] = recorder.decide(1)
    assert copy.member == 1
    recorder.report(first, 20, 0.5)
    recorder.report(copy, 20, 0.875)
    recorder.decide(2)
    recorder.end()
    return recorder


def record_simulated(
    store: Store,
    *,
    members: int = 8,
    num_rounds: int = 20,
    end: bool = True,
    crashes: float = 0.02,
    nans: float = 0.01,
    **changes: Any,
) -> Recorder:
    """A whole run: the best learning rate falls while training goes on, so that schedules win."""
    interval = 200
    spec = spec_of(members=members, total_steps=interval * num_rounds, interval_steps=interval, **changes)
    recorder = Recorder(store, spec)
    rng = Random(1)
    newest = {m: recorder.bear(births.first(recorder.spec, member=m)) for m in range(members)}
    skill = dict.fromkeys(newest, 0.0)
    for number in range(1, num_rounds + 1):
        step = number * interval
        for member, birth in newest.items():
            if number > 1 and rng.random() < crashes:
                newest[member] = _crash(recorder, birth, step - interval, rng)
            skill[member] += _progress(newest[member], number / num_rounds, 20 / num_rounds)
            score = _score(recorder.spec, skill[member], rng)
            diverged = rng.random() < nans
            recorder.report(newest[member], step, math.nan if diverged else score)
        before = dict(skill)
        for birth in recorder.decide(number):
            newest[birth.member] = birth
            skill[birth.member] = before[birth.source.member] if birth.source else 0.0
    if end:
        recorder.end()
    return recorder


def _progress(birth: Birth, time: float, scale: float) -> float:
    values = birth.hyperparameters
    best = 10 ** (-0.6 - 2.2 * time)
    distance = math.log10(float(values["lr"]) / best)
    fit = math.exp(-2 * distance**2) * math.exp(-((float(values["dropout"]) - 0.25 * time) ** 2) * 3)
    return scale * (0.16 * fit + 0.012 * math.log10(1 / (1 - float(values["momentum"]))) - 0.02)


def _score(spec: Spec, skill: float, rng: Random) -> float:
    accuracy = 0.985 - 0.88 * math.exp(-max(skill, 0.0)) + rng.gauss(0, 0.008)
    return accuracy if spec.objective.utility(1) > 0 else 10 * (1 - accuracy) ** 2


def _crash(recorder: Recorder, birth: Birth, step: int, rng: Random) -> Birth:
    """A crash after an unlucky save: the member goes on from its newest record."""
    own = recorder.history.newest_record(birth.member)
    own = own if own is not None and own.incarnation == birth.incarnation else None
    fault = rng.choice(["ended with exit code 1: CUDA error: out of memory", None])
    reason = f"crashed: {fault}" if fault else "goes on after its process ended"
    before = Counters() if own is not None else Counters.of(birth)
    crash = Counters(before.crashes + 1, before.blamed) if fault else None
    return recorder.bear(births.resumed(birth, own, crash=crash, reason=reason))
