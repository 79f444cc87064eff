"""The runner's end of its warden, where that ends in the middle of something."""

import socket

import pytest

from pbt_operator.runners.local.warden_link import WardenLink, WardenLost


@pytest.mark.parametrize("orders", [b"", b"an order that it never reads"])
def test_a_warden_that_is_gone_is_told_of_in_one_sentence(orders: bytes) -> None:
    """With orders unread, the kernel resets the connection instead of ending it."""
    ours, its = socket.socketpair()
    link = object.__new__(WardenLink)
    link._socket, link._buffer = ours, b""
    ours.sendall(orders)
    its.close()
    with ours, pytest.raises(WardenLost, match="keeps the trainers is gone"):
        list(link.receive())
