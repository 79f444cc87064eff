"""The arguments and options that several commands take."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pbt_operator.cli.cluster import ClusterOptions


class Output(StrEnum):
    """For people, or for programs."""

    TEXT = "text"
    JSON = "json"


class ScheduleForm(StrEnum):
    """The forms of a schedule."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


class Form(StrEnum):
    """The forms of a table that is exported."""

    CSV = "csv"
    JSONL = "jsonl"


class Exported(StrEnum):
    """The tables that can be exported."""

    REPORTS = "reports"
    SAVES = "saves"
    BIRTHS = "births"
    ENDS = "ends"
    ROUNDS = "rounds"


Target = Annotated[
    str,
    typer.Argument(
        metavar="POPULATION",
        help="A run on this machine or a Population on a cluster, by its name; a folder; or s3://BUCKET/PREFIX.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The Population on a cluster.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text, or json for programs.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Of the Population, on a cluster.")]
Context = Annotated[
    str | None, typer.Option("--context", help="The cluster, by its context in the kubeconfig.")
]
Kubeconfig = Annotated[
    str | None, typer.Option("--kubeconfig", metavar="FILE", help="Instead of $KUBECONFIG or ~/.kube/config.")
]


def chosen_cluster(namespace: str | None, context: str | None, kubeconfig: str | None) -> "ClusterOptions":
    """The cluster that the options of a command name."""
    from pbt_operator.cli.cluster import ClusterOptions

    return ClusterOptions(namespace, context, kubeconfig)
