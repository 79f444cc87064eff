"""What `kubectl get --watch` shows of one resource in a namespace, from the beginning and without a gap."""

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One event of a watch: ADDED, MODIFIED or DELETED, and the object after it."""

    kind: str
    body: Body


class Watch:
    """A watch that goes on until it is closed.

    Attributes:
        changes: everything that it showed, in its order.
        now: the objects that are there, by name.
    """

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], news: threading.Condition
    ) -> None:
        """Starts it.

        Args:
            command: kubectl with the options that reach the resource: `kubectl get pods --namespace=x`, say.
            environment: of kubectl.
            news: notified of every change.
        """
        self.changes: list[Change] = []
        self.now: dict[str, Body] = {}
        self._news = news
        whole = [*command, "--watch", "--output-watch-events", "--output=json"]
        self._process = subprocess.Popen(
            whole, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self._thread = threading.Thread(target=self._read, args=[self._process.stdout], daemon=True)
        self._thread.start()

    @property
    def broken(self) -> str | None:
        """Why it shows nothing any more; None while it does."""
        if self._process.poll() is None:
            return None
        assert self._process.stderr
        return f"kubectl ended with {self._process.returncode}: {self._process.stderr.read()}"

    def close(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe
            pipe.close()

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            event = json.loads(line)
            self._take(Change(event["type"], event["object"]))

    def _take(self, change: Change) -> None:
        name = change.body["metadata"]["name"]
        with self._news:
            self.changes.append(change)
            # A new mapping each time: others may be looking through the one before.
            others = {known: body for known, body in self.now.items() if known != name}
            self.now = others if change.kind == "DELETED" else {**others, name: change.body}
            self._news.notify_all()
