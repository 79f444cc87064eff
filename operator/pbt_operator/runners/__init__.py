"""Where members run. A runner is one module or folder here, and a line in `RUNNERS`.

It provides what `control.runner.Runner` asks for. One that `pbt run` drives is a `foreground.ForegroundRunner` too.
"""

from pkgutil import resolve_name
from typing import Any, NamedTuple


class Registered(NamedTuple):
    """A runner.

    Attributes:
        path: of its class, `module:class`; imported when it is chosen, because each needs libraries of its own.
        command: what drives it, `run` or `operator`.
    """

    path: str
    command: str


RUNNERS = {
    "kubernetes": Registered("pbt_operator.runners.kubernetes.cluster_runner:ClusterRunner", "operator"),
    "local": Registered("pbt_operator.runners.local.local_runner:LocalRunner", "run"),
}


def runner_of(name: str) -> Any:
    """The class of a runner.

    Raises:
        KeyError: there is none of that name.
    """
    return resolve_name(RUNNERS[name].path)
