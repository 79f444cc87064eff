"""Defects of quorums: who is waited for, and how long."""

import math
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

from pbt_operator.control.living import Living
from pbt_operator.control.reconcile import Reconciler
from pbt_operator.core import quorum
from pbt_operator.core.quorum import Attendance
from simulate.defects.patches import both


def _a_quorum_is_one_too_few() -> Any:
    def has_quorum(self: Attendance, percent: float) -> bool:
        if percent >= 100:
            return len(self.have) >= 2 and len(self.awaited) <= 1
        return len(self.have) >= max(2, quorum.quorum_of(len(self.left), percent) - 1)

    return patch.object(Attendance, "has_quorum", has_quorum)


def _a_quorum_is_one_too_many() -> Any:
    quorum_of = quorum.quorum_of
    return patch.object(quorum, "quorum_of", lambda left, percent: quorum_of(left, percent) + 1)


def _one_alone_is_compared() -> Any:
    def has_quorum(self: Attendance, percent: float) -> bool:
        return 0 < math.ceil(len(self.left) * percent / 100) <= len(self.have)

    return patch.object(Attendance, "has_quorum", has_quorum)


def _failed_members_are_counted_as_living() -> Any:
    members = Living.members

    def all_of_them(self: Living, seen: Any, spec: Any, *, now: float) -> set[int]:
        found = members(self, seen, spec, now=now)
        births = {m: self._history.newest_birth(m) for m in range(spec.members)}
        return found | {m for m, birth in births.items() if birth is not None and birth.cause.closes}

    return patch.object(Living, "members", all_of_them)


def _straggler_timeout_seconds_is_ignored() -> Any:
    def patient(self: Living, _seen: Any, spec: Any, *, now: float) -> set[int]:
        births = {m: self._history.newest_birth(m) for m in range(spec.members)}
        return {m for m, birth in births.items() if birth is None or not birth.cause.closes}

    return patch.object(Living, "members", patient)


def _a_pending_pod_is_dropped_at_once() -> Any:
    members = Living.members

    def hasty(self: Living, seen: Any, spec: Any, *, now: float) -> set[int]:
        found = members(self, seen, spec, now=now)
        return found - {m for m, pod in seen.live.items() if pod.phase.name == "PENDING"}

    return patch.object(Living, "members", hasty)


def _rounds_are_decided_while_it_is_suspended() -> Any:
    ended = Reconciler._ended

    def decide_first(self: Reconciler, live: Any) -> Any:
        if self.spec.suspend:
            living = set(range(self.spec.members))
            self._decisions.decide(self.spec, spec_number=self.spec_number, living=living)
        return ended(self, live)

    return patch.object(Reconciler, "_ended", decide_first)


def _the_deadline_counts_a_suspension() -> Any:
    run_once, ended = Reconciler.run_once, Reconciler._ended
    begun: WeakKeyDictionary[Reconciler, float] = WeakKeyDictionary()

    def remember(self: Reconciler, *args: Any, **options: Any) -> Any:
        begun.setdefault(self, self._active_since)
        return run_once(self, *args, **options)

    def since_then(self: Reconciler, live: Any) -> Any:
        self._active_since, now = begun[self], self._active_since
        try:
            return ended(self, live)
        finally:
            self._active_since = now

    return both(
        patch.object(Reconciler, "run_once", remember), patch.object(Reconciler, "_ended", since_then)
    )


MADE = (
    _a_quorum_is_one_too_few,
    _a_quorum_is_one_too_many,
    _one_alone_is_compared,
    _failed_members_are_counted_as_living,
    _straggler_timeout_seconds_is_ignored,
    _a_pending_pod_is_dropped_at_once,
    _rounds_are_decided_while_it_is_suspended,
    _the_deadline_counts_a_suspension,
)
