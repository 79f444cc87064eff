"""What podman leaves of containers that are gone: a network, control groups, a mount, layers that no image has."""

import json
import os
from contextlib import suppress
from pathlib import Path

from kindcluster.engine import Engine, network_name
from kindcluster.loading import layers
from kindcluster.machine import run, succeeds

_NAMESPACES = Path("/run/netns")
_PRUNE = ("image", "prune", "--force", "--filter", "until=72h")
"""Layers of builds are worth keeping for some days."""


def sweep(engine: Engine) -> None:
    """Removes it all, if this engine runs nothing more."""
    if engine("ps", "--all", "--quiet").strip():
        return
    engine.succeeds("network", "rm", network_name())
    drop_empty_groups()
    # A mount on itself, which stays while anybody's namespace is in it.
    if _NAMESPACES.is_dir() and not any(_NAMESPACES.iterdir()) and succeeds(["umount", _NAMESPACES]):
        _NAMESPACES.rmdir()
    engine(*_PRUNE)
    _drop_unused_layers(engine)


def drop_empty_groups() -> None:
    """Removes podman's control groups that hold no process."""
    for parent in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
        for folder, _, _ in os.walk(parent, topdown=False):
            with suppress(OSError):  # containers of another engine are in it
                Path(folder).rmdir()


def _drop_unused_layers(engine: Engine) -> None:
    images = engine("images", "--quiet", "--no-trunc").split()
    inspected = json.loads(engine("image", "inspect", *images)) if images else []
    used = {layer for image in inspected for layer in image["RootFS"]["Layers"]}
    for folder in layers().glob("*"):
        if f"sha256:{folder.name}" not in used:
            run(["rm", "-rf", folder])
