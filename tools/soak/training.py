"""Populations that follow each other in a slot: applied, steered, audited at their end, and deleted."""

import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from cluster.applied import Applied
from cluster.space import Space
from kindcluster.machine import ClusterError
from pbt_contract import keys
from pbt_contract.errors import StoreUnavailable
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.records.violation import Violation
from soak.breaking import Breaking
from soak.plan import Steering, Wish
from soak.tally import Tally

LOST = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
TOLERATIONS = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5} for key in LOST
]
LONGEST_SECONDS = 900.0  # a population lasts a minute or two where nothing breaks
AWAY_SECONDS = 240.0  # nothing is away for longer

T = TypeVar("T")


class Training:
    """One slot of populations."""

    def __init__(self, slot: int, space: Space, *, breaking: Breaking, tally: Tally, evidence: Path) -> None:
        """Applies nothing yet; the records of a population that violates something go to `evidence`."""
        self._slot, self._space, self._breaking, self._tally = slot, space, breaking, tally
        self._evidence = evidence

    def run(self, wished: Iterable[Wish], over: threading.Event) -> None:
        """One population after the other; none begins once `over` is set."""
        for number, wish in enumerate(wished, 1):
            if over.is_set():
                return
            name = f"soak-{self._slot}-{number}"
            try:
                self._train(name, wish)
            except Exception as error:  # noqa: BLE001 - it is told, and the next one begins all the same
                [first, *_] = str(error).splitlines() or [""]
                self._tally.violated(f"{name}: {type(error).__name__}: {first}")

    def _train(self, name: str, wish: Wish) -> None:
        self._tally.say(f"{name}: {wish}")
        applied, began = self._apply(name, wish), self._tally.seconds
        try:
            self._steer(applied, wish)
            found = None
            if wish.steering is Steering.DELETED and not ended(applied):
                phase = "Deleted"
                self._delete(applied, purges=True)
            else:
                applied.until(
                    lambda: ended(applied) and not applied.live, "it ended", seconds=LONGEST_SECONDS
                )
                phase = str(applied.status["phase"])
                found = self._audit(applied, since=began)
                self._delete(applied, purges=wish.steering is Steering.DELETED)
        except BaseException:
            self._keep(applied)
            raise
        self._tally.ended(phase, steering=wish.steering, found=found)
        self._tally.say(f"{name}: {phase}")

    def _apply(self, name: str, wish: Wish) -> Applied:
        template = self._space.template("deterministic.py", STEP_SECONDS=str(wish.step_seconds))
        template["spec"]["tolerations"] = TOLERATIONS
        manifest = self._space.population(name, wish.spec, template=template)
        return persistently(lambda: self._space.apply(manifest))

    def _steer(self, applied: Applied, wish: Wish) -> None:
        self._until_round(applied, wish.after_round)
        members = wish.spec["members"]
        match wish.steering:
            case Steering.NOTHING | Steering.DELETED:
                return
            case Steering.SCALED:
                persistently(lambda: applied.patch(members=members + 2))
                self._until_round(applied, wish.after_round + 1)
                persistently(lambda: applied.patch(members=members))
            case Steering.SUSPENDED:
                persistently(lambda: applied.patch(suspend=True))
                self._until(applied, lambda: applied.condition("Suspended")["status"] == "True", "suspended")
                time.sleep(3)
                persistently(lambda: applied.patch(suspend=False))
            case Steering.FINISHED:
                persistently(lambda: applied.patch(finish=True))

    def _until_round(self, applied: Applied, number: int) -> None:
        self._until(applied, lambda: applied.status.get("rounds", 0) >= number, f"at round {number}")

    def _until(self, applied: Applied, fact: Callable[[], bool], what: str) -> None:
        """Waits for something that a population which has ended can't come to any more."""
        applied.until(lambda: fact() or ended(applied), f"it is {what}", seconds=LONGEST_SECONDS)

    def _audit(self, applied: Applied, *, since: float) -> Archive:
        """Its story, in which nothing is wrong; a zombie's last records may be newer than what its successor read."""
        exposed = self._breaking.given_up >= since

        def read() -> tuple[Archive, list[Violation]]:
            found = read_archive(applied.store, readers=4)
            return found, self._space.violations(applied.store, found)

        found, violations = persistently(read)
        wrong = [str(one) for one in violations if not (exposed and one.invariant == 3)]
        if applied.status["phase"] != "Complete":
            wrong.append(f"it failed: {applied.condition('Failed')['message']}")
        for told in wrong:
            self._tally.violated(f"{applied.name}: {told}")
        if wrong:
            self._keep(applied, found)
        return found

    def _delete(self, applied: Applied, *, purges: bool) -> None:
        store = applied.store
        command = ("delete", "population", applied.name, "--wait=false", "--ignore-not-found")
        persistently(lambda: self._space.kubectl(*command))
        applied.until(
            lambda: applied.body is None and not applied.pods, "it is gone", seconds=LONGEST_SECONDS
        )
        left = persistently(lambda: list(store.names("")))
        if bool(left) is purges:
            self._tally.violated(f"{applied.name}: deleted, and {len(left)} keys are left: {left[:5]}")

    def _keep(self, applied: Applied, found: Archive | None = None) -> None:
        """Copies all records, and what the cluster says."""
        folder = self._evidence / applied.name
        folder.mkdir(parents=True, exist_ok=True)
        events = "\n".join(
            f"{event['reason']}: {event['note']}" for event in persistently(lambda: applied.events)
        )
        (folder / "told.txt").write_text(
            f"{events}\n{applied.account(found) if found else applied.space.diagnosis()}"
        )
        for key in persistently(lambda: list(applied.store.names(""))):
            if not key.startswith(keys.CHECKPOINTS):
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(persistently(partial(applied.store.read, key)))


def ended(applied: Applied) -> bool:
    """Whether it is complete, or has failed."""
    return any(applied.condition(kind)["status"] == "True" for kind in ("Complete", "Failed"))


def persistently(action: Callable[[], T]) -> T:
    """Does what a fault may prevent for a while.

    Raises:
        ClusterError: it can't be done, though nothing is broken for so long.
        StoreUnavailable: likewise.
    """
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return action()
        except (ClusterError, StoreUnavailable):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
