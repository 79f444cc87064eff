"""The commands and their options. What a command does is imported when it is called, so that `--help` is quick."""

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from pbt_operator.cli import RUNS, is_plugin, program
from pbt_operator.cli.cluster_commands import finish, logs, resume, suspend, version
from pbt_operator.cli.options import (
    Context,
    Exported,
    Form,
    Kubeconfig,
    Namespace,
    Output,
    OutputOption,
    ScheduleForm,
    Target,
    chosen_cluster,
)
from pbt_operator.cli.run_operator import app as operator_app

app = typer.Typer(
    help="Population Based Training: on this machine, and on a cluster.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(operator_app, name="operator")


def _print_version(*, asked: bool) -> None:
    if not asked:
        return
    from pbt_operator.cli.cluster import ClusterOptions
    from pbt_operator.cli.show_version import show_version

    show_version(ClusterOptions(), ask_cluster=is_plugin())
    raise typer.Exit


@app.callback()
def options_of_all(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=lambda value: _print_version(asked=value),
            help="Print the version of pbt; `pbt version` asks the cluster for the operator's too.",
        ),
    ] = False,
) -> None:
    """Population Based Training: on this machine, and on a cluster."""


@app.command()
def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The manifest.")],
    directory: Annotated[str, typer.Option("--dir", help="Where populations are kept.")] = RUNS,
    parallelism: Annotated[
        int | None, typer.Option(min=1, help="Members that train at once, instead of the manifest's.")
    ] = None,
    runner: Annotated[str, typer.Option(hidden=True, help="Where they train.")] = "local",
) -> None:
    """Run a population on this machine, or go on with it."""
    if is_plugin():
        raise typer.BadParameter(
            f"on a cluster it is `kubectl apply -f {file}`; `pbt run` is for this machine"
        )
    from pbt_operator.cli.run_population import run_population

    raise typer.Exit(run_population(file, directory, parallelism, runner=runner))


@app.command(context_settings={"ignore_unknown_options": True})  # they are the script's
def check(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCRIPT [ARGUMENT]...]", help="The script; else the manifest's command."),
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="The manifest that it is for.")
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter to train with; may be repeated."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="The first report is due after so many, at most.")] = 20,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that each of its processes may take.")] = 600,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check a training script before a population runs it."""
    if is_plugin():
        raise typer.BadParameter("`pbt check` starts the script on this machine")
    from pbt_operator.cli.check_script import check_script

    code = check_script(
        command or [],
        file=file,
        given=given or [],
        steps=steps,
        seconds=timeout,
        as_json=output is Output.JSON,
    )
    raise typer.Exit(code)


@app.command()
def status(
    target: Target,
    *,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="By the records: all members, whatever the cluster says.")
    ] = False,
    output: OutputOption = Output.TEXT,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show where a population stands."""
    from pbt_operator.cli.show_status import show_status

    options = chosen_cluster(namespace, context, kubeconfig)
    show_status(target, options, from_store=from_store, as_json=output is Output.JSON)


@app.command()
def lineage(
    target: Target,
    member: Annotated[int | None, typer.Option(min=0, help="This member's instead of the winner's.")] = None,
    output: OutputOption = Output.TEXT,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show the lives behind the winner or a member."""
    from pbt_operator.cli.show_lineage import show_lineage

    with _located(target, namespace, context, kubeconfig) as location:
        show_lineage(location, member=member, as_json=output is Output.JSON)


@app.command()
def schedule(
    target: Target,
    output: Annotated[
        ScheduleForm, typer.Option("--output", "-o", help="table, or yaml or json for programs.")
    ] = ScheduleForm.TABLE,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show the hyperparameter schedule that was found."""
    from pbt_operator.cli.show_schedule import show_schedule

    with _located(target, namespace, context, kubeconfig) as location:
        show_schedule(location, form=output.value)


@app.command()
def fetch(
    target: Target,
    *,
    member: Annotated[int | None, typer.Option(min=0, help="This member's newest checkpoint.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The best ever (default).")] = False,
    final: Annotated[bool, typer.Option("--final", help="The best at the end.")] = False,
    to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to; by default ./NAME-best or the like.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what was fetched there before.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch a checkpoint and verify it."""
    if (member is not None) + best + final > 1:
        raise typer.BadParameter("give only one of --member, --best and --final")
    from pbt_operator.cli.fetch import fetch_checkpoint

    with _located(target, namespace, context, kubeconfig) as location:
        fetch_checkpoint(location, member=member, final=final, to=to, force=force)


@app.command()
def report(
    target: Target,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="The page; by default ./NAME-report.html.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write the whole story as one HTML page."""
    from pbt_operator.cli.write_page import write_report

    with _located(target, namespace, context, kubeconfig) as location:
        write_report(location, to=to)


@app.command()
def export(
    target: Target,
    form: Annotated[Form, typer.Option("--to", help="csv, or jsonl: a JSON object a line.")],
    table: Annotated[Exported, typer.Option("--table", help="Which records.")] = Exported.REPORTS,
    file: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="By default standard output.")
    ] = None,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Write the records as a table, with all metrics."""
    from pbt_operator.cli.export import export as export_table

    with _located(target, namespace, context, kubeconfig) as location:
        export_table(location, form=form.value, table=table.value, to=file)


@app.command()
def audit(
    target: Target,
    output: OutputOption = Output.TEXT,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Replay every decision from the records and check the invariants."""
    from pbt_operator.cli.check_audit import check_audit

    with _located(target, namespace, context, kubeconfig) as location:
        code = check_audit(location, as_json=output is Output.JSON)
    raise typer.Exit(code)


for command in (suspend, resume, finish, logs, version):
    app.command()(command)


def _located(
    target: str, namespace: str | None, context: str | None, kubeconfig: str | None
) -> AbstractContextManager[str]:
    from pbt_operator.cli.place import find, located

    return located(find(target, chosen_cluster(namespace, context, kubeconfig)))


def main(arguments: list[str] | None = None) -> None:
    """Runs a command. Exit codes: 1 for what went wrong on the way, 2 for what was asked in a wrong way."""
    from pbt_contract.errors import PbtError

    try:
        try:
            app(arguments, prog_name=program())
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
