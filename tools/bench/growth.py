"""A cluster that grows while a population waits for it: `python -m bench.growth`, from a checkout's root.

A real API server and scheduler, nodes of KWOK with eight GPUs each, and the operator's own process. One node comes
after the other, as an autoscaler brings them: as long as pods wait for GPUs. It prints how many pods could be seen as
demand, and when each member had its own. Trainers are simulated: they report, wait at gates and take turns.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.scale_world import NAMESPACE, World, running, wait
from bench.turn_takers import TurnTakers
from pbt_contract.keys import Life
from pbt_contract.stores.s3 import S3Store
from pbt_operator.runners.kubernetes.pod_template import INCARNATION, MEMBER, POPULATION
from programs.build import binary
from support.apiserver import ApiServer
from support.servers import free_port, serving

GPU, GPUS = "nvidia.com/gpu", 8
NAME, INTERVAL = "growing", 100
PLACE = {"group": "pbt.dev", "version": "v1alpha1", "plural": "populations"}
APART_SECONDS = 2.0


@contextmanager
def scheduler(server: ApiServer, folder: Path) -> Iterator[None]:
    """Kubernetes' own."""
    folder.mkdir()
    port, certificates = free_port(), folder / "certificates"
    command = [str(binary("kube-scheduler")), f"--kubeconfig={server.kubeconfig}", "--leader-elect=false"]
    command += [f"--secure-port={port}", "--bind-address=127.0.0.1", f"--cert-dir={certificates}"]
    ready = f"https://127.0.0.1:{port}/healthz"
    with serving(command, log=folder / "log", ready=ready, ca=certificates / "kube-scheduler.crt"):
        yield


def add_node(server: ApiServer, number: int) -> None:
    """A node of KWOK with GPUs, that takes pods."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "110", GPU: str(GPUS)}
    body = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"gpus-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"allocatable": room, "capacity": room},
    }
    server.kubectl("create", "-f", "-", input=json.dumps(body))
    # Nobody else here takes away what keeps pods from a node that isn't ready yet.
    untainted = json.dumps({"spec": {"taints": None}})
    server.kubectl("patch", "node", f"gpus-{number}", "--type=merge", "-p", untainted)


def population(members: int) -> dict[str, Any]:
    """One GPU for each member, and no `parallelism`."""
    container = {"name": "trainer", "image": "trainer", "command": ["train"]}
    return {
        "apiVersion": "pbt.dev/v1alpha1",
        "kind": "Population",
        "metadata": {"name": NAME},
        "spec": {
            "members": members,
            "objective": {"metric": "score", "goal": "Maximize"},
            "schedule": {"totalSteps": 1000 * INTERVAL, "intervalSteps": INTERVAL},
            "hyperparameters": [{"name": "lr", "logUniform": {"min": 1.0e-4, "max": 1.0}}],
            "restart": "InPlace",
            "storage": {"credentialsSecretRef": {"name": "s3"}},
            "template": {"spec": {"containers": [{**container, "resources": {"limits": {GPU: 1}}}]}},
        },
    }


@dataclass
class Course:
    """What happens, and what was seen of it.

    Attributes:
        demand: the fewest pods of the population that were there, with or without a node, since all were made.
        made: the uids of all.
    """

    world: World
    members: int
    seconds: float
    demand: int = 0
    made: set[str] = field(default_factory=set)

    def run(self) -> float:
        """Until each member has its own pod; the seconds since the last node came."""
        trainers = self._begin()
        began, nodes = time.monotonic(), 0
        while True:
            pods = self._pods()
            self.demand = min(self.demand, len(pods))
            placed = {uid: pod for uid, pod in pods.items() if pod["spec"].get("nodeName")}
            running = {uid: _life(pod) for uid, pod in placed.items() if pod["status"]["phase"] == "Running"}
            trainers.look(running)
            births = [trainers.processes[uid].birth for uid in running]
            own = {birth.member for birth in births if birth is not None}
            came, now = began + nodes * self.seconds, time.monotonic()
            if len(own) == self.members:
                return now - (came - self.seconds)
            if len(placed) < len(pods) and now >= came:
                decided = self.world.status(NAME).get("rounds", 0)
                print(
                    f"{now - began:4.0f} s: {len(placed)} of {len(pods)} pods have a GPU, {len(own)} members run, "
                    f"{decided} rounds, {trainers.turns} turns, {len(self.made)} pods made; a node comes",
                    flush=True,
                )
                add_node(self.world.api, nodes)
                nodes += 1
            if now > began + (self.members / GPUS + 3) * self.seconds:
                sys.exit(
                    f"{len(own)} of {self.members} members have a pod; {len(trainers.lost)} found no birth"
                )
            time.sleep(APART_SECONDS)

    def _begin(self) -> TurnTakers:
        """Creates the Population, and waits for its pods: the demand."""
        body = population(self.members)
        self.world.custom.create_namespaced_custom_object(**PLACE, namespace=NAMESPACE, body=body)
        wait(lambda: "location" in self.world.status(NAME))
        location = self.world.status(NAME)["location"].removeprefix(f"s3://{self.world.s3.bucket}/")
        wait(lambda: len(self._pods()) == self.members)
        self.demand = self.members
        store = S3Store(self.world.s3.bucket, location, client=self.world.s3.client())
        return TurnTakers(store, INTERVAL, interval_seconds=self.seconds / 6)

    def _pods(self) -> dict[str, Any]:
        """By uid, those that haven't ended and don't leave."""
        core = self.world.trainers.core
        listed = core.list_namespaced_pod(
            NAMESPACE, label_selector=f"{POPULATION}={NAME}", _preload_content=False
        )
        pods = {
            pod["metadata"]["uid"]: pod
            for pod in json.loads(listed.data)["items"]
            if pod["status"]["phase"] in {"Pending", "Running"} and "deletionTimestamp" not in pod["metadata"]
        }
        self.made |= pods.keys()
        return pods


def _life(pod: Any) -> Life:
    labels = pod["metadata"]["labels"]
    return Life(int(labels[MEMBER]), int(labels[INCARNATION]))


def main() -> None:
    """Measures once."""
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0, help="between two nodes")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="pbt-growth-") as folder,
        running(Path(folder)) as world,
        scheduler(world.api, Path(folder) / "scheduler"),
    ):
        course = Course(world, given.members, given.seconds)
        seconds = course.run()
    print(
        f"each of {given.members} members had its own pod {seconds:.0f} s after the last node; never fewer than "
        f"{course.demand} pods were there, and {len(course.made)} were made"
    )


if __name__ == "__main__":
    main()
