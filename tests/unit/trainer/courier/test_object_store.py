"""The SDK over a real S3 server, where checkpoints are downloaded."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pbt_contract import keys
from pbt_contract.stores.s3 import S3Store
from support.minio import Server
from unit.trainer.population import Population, population_in


@pytest.fixture
def population(minio: Server, tmp_path: Path) -> Iterator[Population]:
    client = minio.client()
    store = S3Store(minio.bucket, f"team-a/{uuid4().hex}", client=client)
    with population_in(tmp_path, store=store, variables=minio.environment) as started:
        yield started
    client.close()


def test_a_member_reports_and_another_goes_on_from_its_files(population: Population) -> None:
    population.birth()
    population.run("files.py", total_steps=4)
    report = population.reported(1)
    assert {file.name for file in report.files} == {"files/.metadata", "files/part/0.bin", "state.json"}
    population.exploit(report, incarnation=1, member=1)
    trainer = population.run("files.py", member=1, total_steps=8)
    assert "files .metadata step 4" in trainer.said
    population.assert_no_leftovers()


def test_what_was_fetched_ahead_is_taken_over_by_a_process_that_starts_anew(population: Population) -> None:
    population.birth(member=3)
    population.run(member=3, total_steps=4)
    donor = population.reported(1, member=3)
    population.birth()
    trainer = population.start(in_place=True, total_steps=10**6, interval_steps=10**6)
    trainer.step_until("step 1")
    population.exploit(donor, hyperparameters={"rate": 0.5, "layers": 3})
    trainer.step_until("joined 0 2")
    population.store.delete(donor.checkpoint + file.name for file in donor.files)
    trainer.go()
    trainer.hear("restored 4 2.0")
    assert trainer.hear("step").startswith("step 5 2")
    trainer.terminate()
    assert trainer.end() == 0, trainer.errors()
    assert list(population.store.names(keys.saves_of(0, 2)))
    population.assert_no_leftovers()
