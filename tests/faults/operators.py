"""Operators of this machine that drive one namespace, and what kills them at a write of an exploit.

Their store has a name that the operator of the chart doesn't know: it refuses their Populations once, and leaves them
alone from then on.
"""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster.applied import Applied
from cluster.release import ENDPOINT
from cluster.space import Space
from faults.proxies import Judge, Lost, Moment, Request, kubeconfig, proxy, to_api, to_store
from support.operator_process import Operator
from support.s3server import write_credentials

STORE = "own"
ROUND, BIRTH, DELETION, POD_DELETION, POD_CREATION, EXPLOITED, DECIDED, STATUS, LATER_STATUS = WRITES = (
    "round record",
    "birth",
    "deletion of checkpoints",
    "pod deletion",
    "pod creation",
    "Event Exploited",
    "Event RoundDecided",
    "status",
    "status with the newborn",
)
"""All that is written in the course of an exploit."""

KINDS = {
    r"PUT .*/rounds/\d+\.json": ROUND,
    r"PUT .*/births/[\d-]+\.json": BIRTH,
    r"POST .*\?delete": DELETION,
    r"DELETE .*/pods/[^/]+": POD_DELETION,
    r"POST .*/pods": POD_CREATION,
    r"PATCH .*/status": STATUS,
}


def kind_of(request: Request) -> str:
    """What a request writes, in words."""
    path = request.path if request.path.endswith("?delete") else request.path.split("?")[0]
    line = f"{request.method} {path}"
    if line.startswith("POST") and line.endswith("/events"):
        return f"Event {json.loads(request.body)['reason']}"
    return next((kind for form, kind in KINDS.items() if re.fullmatch(form, line)), line)


@contextmanager
def own_operator(space: Space, folder: Path, judge: Judge) -> Iterator[Operator]:
    """An operator for one namespace, which isn't started yet; it ends with the block.

    Args:
        space: the namespace.
        folder: gets its files.
        judge: sees all its requests, to the API server and to the store.
    """
    folder.mkdir()
    write_credentials(
        folder / "credentials", access_key=space.server.access_key, secret_key=space.server.secret_key
    )
    store = {
        "name": STORE,
        "bucket": space.server.bucket,
        "prefix": space.release.prefix,
        "endpoint": ENDPOINT,
        "pathStyle": True,
        "credentials": str(folder / "credentials"),
    }
    config = {"namespaces": [space.name], "stores": [store], "pollSeconds": 1, "logFormat": "text"}
    with ExitStack() as stack:
        ports = [
            stack.enter_context(proxy(connect, judge))
            for connect in (to_api(space.cluster, folder), to_store(space.server.endpoint))
        ]
        operator = Operator(
            folder / "operator",
            config,
            kubeconfig(ports[0], folder / "kubeconfig"),
            # Trainers reach the store by the same name, in the cluster.
            environment={"HTTP_PROXY": f"http://127.0.0.1:{ports[1]}", "NO_PROXY": "127.0.0.1"},
        )
        stack.callback(operator.close)
        yield operator


def until_left_alone(applied: Applied) -> None:
    """Waits until the operator of the chart has refused the Population."""
    applied.until_condition("Accepted", status="False", reason="UnknownStore")


class Killer:
    """Kills an operator at one write of an exploit.

    An exploit's writes begin with the record of a round that has losers and end with the status that is written after
    the newborn's pod was created.

    Attributes:
        operator: whom to kill.
        deaths: what it was writing each time, and whether the server had done it.
        seconds: after each death, how long it took until a round was decided.
        seen: all that was written in the course of exploits.
    """

    def __init__(self) -> None:
        self.operator: Operator
        self.deaths: list[tuple[str, Moment]] = []
        self.seconds: list[float] = []
        self.seen: set[str] = set()
        self._lock = threading.Lock()
        self._wanted: tuple[str, Moment] | None = None
        self._writes: list[str] = []  # of the exploit that goes on; empty while none does
        self._target: Request | None = None
        self._died_at: float | None = None

    def arm(self, kind: str, moment: Moment) -> None:
        """From the next exploit on it waits for the first write of a kind."""
        with self._lock:
            self._wanted, self._writes = (kind, moment), []

    @property
    def armed(self) -> bool:
        """Whether nobody has died since."""
        with self._lock:
            return self._wanted is not None

    def judge(self, request: Request, moment: Moment) -> None:
        """See `Judge`."""
        with self._lock:
            if moment is Moment.BEFORE and request.writes:
                self._follow(request)
            if self._wanted is None or request is not self._target or moment is not self._wanted[1]:
                return
            self.operator.end(signal.SIGKILL)
            self.deaths.append(self._wanted)
            self._target = self._wanted = None
            self._writes, self._died_at = [], time.monotonic()
        raise Lost

    def _follow(self, request: Request) -> None:
        kind = kind_of(request)
        if kind == ROUND:
            if self._died_at is not None:
                self.seconds.append(time.monotonic() - self._died_at)
                self._died_at = None
            self._writes = [ROUND] if json.loads(request.body).get("decisions") else []
        elif self._writes:
            self._writes.append(LATER_STATUS if kind == STATUS and POD_CREATION in self._writes else kind)
        if not self._writes:
            return
        self.seen.add(self._writes[-1])
        if self._wanted is not None and self._wanted[0] == self._writes[-1]:
            self._target = request
        if self._writes[-1] == LATER_STATUS:
            self._writes = []
