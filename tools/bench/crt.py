"""AWS' C client beside ours, in a process of the peers' environment: its library would change how our boto3 works."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import peer
from bench.transfers import FETCHED, SENT
from support.s3server import Server

SCRIPT = Path(__file__).parent / "clients" / "crt.py"


@contextmanager
def client(server: Server, key: str, folder: Path) -> Iterator[Callable[[str], float]]:
    """A function that uploads the file of `bench.transfers` or downloads it, and returns the seconds.

    Raises:
        PeerMissing: there is no such client here.
    """
    told = {
        "endpoint": server.endpoint,
        "bucket": server.bucket,
        "key": key,
        "path": str(folder / SENT),
        "target": str(folder / FETCHED),
    }
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }
    with subprocess.Popen(
        [str(peer.python()), str(SCRIPT), json.dumps(told)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        asked, answers = process.stdin, process.stdout
        assert asked
        assert answers
        if answers.readline().strip() != "ready":
            raise peer.PeerMissing("AWS' C client didn't start")

        def move(way: str) -> float:
            asked.write(f"{way}\n")
            asked.flush()
            return float(answers.readline())

        try:
            yield move
        finally:
            asked.close()
