"""Faults of everything that a population stands on, on a real cluster; what each cost is printed at the end.

The fixtures are those of tests/cluster, and:
- `s3`: as there, but it survives that the API server or MinIO are away.
- `printed`: the steps that all trainers of the test's namespace print.
- `recoveries`: takes a row of the table.
- `faults`: breaks nodes and the control plane; the test is skipped where they aren't ours to break.
- `long_local`: as `local`, of a longer training.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.conftest import cluster, local, release, space, trained_here
from cluster.space import Space
from faults import forward
from faults.recovery import Printed, Recoveries, table
from faults.unnoticed import LONG
from kindcluster.faults import Faults
from kindcluster.machine import held
from pbt_operator.records.archive import Archive
from support.cluster import Cluster
from support.s3server import Server

__all__ = ["cluster", "local", "release", "space"]

HERE = Path(__file__).parent
TABLE = "PBT_FAULTS_TABLE"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.timeout(900))  # a mark of the test itself comes first


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, also as the file that `$PBT_FAULTS_TABLE` names."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)]
    called = [report for report in reports if getattr(report, "when", None) == "call"]
    told = table(noted for report in called for noted in report.user_properties)
    if told:
        terminalreporter.section("what faults cost")
        terminalreporter.write(told)
        if os.environ.get(TABLE):
            Path(os.environ[TABLE]).write_text(told)


@pytest.fixture(scope="session")
def s3(cluster: Cluster) -> Iterator[Server]:
    with forward.kept(cluster) as server:
        yield server


@pytest.fixture
def printed(space: Space) -> Iterator[Printed]:
    found = Printed(space)
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def recoveries(request: pytest.FixtureRequest) -> Recoveries:
    return Recoveries(request.node.user_properties)


@pytest.fixture
def faults(cluster: Cluster) -> Faults:
    if cluster.faults is None:
        pytest.skip("the nodes of this cluster aren't ours to break")
    return cluster.faults


@pytest.fixture(scope="session")
def long_local(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "long"
    with held(folder.with_suffix(".lock")):  # who comes later finds it trained
        folder.mkdir(exist_ok=True)
        return trained_here(folder, LONG)
