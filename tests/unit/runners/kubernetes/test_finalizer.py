"""How a Population that ends, or has lost its location, gets rid of its pods."""

from pbt_operator.runners.kubernetes.finalizer import clear_pods
from pbt_operator.runners.kubernetes.pod_state import LOST_AFTER_SECONDS
from pbt_operator.runners.kubernetes.pod_template import Owner
from support.lagging import GRACE_SECONDS, Server, pods_of, run_one

OWNER = Owner(namespace="team", name="digits", uid="population")


def test_a_pod_on_a_lost_node_is_waited_for_while_it_may_write_and_then_removed():
    """Its quota is free again: nobody else may drive its Population any more."""
    server = Server()
    run_one(server, pods_of(server))
    assert not clear_pods(server, OWNER, server.seen, now=server.now)
    server.show()
    assert not clear_pods(server, OWNER, server.seen, now=server.now + GRACE_SECONDS)
    assert server.requests[1:] == [("delete", "digits-0-1")]

    late = server.now + GRACE_SECONDS + LOST_AFTER_SECONDS + 1
    assert clear_pods(server, OWNER, server.seen, now=late)
    assert server.requests[2:] == [("kill", "digits-0-1")]
    assert server.pods == {}
