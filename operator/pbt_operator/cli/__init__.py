"""The command line: `pbt`, and the same commands as a plugin of kubectl, `kubectl pbt`."""

import sys
from pathlib import Path

RUNS = "pbt-runs"
"""Where `pbt run` keeps populations, below the current directory."""


def is_plugin() -> bool:
    """Whether kubectl runs us: then the commands always mean the cluster."""
    return bool(sys.argv) and Path(sys.argv[0]).name.startswith("kubectl-pbt")


def program() -> str:
    """What the user has typed to get here."""
    return "kubectl pbt" if is_plugin() else "pbt"
