"""The commands and their options. What a command does is imported when it is called, so that `--help` is quick."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Population Based Training on this machine, and what a population did, wherever it ran.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    """For people, or for programs."""

    TEXT = "text"
    JSON = "json"


class ScheduleForm(StrEnum):
    """The forms of a schedule."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


Location = Annotated[
    str, typer.Argument(metavar="LOCATION", help="The population: a folder, or s3://BUCKET/PREFIX.")
]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text, or json for programs.")]


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The manifest.")],
    directory: Annotated[str, typer.Option("--dir", help="Where populations are kept.")] = "pbt-runs",
    parallelism: Annotated[
        int | None, typer.Option(min=1, help="Members that train at once, instead of the manifest's.")
    ] = None,
) -> None:
    """Run a population on this machine, or go on with it."""
    from pbt_operator.cli.run import run_population

    raise typer.Exit(run_population(file, directory, parallelism))


@app.command()
def status(location: Location, output: OutputOption = Output.TEXT) -> None:
    """Show where a population stands."""
    from pbt_operator.cli.status import show_status

    show_status(location, as_json=output is Output.JSON)


@app.command()
def lineage(
    location: Location,
    member: Annotated[int | None, typer.Option(min=0, help="This member's instead of the winner's.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the lives behind the winner or a member."""
    from pbt_operator.cli.lineage import show_lineage

    show_lineage(location, member=member, as_json=output is Output.JSON)


@app.command()
def schedule(
    location: Location,
    output: Annotated[
        ScheduleForm, typer.Option("--output", "-o", help="table, or yaml or json for programs.")
    ] = ScheduleForm.TABLE,
) -> None:
    """Show the hyperparameter schedule that was found."""
    from pbt_operator.cli.schedule import show_schedule

    show_schedule(location, form=output.value)


@app.command()
def fetch(
    location: Location,
    *,
    member: Annotated[int | None, typer.Option(min=0, help="This member's newest checkpoint.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The best ever (default).")] = False,
    final: Annotated[bool, typer.Option("--final", help="The best of the last round.")] = False,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; by default ./NAME-best or the like.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was fetched there before.")] = False,
) -> None:
    """Fetch a checkpoint and verify it."""
    if (member is not None) + best + final > 1:
        raise typer.BadParameter("give only one of --member, --best and --final")
    from pbt_operator.cli.fetch import fetch_checkpoint

    fetch_checkpoint(location, member=member, final=final, to=to, force=force)


@app.command()
def report(
    location: Location,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; by default ./NAME-report.html.")
    ] = None,
) -> None:
    """Write the whole story as one HTML page."""
    from pbt_operator.cli.report import write_report

    write_report(location, to=to)


def main(arguments: list[str] | None = None) -> None:
    """Runs a command. Exit codes: 1 for what went wrong on the way, 2 for what was asked in a wrong way."""
    from pbt_trainer.errors import PbtError

    try:
        try:
            app(arguments, prog_name="pbt")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (PbtError, OSError) as error:
        from pbt_operator.cli.output import Mistake, complain

        complain(str(error))
        sys.exit(2 if isinstance(error, Mistake) else 1)


if __name__ == "__main__":
    main()
