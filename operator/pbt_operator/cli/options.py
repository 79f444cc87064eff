"""The arguments and options that several commands take."""

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """For people, or for programs."""

    TEXT = "text"
    JSON = "json"


class ScheduleForm(StrEnum):
    """The forms of a schedule."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


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
