"""Images on their way into nodes. Nodes on podman copy nothing: they use the layers as the engine keeps them.

The engine's layers lie unpacked on this machine. Each is hard-linked into the cache's folder `layers`, which every
node sees; a node's containerd is told that it has unpacked them, by committed snapshots that are links into that
folder. An image of gigabytes is so on all nodes in a second, and its pages are in memory once.
"""

import hashlib
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kindcluster.engine import Engine
from kindcluster.images import full_name
from kindcluster.machine import run, step
from programs.build import cache

IN_NODE = "/layers"
"""Where nodes see `layers()`."""

_CTR = "ctr --namespace k8s.io"
_OCI = "application/vnd.oci.image"

# Arguments: the snapshot's name, its parent's name or nothing, the layer's folder.
_LINK = f"""\
link() {{
  {_CTR} snapshots info "$1" >/dev/null 2>&1 && return
  {_CTR} snapshots remove "new-$1" 2>/dev/null || true
  mount=$({_CTR} snapshots prepare --target /mnt "new-$1" $2)
  folder=$(sed -E 's/.*upperdir=([^,]*).*/\\1/; s/.* (\\/[^ ]*\\/fs) \\/mnt .*/\\1/' <<<"$mount")
  rmdir "$folder"
  ln -s "$3" "$folder"
  {_CTR} snapshots commit "$1" "new-$1"
}}
"""


def layers() -> Path:
    """The folder of unpacked layers, each under its digest."""
    return cache() / "layers"


def load(engine: Engine, cluster: str, *, image: str, nodes: list[str]) -> None:
    """Makes an image of the engine known on nodes.

    Raises:
        ClusterError: a node doesn't take it.
    """
    if engine.name == "docker":
        with step(f"loading {image}"):
            engine.kind(
                "load", "docker-image", full_name(image), "--name", cluster, "--nodes", ",".join(nodes)
            )
        return
    found = _Image(full_name(image), json.loads(engine("image", "inspect", full_name(image)))[0])
    stale = [node for node in nodes if not found.lies_on(engine, node)]
    if stale:
        with step(f"loading {image}"), ThreadPoolExecutor() as threads:
            found.link()
            list(threads.map(lambda node: found.send(engine, node), stale))


@dataclass(frozen=True)
class _Image:
    """An image as podman describes it, and as OCI's documents do."""

    name: str
    inspected: dict[str, Any]

    @property
    def diffs(self) -> list[str]:
        """The digests of the layers, from the lowest up."""
        return list(self.inspected["RootFS"]["Layers"])

    @cached_property
    def config(self) -> bytes:
        ours = {"architecture": self.inspected["Architecture"], "os": self.inspected["Os"]}
        root = {"type": "layers", "diff_ids": self.diffs}
        return json.dumps(
            {**ours, "config": self.inspected["Config"], "rootfs": root}, sort_keys=True
        ).encode()

    @cached_property
    def manifest(self) -> bytes:
        # Nobody reads layers that are unpacked; their sizes are unknown here.
        unpacked = [{"mediaType": f"{_OCI}.layer.v1.tar", "digest": diff, "size": 1} for diff in self.diffs]
        config = _descriptor(self.config, "config.v1+json")
        kind = {"schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json"}
        return json.dumps({**kind, "config": config, "layers": unpacked}).encode()

    def lies_on(self, engine: Engine, node: str) -> bool:
        """Whether the node has this very image under this name."""
        listed = engine.execute(node, *_CTR.split(), "images", "list", f"name=={self.name}")
        return _digest(self.manifest) in listed

    def link(self) -> None:
        """Puts the layers where nodes see them."""
        data = self.inspected["GraphDriver"]["Data"]
        below = data["LowerDir"].split(":") if data.get("LowerDir") else []
        for diff, folder in zip(self.diffs, [*reversed(below), data["UpperDir"]], strict=True):
            target = layers() / diff.removeprefix("sha256:")
            if not target.exists():
                layers().mkdir(parents=True, exist_ok=True)
                unfinished = target.with_suffix(".unfinished")
                run(["rm", "-rf", unfinished])
                run(["cp", "--archive", "--link", folder, unfinished])
                unfinished.rename(target)

    def send(self, engine: Engine, node: str) -> None:
        """Tells a node of the layers, then of the image."""
        script, parent = ["set -euo pipefail", _LINK], ""
        for diff in self.diffs:
            chain = _digest(f"{parent} {diff}".encode()) if parent else diff
            script.append(f"link {chain} '{parent}' {IN_NODE}/{diff.removeprefix('sha256:')}")
            parent = chain
        engine.execute(node, "bash", "-s", input="\n".join(script).encode())
        engine.execute(node, *_CTR.split(), "images", "import", "-", input=self._archive())

    def _archive(self) -> bytes:
        """The image in OCI's layout, without its layers."""
        entry = {
            **_descriptor(self.manifest, "manifest.v1+json"),
            "annotations": {"org.opencontainers.image.ref.name": self.name},
        }
        files = {
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
            "index.json": json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(),
            **{f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in (self.manifest, self.config)},
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()


def _descriptor(blob: bytes, kind: str) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
