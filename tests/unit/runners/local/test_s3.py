"""A whole run whose store is an S3 bucket, and the commands that read it."""

import json
import os
import subprocess
import sys

from fixtures.manifests import DETERMINISTIC, population
from pbt_contract.stores.s3 import S3Store
from pbt_operator.records import audit
from pbt_operator.records.archive import read_archive

SCHEDULE = {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100}
TEMPLATE = {"spec": {"containers": [{"name": "trainer", "command": ["python", "deterministic.py"]}]}}
MANIFEST = {**DETERMINISTIC, "members": 3, "schedule": SCHEDULE, "template": TEMPLATE}


def pbt(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pbt_operator.cli.main", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_population_trains_over_s3_and_is_read_there(runner, minio, tmp_path):
    run = runner(population("remote", MANIFEST))
    location = f"s3://{minio.bucket}/team/remote"
    with run.start("--dir", f"s3://{minio.bucket}/team", **minio.environment) as process:
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    store = S3Store(minio.bucket, "team/remote", client=minio.client())
    found = read_archive(store)
    assert audit.violations(store, found) == []
    assert found.best is not None

    status = json.loads(pbt("status", location, "-o", "json", **minio.environment).stdout)
    assert status["phase"] == "Complete"
    assert status["best"]["score"] == found.best.score
    fetched = pbt("fetch", location, "--to", str(tmp_path / "best"), **minio.environment)
    assert fetched.returncode == 0, fetched.stderr
    assert (tmp_path / "best" / "state.json").is_file()
