"""`pbt --version` and `pbt version`: which version this is, and which operators a cluster runs."""

from importlib.metadata import version

from pbt_operator.cli.cluster import ClusterOptions, ClusterRefused, NoCluster, Resource, connect
from pbt_operator.cli.output import say

VERSION_LABEL = "app.kubernetes.io/version"


def show_version(options: ClusterOptions, *, ask_cluster: bool) -> None:
    """Prints the versions, a line for each. That no operator can be seen is no error.

    Args:
        options: the cluster.
        ask_cluster: whether to look for operators.

    Raises:
        NoCluster: the options name a cluster that isn't there.
    """
    say(f"pbt {version('pbt-operator')}")
    if ask_cluster:
        for line in _operators(options):
            say(line)


def _operators(options: ClusterOptions) -> list[str]:
    try:
        found = connect(options).operators()
    except NoCluster as error:
        if options.given:
            raise
        return [f"operator unknown: {error}"]
    except ClusterRefused as error:
        return [f"operator unknown: {error}"]
    return [_line(deployment) for deployment in found] or [
        "operator not found: is the chart pbt-operator installed?"
    ]


def _line(deployment: Resource) -> str:
    metadata = deployment["metadata"]
    number = metadata.get("labels", {}).get(VERSION_LABEL, "of unknown version")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    image = next((c["image"] for c in containers if c["name"] == "operator"), "none")
    return f"operator {number}, {metadata['name']} in namespace {metadata['namespace']}, image {image}"
