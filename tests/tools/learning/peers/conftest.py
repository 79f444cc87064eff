"""The peers' environment, which is made once for all: hundreds of megabytes the first time."""

import pytest

from bench import peer

UNREACHABLE = ("error sending request", "failed to fetch", "could not connect", "dns error", "timed out")


@pytest.fixture(scope="session")
def rays():
    """The interpreter of the peers' environment.

    Only a machine that can't reach a package index may do without; whatever else is wrong with it is a failure.
    """
    try:
        return peer.python()
    except peer.PeerMissing as missing:
        if any(reason in str(missing).lower() for reason in UNREACHABLE):
            pytest.skip(str(missing))
        raise
