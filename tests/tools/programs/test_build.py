"""Programs are built once, named by what they are made of, and a failure says what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from programs import build
from programs.build import binary

pytestmark = pytest.mark.process

BUILD = Path(__file__).parents[3] / "tools" / "programs" / "build.py"

GO = """#!/bin/sh
if [ "$1" = env ]; then echo ${GO_SAYS:-go1.26.8}; exit; fi
echo "$GOTOOLCHAIN $GOFLAGS $PWD $*" >> "$GO_LOG"
while [ "$1" != -o ]; do shift; done
[ -z "$GO_FAILS" ] || { echo "no such module" >&2; exit 1; }
case "$2" in
  */) folder=$2; shift 2; for package; do echo program > "$folder${package##*/}"; done;;
  *) echo "cgo $CGO_ENABLED" > "$2";;
esac
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A Go that writes down what it is asked for, and an empty cache."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(GO)
    go.chmod(0o755)
    path = f"{go.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "GO_LOG": str(tmp_path / "log"), "PBT_CACHE": str(tmp_path / "cache")}


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(BUILD), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_build_a_program_once(environment: dict[str, str], tmp_path: Path) -> None:
    builds = [start(environment, "minio") for _ in range(3)]
    printed = {build.communicate(timeout=60)[0].strip() for build in builds}
    assert len(printed) == 1
    program = Path(printed.pop())
    assert program.read_text() == "cgo 0\n"
    assert program.is_relative_to(tmp_path / "cache")
    [line] = (tmp_path / "log").read_text().splitlines()
    assert line.startswith(f"local -mod=readonly {BUILD.parent}/minio build -trimpath -ldflags -s -w -o ")
    assert line.endswith(" github.com/minio/minio")


def test_one_command_builds_what_lacks_of_a_group(environment: dict[str, str], tmp_path: Path) -> None:
    start(environment, "kubectl").communicate(timeout=60)
    printed = start(environment, "kubelet", "etcd", "kubectl", "kubeadm").communicate(timeout=60)[0]
    names = [Path(line).name for line in printed.splitlines() if Path(line).is_file()]
    assert sorted(names) == ["etcd", "kubeadm", "kubectl", "kubelet"]
    _, kubernetes, _ = (tmp_path / "log").read_text().splitlines()
    assert kubernetes.endswith("/ k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kubeadm")
    assert "version.gitVersion=v1." in kubernetes


def test_runc_alone_is_built_with_c(environment: dict[str, str], tmp_path: Path) -> None:
    printed = start(environment, "runc").communicate(timeout=60)[0]
    assert Path(printed.strip()).read_text() == "cgo 1\n"
    assert " -tags seccomp,netgo,osusergo " in (tmp_path / "log").read_text()


def test_assets_of_ones_own_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name in ("PATH", "PBT_CACHE", "GO_LOG"):
        monkeypatch.setenv(name, environment[name])
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "etcd").touch()
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    assert binary("etcd") == assets / "etcd"
    assert binary("helm").is_relative_to(tmp_path / "cache")


def test_another_go_makes_another_program(environment: dict[str, str]) -> None:
    one = start(environment, "minio").communicate(timeout=60)[0]
    other = start({**environment, "GO_SAYS": "go1.27.0"}, "minio").communicate(timeout=60)[0]
    assert one != other


def test_other_sources_make_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Of a program of our own; the others have none beside their go.mod."""
    for name in ("PATH", "PBT_CACHE", "GO_LOG"):
        monkeypatch.setenv(name, environment[name])
    module = tmp_path / "own"
    module.mkdir()
    for name in ("go.mod", "go.sum", "main.go"):
        (module / name).write_text("go 1.26.0\n")
    keys = []
    for source in ("package main", "package main // changed"):
        (module / "main.go").write_text(source)
        keys.append(build._key(module, build.GROUPS["health"], "health", "go1.26.8"))
    assert keys[0] != keys[1]


def test_a_failed_build_tells_why_and_is_tried_again(environment: dict[str, str]) -> None:
    failed = start({**environment, "GO_FAILS": "1"}, "minio")
    assert "no such module" in failed.communicate(timeout=60)[1]
    assert failed.returncode == 1
    assert start(environment, "minio").communicate(timeout=60)[0].strip().endswith("/minio")


@pytest.mark.parametrize("arguments", [[], ["nonesuch"]])
def test_an_unknown_program_is_refused(environment: dict[str, str], arguments: list[str]) -> None:
    refused = start(environment, *arguments)
    assert "no program" in refused.communicate(timeout=60)[1]
    assert refused.returncode == 1
