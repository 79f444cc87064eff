"""Pod networking without a daemon: each node's own bridge-less network, and routes between the nodes."""

import json

from kindcluster.engine import Engine

_FILE = "/etc/cni/net.d/10-pbt.conflist"


def connect(engine: Engine, nodes: dict[str, tuple[str, str]]) -> None:
    """Writes each node's network and its routes to the others; doing it again is harmless.

    Args:
        engine: runs the nodes.
        nodes: by name the node's address and its pods' subnet.

    Raises:
        ClusterError: a node doesn't take it.
    """
    for name, (_, subnet) in nodes.items():
        engine.execute(name, "cp", "/dev/stdin", _FILE, input=json.dumps(_network(subnet)).encode())
        routes = [
            f"ip route replace {other} via {address}" for address, other in nodes.values() if other != subnet
        ]
        engine.execute(name, "sh", "-ec", "; ".join(routes))


def _network(subnet: str) -> dict[str, object]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": "0.4.0",
        "name": "pbt",
        "plugins": [
            {"type": "ptp", "ipMasq": True, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
