"""Defects of places: slots, pods, yields, and starts after crashes."""

from typing import Any
from unittest.mock import patch

from pbt_operator.control import look, placement, vacancies
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core import blame
from pbt_operator.core.history import History
from pbt_operator.core.slots import Allotment
from pbt_operator.records.handovers import Handovers
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from simulate.defects.patches import both
from simulate.trainer import Trainer


def _slots_are_not_counted() -> Any:
    def all_at_once(*, waiters: Any, **_: Any) -> Allotment:
        return Allotment(start=tuple(waiter.member for waiter in waiters))

    return patch.object(placement, "allot", all_at_once)


def _a_pod_that_no_watch_shows_is_taken_for_gone() -> Any:
    return patch.object(Vacancies, "_hidden", lambda *_: set())


def _a_process_makes_room_without_saving_its_member() -> Any:
    return patch.object(Trainer, "_save_before_it_yields", lambda _: None)


def _pods_are_taken_for_what_their_labels_say() -> Any:
    hidden = Vacancies._hidden

    def by_label(self: Vacancies, claimed: Any) -> set[int]:
        with patch.object(vacancies, "has_left", lambda *_: True):
            return hidden(self, claimed)

    as_labelled = lambda _repository, pod, **_options: pod  # noqa: E731
    return both(
        patch.object(look, "lived", as_labelled),
        patch.object(vacancies, "lived", as_labelled),
        patch.object(Vacancies, "_hidden", by_label),
    )


def _another_operators_yields_are_not_looked_for() -> Any:
    return patch.object(vacancies, "has_left", lambda *_: True)


def _a_yield_that_was_asked_for_is_forgotten() -> Any:
    """By the next operator, which doesn't look for it either."""

    def told(self: Handovers, member: int, incarnation: int) -> Any:
        known = self._known.get(member, {}).get(incarnation)
        return None if known is None else known.to

    return both(patch.object(Handovers, "load", lambda *_: True), patch.object(Handovers, "ask", told))


def _relabelling_is_forgotten() -> Any:
    return patch.object(ClusterPods, "relabel", lambda *_, **__: None)


def _crashes_back_off_for_ever() -> Any:
    return patch.object(blame, "backoff_seconds", lambda _: 1e9)


def _who_is_done_is_started_again() -> Any:
    return patch.object(History, "has_ended", lambda *_: False)


MADE = (
    _slots_are_not_counted,
    _a_pod_that_no_watch_shows_is_taken_for_gone,
    _a_process_makes_room_without_saving_its_member,
    _pods_are_taken_for_what_their_labels_say,
    _another_operators_yields_are_not_looked_for,
    _a_yield_that_was_asked_for_is_forgotten,
    _relabelling_is_forgotten,
    _crashes_back_off_for_ever,
    _who_is_done_is_started_again,
)
