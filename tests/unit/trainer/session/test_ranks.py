"""Several ranks of one member: one writes, all restore, and they agree where a report is due."""

import os
import signal
import sys
import time

import pytest

from pbt_contract.encoding import encode
from pbt_contract.records import Claim
from pbt_trainer import UsageError
from pbt_trainer.session.ranks import Ranks
from pbt_trainer.session.verdict import Verdict
from unit.trainer.population import TRAINERS, Population, Trainer, until


def test_a_process_without_torchrun_is_rank_0_of_1() -> None:
    ranks = Ranks.from_environment({})
    assert (ranks.rank, ranks.world, ranks.leads, ranks.alone, ranks.connected) == (0, 1, True, True, True)
    assert ranks.agree(Verdict.SWAP) is Verdict.SWAP


def test_torchrun_tells_the_rank() -> None:
    ranks = Ranks.from_environment({"RANK": "1", "WORLD_SIZE": "2"})
    assert (ranks.rank, ranks.leads, ranks.alone) == (1, False, False)
    with pytest.raises(UsageError, match="whole numbers"):
        Ranks.from_environment({"RANK": "first"})


def two_ranks(population: Population, **environment: str) -> Trainer:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--local-addr=127.0.0.1"]
    return population.start_command(
        [sys.executable, *torchrun, str(TRAINERS / "ranks.py")],
        in_place=True,
        total_steps=10**9,
        interval_steps=4,
        environment={"OMP_NUM_THREADS": "1"} | environment,
    )


@pytest.mark.parametrize("reader", ["0", "1"])
def test_where_one_rank_cannot_swap_none_does_and_the_birth_is_left_to_a_new_pod(
    population: Population, reader: str
) -> None:
    population.birth(member=3, hyperparameters={"rate": 2.0, "layers": 2})
    population.run("ranks.py", member=3, total_steps=4)
    population.birth()
    trainer = two_ranks(population, READS_RATE=reader)
    leader = int(trainer.hear("0 pid").split()[-1])
    population.exploit(population.reported(1, member=3), hyperparameters={"rate": 0.25, "layers": 2})
    until(lambda: "can't be taken over in place: `rate` was read at ranks.py" in trainer.errors())
    known = 1
    while population.report(known) is not None:
        known += 1
    population.reported(known + 1)
    assert population.claim(incarnation=2) is None
    os.kill(leader, signal.SIGTERM)
    assert trainer.end() == 0, trainer.errors()
    assert not any("restored" in line for line in trainer.said)


def test_two_ranks_report_once_swap_together_and_stop_together(population: Population) -> None:
    population.birth(member=3, hyperparameters={"rate": 2.0, "layers": 2})
    population.run("ranks.py", member=3, total_steps=4)
    donor = population.reported(1, member=3)
    population.birth()
    trainer = two_ranks(population)
    leader = int(trainer.hear("0 pid").split()[-1])
    population.reported(1)
    population.exploit(donor, hyperparameters={"rate": 0.25, "layers": 2})
    population.reported(2, incarnation=2)
    os.kill(leader, signal.SIGTERM)
    assert trainer.end() == 0, trainer.errors()
    restored = sorted(line.split() for line in trainer.said if "restored" in line)
    assert [line[:5] for line in restored] == [[rank, "restored", "4", "2", "8.0"] for rank in "01"]
    assert restored[0][5] != restored[1][5]  # each rank has random numbers of its own
    claim = until(lambda: population.claim(incarnation=2))
    assert (claim.pod, claim.ranks) == ("pod-0-1", 2)
    [save] = population.saves(
        incarnation=2
    )  # of the newest report's checkpoint: the member is to go on from there
    report = population.report(save.step // 4, incarnation=2)
    assert report is not None
    assert (save.checkpoint, save.ends) == (report.checkpoint, False)
    population.assert_no_leftovers()


def test_two_ranks_wait_together_longer_than_they_wait_for_each_other(population: Population) -> None:
    population.gate(1, 1)
    population.birth()
    trainer = two_ranks(population)
    leader = int(trainer.hear("0 pid").split()[-1])
    population.reported(1)
    time.sleep(6.0)  # they have agreed anew by then
    assert population.report(2) is None
    population.gate(2, 2)
    second = population.reported(2)
    assert isinstance(second.waited, float)
    assert second.waited > 5.0
    os.kill(leader, signal.SIGTERM)
    assert trainer.end() == 0, trainer.errors()
    assert population.report(3) is None


def test_a_rank_that_is_connected_with_nobody_waits_by_itself(population: Population) -> None:
    population.gate(1, 0)
    population.birth()
    ranks = {"RANK": "1", "WORLD_SIZE": "2"}
    other = Claim(member=0, incarnation=1, pod="pod-0-1", nonce="rank 0", ranks=2)
    population.store.create(other.key, encode(other))
    trainer = population.start_command([sys.executable, str(TRAINERS / "plain.py")], environment=ranks)
    trainer.go(100)
    trainer.hear("joined")
    time.sleep(1.0)
    population.gate(2, 3)
    assert trainer.end() == 0, trainer.errors()
    assert "ended FINISHED" in trainer.said
