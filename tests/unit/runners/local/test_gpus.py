"""GPUs are shared out by CUDA_VISIBLE_DEVICES, the least used first."""

from fixtures.manifests import DETERMINISTIC, population
from pbt_operator.runners.local.gpus import Gpus

SCRIPT = "import os, deterministic; print('gpus', os.environ['CUDA_VISIBLE_DEVICES'])"


def test_each_trainer_gets_gpus_of_its_own_while_there_are_any():
    gpus = Gpus(["0", "1", "2"])
    first, second = gpus.take(1), gpus.take(2)
    assert (first, second) == (("0",), ("1", "2"))
    assert gpus.take(1) == ("0",)  # shared, for want of another
    gpus.give_back(second)
    assert gpus.take(2) == ("1", "2")


def test_more_than_there_are_is_all_there_are():
    assert Gpus([]).take(2) == ()
    assert Gpus(["7"]).take(2) == ("7",)


def test_the_machines_gpus_are_those_that_the_runner_may_see(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5f3a,-1")
    assert Gpus.of_this_machine().names == ["2", "GPU-5f3a"]


def test_without_parallelism_as_many_train_at_once_as_there_are_gpus_for(runner):
    container = {
        "name": "trainer",
        "command": ["python", "-c", SCRIPT],
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    schedule = {"totalSteps": 10, "intervalSteps": 10}
    template = {"spec": {"containers": [container]}}
    run = runner(population("gpus", DETERMINISTIC, members=4, schedule=schedule, template=template))
    assert run.run(CUDA_VISIBLE_DEVICES="5,6").returncode == 0
    used = [log.read_text().split("gpus ")[1].split()[0] for log in sorted(run.location.glob("logs/*.log"))]
    assert set(used) == {"5", "6"}
