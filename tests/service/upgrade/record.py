"""Records what this version stores: the data that this version's tests and those of later versions read.

`PYTHONPATH=tools:tests python -m service.upgrade.record tests/service/upgrade/data/vN`, once for each format; what was
recorded once is never
recorded anew. It is deterministic: no clock time, no random number and no name of a machine is in it.
"""

import random
import sys
import tempfile
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import yaml

from fixtures.toys import Deterministic
from pbt_contract import keys
from pbt_contract.encoding import decode
from pbt_contract.records import Birth
from pbt_contract.stores import Store
from pbt_operator.manifest.population import PopulationSpec
from pbt_operator.records import owners
from pbt_trainer.courier.incarnation import Incarnation
from simulation import Simulation, TrainerCrashed
from simulation.memory_store import MemoryStore
from simulation.pods import Durations

NAME, NAMESPACE, UID = "digits", "team-a", "0c5a1d7e-3f52-4b8e-9a41-6d2f8e7b9c10"
MANIFEST: dict[str, Any] = {
    "apiVersion": "pbt.dev/v1alpha1",
    "kind": "Population",
    "metadata": {"name": NAME, "labels": {"team": "a"}},
    "spec": {
        "members": 6,
        "objective": {"metric": "score", "goal": "Maximize"},
        "schedule": {"totalSteps": 40, "intervalSteps": 10, "quorumPercent": 100},
        "hyperparameters": [
            {"name": "rate", "logUniform": {"min": 0.0001, "max": 0.1}},
            {"name": "depth", "integer": {"min": 1, "max": 8}},
        ],
        "initial": [{"rate": 0.01, "depth": 1}],
        "strategy": "Explicit",
        "exploit": {"truncation": {"percent": 50}},
        "explore": {"factors": [0.8, 1.25], "resamplePercent": 25},
        "storage": {"prefix": "experiments", "credentialsSecretRef": {"name": "s3"}},
        "retention": {"checkpointsPerMember": 1},
        "seed": 3,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "trainer",
                        "image": "registry.example/trainer:1",
                        "command": ["python", "deterministic.py"],
                        "resources": {"limits": {"nvidia.com/gpu": 1}},
                    }
                ]
            }
        },
    },
}
SAVED = 4  # the member whose pod is deleted between two rounds
CRASH_STEP = 13
INTERRUPTED = 2  # the round whose births are left half done


class OperatorDied(Exception):
    """The operator's process ended between two of its writes."""


class Interrupted(MemoryStore):
    """Its operator dies once two losers of a round have their births."""

    def __init__(self) -> None:
        super().__init__()
        self.births: list[Birth] = []

    def create(self, key: str, data: bytes) -> bytes:
        """See `Store.create`."""
        stored = super().create(key, data)
        if key.startswith(keys.BIRTHS):
            birth = decode(Birth, data, key=key)
            if birth.round == INTERRUPTED:
                self.births.append(birth)
                if len(self.births) == 2:
                    raise OperatorDied
        return stored


class Tracked(Deterministic):
    """The deterministic task, whose state is a checkpoint as the SDK writes it: a real trainer goes on with it."""

    def __init__(self) -> None:
        self._sound = True

    def build(self, hyperparameters: Mapping[str, Any], rng: Random) -> dict[str, Any]:
        """See `Trainable.build`."""
        state = {"dict": super().build(hyperparameters, rng)}
        weight = {"class": "__main__.Weight", "kind": "object", "state": state, "built": None}
        return {"format": 1, "objects": {"weight": weight}, "random": {}}

    def train(
        self, state: dict[str, Any], hyperparameters: Mapping[str, Any], step: int, rng: Random
    ) -> None:
        """See `Trainable.train`; the first process to come so far crashes."""
        if self._sound and step == CRASH_STEP:
            self._sound = False
            raise TrainerCrashed("RuntimeError: cosmic ray")
        super().train(_numbers(state), hyperparameters, step, rng)

    def evaluate(self, state: dict[str, Any], hyperparameters: Mapping[str, Any], rng: Random) -> float:
        """See `Trainable.evaluate`."""
        return super().evaluate(_numbers(state), hyperparameters, rng)


def _numbers(state: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = state["objects"]["weight"]["state"]["dict"]
    return found


def simulation(store: MemoryStore | None = None) -> Simulation:
    """The recorded population at its beginning, or at where a store has it."""
    manifest = PopulationSpec.model_validate(deepcopy(MANIFEST["spec"]))
    durations = Durations(start=1.0, stop=1.0)
    return Simulation(manifest, Tracked(), durations=durations, store=store, tick_seconds=1.0)


def ended() -> MemoryStore:
    """A population that has ended, after a save and a crash."""
    store = MemoryStore()
    owners.settle(store, uid=UID, name=NAME, namespace=NAMESPACE, adopt=False)
    _disturbed(simulation(store)).run()
    return store


def middle() -> MemoryStore:
    """The same in the middle of an exploit: one birth is claimed, one is not, and one is not written yet."""
    store = Interrupted()
    owners.settle(store, uid=UID, name=NAME, namespace=NAMESPACE, adopt=False)
    try:
        _disturbed(simulation(store)).run()
    except OperatorDied:
        first = store.births[0]
        Incarnation(
            store, member=first.member, incarnation=first.incarnation, pod="pod-taken", nonce="taken"
        ).claim()
        return store
    raise AssertionError(f"round {INTERRUPTED} has fewer than two losers")


def _disturbed(begun: Simulation) -> Simulation:
    """After somebody deleted the pod of one member."""
    while begun.time.now < 5:
        begun.step()
    begun.pods.stop(next(pod for pod in begun.pods.observe() if pod.member == SAVED))
    return begun


def checkpoint() -> dict[str, bytes]:
    """The files of a checkpoint as the SDK writes it for a model, an optimizer and a scheduler of PyTorch."""
    import numpy as np
    import torch

    from pbt_trainer.state.staging import Staging
    from pbt_trainer.state.tracked import Tracked as Objects

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    objects = Objects(total_steps=9)
    for name, value in {"model": model, "optimizer": optimizer, "scheduler": scheduler}.items():
        objects.add(name, value)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0]]))
        model.bias.copy_(torch.tensor([3.0]))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    scheduler.step()
    staging = Staging.create()
    captured = objects.capture(staging)
    tensors = Path(f"/proc/self/fd/{staging.fd}").read_bytes()[: captured.num_bytes]
    staging.close()
    return {"state.json": captured.tree, "state.safetensors": tensors}


def copy(store: Store, folder: Path) -> Path:
    """Everything in a store, as the folder store lays it out."""
    for key in store.names(""):
        _write(folder / key, store.read(key))
    return folder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def record(folder: Path) -> None:
    """Records everything but what an API server stores, which `upgrade.resources` does."""
    copy(middle(), folder / "middle" / NAME)
    copy(ended(), folder / "ended" / NAME)
    for name, data in checkpoint().items():
        _write(folder / "checkpoint" / name, data)
    _write(folder / "manifest.yaml", yaml.safe_dump(MANIFEST, sort_keys=False).encode())


def main(folder: Path) -> None:
    """Records everything; an API server is started for that."""
    from service.upgrade.resources import namespaced, record_resources
    from support.apiserver import with_populations

    record(folder)
    with (
        tempfile.TemporaryDirectory() as temporary,
        with_populations(Path(temporary)) as server,
        namespaced(server) as connection,
    ):
        record_resources(connection, middle(), folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
