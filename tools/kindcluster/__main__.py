"""`python -m kindcluster` with `build`, `up`, `load`, `down`, `status` or `env`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from kindcluster import lifetime
from kindcluster.machine import ClusterError, say, why_not
from programs.build import BuildError, binary


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(prog="kindcluster", description="The kind cluster of the tests.")
    commands = {
        "build": "build what it is made of, and start nothing",
        "up": "start it, or bring the images of a running one up to date",
        "load": "build and load the images that changed",
        "down": "remove it",
        "status": "show what runs",
        "env": "print the settings by which a shell uses it, for `eval`",
    }
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, words in commands.items():
        subparsers.add_parser(name, help=words)
    command = parser.parse_args().command
    try:
        _COMMANDS[command]()
    except (ClusterError, BuildError) as error:
        sys.exit(f"kindcluster: {error}")


def _build() -> None:
    reason = why_not()
    if reason:
        print(reason)
    else:
        lifetime.prepare()
        binary("kueue")  # takes minutes, which the tests that ask for it don't have


def _up() -> None:
    lifetime.up(kept=True)
    say('the cluster is up; eval "$(make -s cluster-env)" lets kubectl and helm use it')


def _print_environment() -> None:
    folders = ":".join(str(binary(program).parent) for program in ("kubectl", "helm"))
    scripts = Path(sys.executable).parent  # with kubectl-pbt
    print(f'export KUBECONFIG={lifetime.own().access.kubeconfig} PATH={folders}:{scripts}:"$PATH"')


def _show() -> None:
    cluster = lifetime.own()
    if not cluster.runs():
        sys.exit("the cluster doesn't run; `make cluster-up` starts it")
    print(cluster.access.kubectl("get", "nodes,pods", "--all-namespaces", "-o", "wide").stdout)


_COMMANDS: dict[str, Callable[[], object]] = {
    "build": _build,
    "up": _up,
    "load": lifetime.refresh,
    "down": lifetime.down,
    "status": _show,
    "env": _print_environment,
}

if __name__ == "__main__":
    main()
