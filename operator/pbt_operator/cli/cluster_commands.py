"""The commands about a cluster only, and their options. What each does is imported when it is called."""

from typing import Annotated

import typer

from pbt_operator.cli.options import Context, Kubeconfig, Name, Namespace, chosen_cluster


def suspend(
    name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """Let a Population save and give up its pods for a while."""
    from pbt_operator.cli.steer import SUSPEND, steer

    steer(name, SUSPEND, chosen_cluster(namespace, context, kubeconfig))


def resume(
    name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """Go on with a suspended Population."""
    from pbt_operator.cli.steer import RESUME, steer

    steer(name, RESUME, chosen_cluster(namespace, context, kubeconfig))


def finish(
    name: Name, namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None
) -> None:
    """End a Population now and keep the best."""
    from pbt_operator.cli.steer import FINISH, steer

    steer(name, FINISH, chosen_cluster(namespace, context, kubeconfig))


def logs(
    name: Name,
    member: Annotated[int, typer.Argument(metavar="MEMBER", min=0, help="Its number.")],
    *,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="Of the incarnation before the newest.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the trainer ends.")] = False,
    namespace: Namespace = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what a member's trainer prints."""
    from pbt_operator.cli.show_logs import show_logs

    show_logs(name, member, chosen_cluster(namespace, context, kubeconfig), previous=previous, follow=follow)


def version(namespace: Namespace = None, context: Context = None, kubeconfig: Kubeconfig = None) -> None:
    """Show the versions of pbt and of the operator on a cluster."""
    from pbt_operator.cli.show_version import show_version

    show_version(chosen_cluster(namespace, context, kubeconfig), ask_cluster=True)
