"""The commands on a real S3 server."""

import json
import os

import pytest
import torch

import pbt_trainer
from pbt_contract.stores.s3 import S3Store
from support.minio import Server, minio
from unit.page.populations import FILES, record_small
from unit.trainer.training import Member, adam

__all__ = ["minio"]


@pytest.fixture
def bucket(minio: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server's bucket, with the variables that lead to it."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in minio.environment.items():
        monkeypatch.setenv(name, value)
    return minio.bucket


def test_a_population_in_s3_is_read_and_fetched_as_one_in_a_folder(pbt, bucket, tmp_path):
    record_small(S3Store(bucket=bucket, prefix="cli/digits"))
    location = f"s3://{bucket}/cli/digits"
    assert json.loads(pbt("status", location, "-o", "json").out)["best"]["score"] == 0.875
    assert pbt("fetch", location, "--to", tmp_path / "got").code == 0
    assert {name: (tmp_path / "got" / name).read_bytes() for name in FILES} == FILES
    assert pbt("report", location, "--to", tmp_path / "page.html").code == 0


def test_a_script_reads_the_best_of_a_population_in_s3(bucket, tmp_path, monkeypatch):
    trained = Member(adam, {"lr": 0.1}, seed=1)
    folder = trained.save(tmp_path / "own")
    for name in FILES:
        monkeypatch.setitem(FILES, name, (folder / name).read_bytes())
    record_small(S3Store(bucket=bucket, prefix="sdk/digits"))
    with pbt_trainer.Checkpoint(f"s3://{bucket}/sdk/digits", "best") as best:
        state = best.state("model")
    assert (best.step, best.hyperparameters) == (20, {"lr": 0.4})
    for name, value in trained.objects["model"].state_dict().items():
        assert torch.equal(state[name], value)


def test_populations_below_a_prefix_are_suggested(pbt, bucket):
    record_small(S3Store(bucket=bucket, prefix="below/a"))
    record_small(S3Store(bucket=bucket, prefix="below/b"))
    ended = pbt("status", f"s3://{bucket}/below")
    assert ended.code == 2
    assert ended.err.endswith(f"did you mean s3://{bucket}/below/a or s3://{bucket}/below/b?\n")


def test_a_bucket_that_is_missing_is_one_line(pbt, bucket):
    ended = pbt("status", "s3://no-such-bucket-here/x")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
