"""What `kubectl get --watch` shows of one resource in a namespace, from the beginning to the end of a test."""

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Body = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One event of a watch: ADDED, MODIFIED or DELETED, and the object after it."""

    kind: str
    body: Body


class Watch:
    """A watch until it is closed; begun anew when the API server ends it, as it does after a change of a CRD.

    Attributes:
        changes: everything that it showed, in its order.
        now: the objects that are there, by name.
        broken: why it shows nothing any more; None while it does.
        endures: whether it is also begun anew where kubectl fails: the API server is taken away for a while.
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
        self.broken: str | None = None
        self.endures = False
        self._command, self._environment, self._news = [*command, "--output=json"], dict(environment), news
        self._closed = False
        self._process = self._start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._closed = True
        while self._thread.is_alive():  # it may be starting another one
            self._process.terminate()
            self._thread.join(0.1)

    def _start(self) -> "subprocess.Popen[str]":
        command = [*self._command, "--watch", "--output-watch-events"]
        return subprocess.Popen(
            command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def _run(self) -> None:
        while (self._follow() or self.endures) and not self._closed:
            if self._process.returncode:
                time.sleep(1)
            self._process = self._start()
            self._miss()

    def _follow(self) -> bool:
        """Takes all that the process shows; returns whether the API server ended it."""
        output, errors = self._process.stdout, self._process.stderr
        assert output
        assert errors
        with self._process, output, errors:
            for line in output:
                event = json.loads(line)
                self._take(Change(event["type"], event["object"]))
            told = errors.read()
        if self._process.returncode and not self._closed and not self.endures:
            self.broken = f"kubectl ended with {self._process.returncode}: {told}"
        return self._process.returncode == 0

    def _miss(self) -> None:
        """What is gone and was there before: the watch that has just begun doesn't tell of it."""
        done = subprocess.run(
            self._command, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            self.broken = None if self.endures else f"kubectl can't list: {done.stderr}"
            return
        there = {body["metadata"]["uid"] for body in json.loads(done.stdout)["items"]}
        for body in self.now.values():
            if body["metadata"]["uid"] not in there:
                self._take(Change("DELETED", body))

    def _take(self, change: Change) -> None:
        name = change.body["metadata"]["name"]
        with self._news:
            self.changes.append(change)
            # A new mapping each time: others may be looking through the one before.
            others = {known: body for known, body in self.now.items() if known != name}
            self.now = others if change.kind == "DELETED" else {**others, name: change.body}
            self._news.notify_all()
