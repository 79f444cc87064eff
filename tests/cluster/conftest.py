"""The product as a user gets it: a real cluster, the installed chart, and a namespace of its own for each test.

- `cluster`: the cluster, with kubectl and helm; the test is skipped where this machine can have none.
- `s3`: its MinIO, from this machine.
- `release`: the operator, installed once for all test processes.
- `space`: an empty namespace, in which Populations are applied; at its end the invariants of all that ran there are
  checked.
- `local`: the story of the deterministic population as the local runner trains it.
"""

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.populations import SMALL
from cluster.release import Release, installed
from cluster.space import Space
from fixtures.manifests import population
from pbt_contract.stores import open_store
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from support.cluster import Cluster, Unavailable
from support.cluster import cluster as running
from support.s3server import Server
from support.trainers import TRAINERS

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))  # a mark of the test itself comes first


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running() as found:
        if isinstance(found, Unavailable):
            pytest.skip(found.reason)
        yield found


@pytest.fixture(scope="session")
def s3(cluster: Cluster) -> Iterator[Server]:
    with cluster.s3() as server:
        yield server


@pytest.fixture(scope="session")
def release(cluster: Cluster, s3: Server) -> Iterator[Release]:
    with installed(cluster, s3) as found:
        yield found


@pytest.fixture
def space(request: pytest.FixtureRequest, cluster: Cluster, s3: Server, release: Release) -> Iterator[Space]:
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")
    made = Space(cluster, f"t-{secrets.token_hex(3)}-{words[:40].strip('-')}", server=s3, release=release)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return trained_here(tmp_path_factory.mktemp("local"), SMALL)


def trained_here(folder: Path, base: Mapping[str, Any]) -> Archive:
    """The story of a population of the deterministic trainer, as the local runner trains it in an empty folder."""
    template = {"spec": {"containers": [{"name": "trainer", "command": ["python", "deterministic.py"]}]}}
    (folder / "small.yaml").write_text(yaml.safe_dump(population("small", {**base, "template": template})))
    command = [
        sys.executable,
        "-m",
        "pbt_operator.cli.main",
        "run",
        str(folder / "small.yaml"),
        "--dir",
        str(folder),
    ]
    done = subprocess.run(command, cwd=TRAINERS, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    store = open_store(str(folder / "small"))
    found = read_archive(store)
    assert audit.violations(store, found) == []
    return found
