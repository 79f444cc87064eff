"""What one operator's watch has shown it of the cluster: late, sometimes twice, or not at all until it lists again."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from simulate.apiserver import ApiServer, Body
from simulate.weather import Weather
from simulate.world import World

DEAF_SECONDS = 20.0


@dataclass
class Watch:
    """What one operator has seen of the cluster: as it was some time ago."""

    server: ApiServer
    world: World
    weather: Weather
    on_change: Callable[[str, Body, bool], None]
    pods: dict[str, Body] = field(default_factory=dict)
    populations: dict[str, Body] = field(default_factory=dict)
    closed: bool = False
    _deaf: bool = False
    _last: float = 0.0
    _listed: int = 0
    _coming: "deque[tuple[int, str, Body, bool]]" = field(default_factory=deque)

    def open(self) -> None:
        """Lists, and hears from now on."""
        self.server.watches.append(self)
        self._list()

    def close(self) -> None:
        """Hears nothing any more."""
        self.closed = True
        if self in self.server.watches:
            self.server.watches.remove(self)

    def hear(self, kind: str, body: Body, *, gone: bool) -> None:
        """Something has changed: it shows later, in order, sometimes twice."""
        if self._deaf:
            return
        if self.weather.strikes("watch goes deaf"):
            self._deaf = True
            self.world.time.after(self.weather.latency("watch") + DEAF_SECONDS, self._list)
            return
        self._last = max(self._last, self.world.time.now + self.weather.latency("watch"))
        for _ in range(2 if self.weather.strikes("watch repeats") else 1):
            self._coming.append((self._listed, kind, body, gone))
            self.world.time.after(self._last - self.world.time.now, self._arrive)

    def _arrive(self) -> None:
        """The next change shows, unless it was under way when the connection broke."""
        listed, *change = self._coming.popleft()
        if listed == self._listed:
            self._show(*change)

    def _list(self) -> None:
        self._deaf = False
        self._listed += 1
        for kind in ("pods", "populations"):
            there, known = getattr(self.server, kind), getattr(self, kind)
            now = {body["metadata"]["uid"]: body for body in there.values()}
            for uid in [uid for uid in known if uid not in now]:
                self._show(kind, known[uid], True)
            for body in now.values():
                self._show(kind, body, False)

    def _show(self, kind: str, body: Body, gone: bool) -> None:
        if self.closed:
            return
        self.world.tell(f"watch shows {body['metadata']['name']} {'gone' if gone else body.get('status')}")
        known: dict[str, Body] = getattr(self, kind)
        uid = body["metadata"]["uid"]
        if gone:
            known.pop(uid, None)
        elif uid in known and _version(known[uid]) > _version(body):
            return  # an older one, shown late
        else:
            known[uid] = body
        self.on_change(kind, body, gone)


def _version(body: Body) -> int:
    return int(body["metadata"]["resourceVersion"])
