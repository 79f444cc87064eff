"""`pbt operator`: the process that the chart runs, and the two checks that its hooks run."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

if TYPE_CHECKING:
    from pbt_operator.runners.kubernetes.config import OperatorConfig, StoreConfig

CONFIG = Path("/etc/pbt-operator/config.yaml")
Config = Annotated[Path, typer.Option("--config", metavar="FILE", help="The operator's config file.")]

app = typer.Typer(
    help="The operator on a cluster. The Helm chart runs these.", rich_markup_mode=None, no_args_is_help=False
)


@app.callback(invoke_without_command=True)
def run(context: typer.Context, config: Config = CONFIG) -> None:
    """Drives the Populations of a cluster until it is told to end."""
    context.obj = config
    if context.invoked_subcommand is None:
        from pbt_operator.runners.kubernetes.handlers import serve

        serve(_read(config))


@app.command("check-stores")
def check_stores(context: typer.Context, config: Config = CONFIG) -> None:
    """Writes to each store as the operator does, conditionally, and deletes it again."""
    from pbt_contract.errors import PbtError

    failed = False
    for store in _read(_given(context, config)).stores:
        try:
            _probe(store)
        except PbtError as error:
            failed = True
            typer.echo(f"store {store.name}: {error}", err=True)
        else:
            typer.echo(f"store {store.name}: ready")
    if failed:
        raise typer.Exit(1)


@app.command("check-uninstall")
def check_uninstall(context: typer.Context, config: Config = CONFIG) -> None:
    """Fails while there are Populations in the namespaces that the operator serves."""
    from pbt_operator.runners.kubernetes.api import Api
    from pbt_operator.runners.kubernetes.api_errors import Missing

    api = Api.of_this_pod(connections=1)
    found = []
    for namespace in _read(_given(context, config)).namespaces or [None]:
        with suppress(Missing):  # the custom resource itself isn't there
            found += [body["metadata"] for body in api.populations(namespace)]
    if found:
        names = ", ".join(f"{one['namespace']}/{one['name']}" for one in found[:20])
        more = f" and {len(found) - 20} more" if len(found) > 20 else ""
        told = (
            f"There are still Populations, which nothing would drive any more: {names}{more}. Delete them and "
            "uninstall again, or leave them with `helm uninstall --no-hooks`. To keep the release: `helm rollback`."
        )
        typer.echo(told, err=True)
        raise typer.Exit(1)


def _given(context: typer.Context, config: Path) -> Path:
    """`--config` may stand before or behind the command."""
    return config if config != CONFIG else (context.obj or config)


def _read(path: Path) -> "OperatorConfig":
    from pbt_operator.cli.output import Mistake
    from pbt_operator.manifest.errors import ManifestError
    from pbt_operator.runners.kubernetes.config import read_config

    try:
        return read_config(path)
    except ManifestError as error:
        raise Mistake(str(error)) from error


def _probe(store: "StoreConfig") -> None:
    from pbt_contract.stores.probe import probe
    from pbt_operator.runners.kubernetes.store_clients import open_location

    folder = "/".join(part for part in (store.bucket, store.prefix, "pbt-check", uuid4().hex[:8]) if part)
    probe(open_location(store, f"s3://{folder}"))
