"""Carries the faults of a plan out, one after the other; those that last go on while short ones come."""

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from cluster import pods
from cluster.space import Space
from kindcluster.faults import Faults
from kindcluster.machine import ClusterError
from soak.plan import LASTING, Fault, Kind
from soak.tally import Tally

TRAINER = "python /trainers/"
GIVEN_UP_SECONDS = 40.0  # a node that is away for longer may lose its pods, which run on

T = TypeVar("T")


@dataclass
class Breaking:
    """Breaks what a space stands on.

    Attributes:
        given_up: until when a node was away for so long that its pods were given up, by the tally's time; infinite
            while one is, negative if none was.
        spares_operator: nobody kills the operator, nor its node.
    """

    space: Space
    faults: Faults
    tally: Tally
    given_up: float = -1.0
    spares_operator: bool = False

    def run(self, planned: Iterable[Fault], over: threading.Event) -> None:
        """One fault after the other until `over` is set; afterwards nothing is broken any more.

        Of those that last, one goes on at a time: the next one waits, and short ones come meanwhile.
        """
        lasting: threading.Thread | None = None
        waiting: deque[tuple[int, Fault]] = deque()
        for number, fault in enumerate(planned, 1):
            if over.wait(fault.pause):
                break
            if fault.kind in LASTING:
                waiting.append((number, fault))
            else:
                self._try(number, fault, over)
            if waiting and (lasting is None or not lasting.is_alive()):
                lasting = threading.Thread(target=self._try, args=(*waiting.popleft(), over))
                lasting.start()
        if lasting is not None:
            lasting.join()

    def _try(self, number: int, fault: Fault, over: threading.Event) -> None:
        """What isn't there can't break, and what is broken may hide it."""
        try:
            what = self._last(fault, over) if fault.kind in LASTING else self._strike(fault)
        except ClusterError as error:
            self.tally.say(f"fault {number}: {fault.kind}: not done, {str(error)[-200:]}")
            return
        if what is None:
            self.tally.say(f"fault {number}: {fault.kind}: nothing to break")
            return
        self.tally.struck(fault.kind)
        self.tally.say(f"fault {number}: {fault.kind}: {what}")

    # at once

    def _strike(self, fault: Fault) -> str | None:
        match fault.kind:
            case Kind.POD:
                live = sorted(name for name, pod in self.space.pods.now.items() if pods.is_live(pod))
                return self._delete(_picked(live, fault.pick), self.space.name)
            case Kind.OPERATOR:
                if self.spares_operator:
                    return None
                release = self.space.release
                now = ("--force", "--grace-period=0")
                return self._delete(_picked(release.pods(), fault.pick), release.namespace, *now)
            case _:
                return self._kill(_picked(sorted(self._trainers()), fault.pick))

    def _delete(self, pod: str | None, namespace: str, *options: str) -> str | None:
        if pod is not None:
            command = ("delete", "pod", pod, f"--namespace={namespace}", "--wait=false", *options)
            self.space.cluster.kubectl(*command, "--request-timeout=10s")
        return pod

    def _trainers(self) -> Iterator[tuple[str, int]]:
        """The processes of trainers, by node."""
        engine = self.faults.cluster.engine
        for node in self.faults.cluster.workers:
            if engine.succeeds("exec", node, "pgrep", "-f", TRAINER):
                yield from ((node, int(pid)) for pid in engine.execute(node, "pgrep", "-f", TRAINER).split())

    def _kill(self, trainer: tuple[str, int] | None) -> str | None:
        if trainer is None:
            return None
        node, pid = trainer
        self.faults.cluster.engine.execute(node, "kill", "-KILL", str(pid))
        return f"process {pid} of {node}"

    # for a while

    def _last(self, fault: Fault, over: threading.Event) -> str | None:
        block: AbstractContextManager[None]
        if fault.kind in {Kind.STORE, Kind.API}:
            [node] = [n for n in self.faults.cluster.nodes if n not in self.faults.cluster.workers]
            program = "minio" if fault.kind is Kind.STORE else "kube-apiserver"
            target, block = program, self._still(node, program)
        else:
            picked = _picked(self._nodes(), fault.pick)
            if picked is None:
                return None
            target, block = picked, self._away(fault.kind, picked)
        self.tally.say(f"begins: {fault.kind}: {target}, {fault.seconds:g} s")
        gives_up = fault.seconds > GIVEN_UP_SECONDS and fault.kind not in {Kind.STORE, Kind.API}
        if gives_up:
            self.given_up = math.inf
        try:
            with block:
                over.wait(fault.seconds)
        finally:
            if gives_up:
                self.given_up = self.tally.seconds
        return f"{target}, {fault.seconds:g} s"

    def _nodes(self) -> list[str]:
        if not self.spares_operator:
            return self.faults.cluster.workers
        release = self.space.release
        where = ("--output=jsonpath={.items[*].spec.nodeName}", "--request-timeout=10s")
        held = self.space.cluster.kubectl("get", "pods", f"--namespace={release.namespace}", *where).stdout
        return [node for node in self.faults.cluster.workers if node not in held.split()]

    def _away(self, kind: Kind, node: str) -> AbstractContextManager[None]:
        ways = {
            Kind.ZOMBIE: self.faults.zombie,
            Kind.FROZEN: self.faults.frozen,
            Kind.CUT_OFF: self.faults.cut_off,
        }
        return ways[kind](node)

    @contextmanager
    def _still(self, node: str, program: str) -> Iterator[None]:
        """A program of the control plane stands still: connections hang."""
        engine = self.faults.cluster.engine
        pid = engine.execute(node, "pgrep", "-x", program).strip()
        engine.execute(node, "kill", "-STOP", pid)
        try:
            yield
        finally:
            engine.execute(node, "kill", "-CONT", pid)


def _picked(found: Sequence[T], pick: float) -> T | None:
    return found[int(pick * len(found))] if found else None
