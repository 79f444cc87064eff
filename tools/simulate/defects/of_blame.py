"""Defects of blame: what follows from crashes, and who comes back."""

from typing import Any
from unittest.mock import patch

from msgspec import UNSET
from msgspec.structs import replace

from pbt_operator.control import decide
from pbt_operator.control.record import Recorder
from pbt_operator.core import births, blame, comeback, mistakes, quorum
from pbt_operator.core.births import Counters
from simulate.defects.patches import both


def _crashes_are_not_counted() -> Any:
    crash_of = blame.crash_of

    def uncounted(*args: Any) -> Any:
        crash = crash_of(*args)
        if crash is not None:
            object.__setattr__(
                crash, "counters", crash.counters._replace(crashes=min(1, crash.counters.crashes))
            )
        return crash

    return both(
        patch("pbt_operator.control.account.crash_of", uncounted),
        patch("pbt_operator.control.vacancies.crash_of", uncounted),
    )


def _a_record_does_not_set_crashes_back() -> Any:
    crash_of = blame.crash_of

    def counted_on(end: Any, history: Any, spec: Any) -> Any:
        crash = crash_of(end, history, spec)
        if crash is not None:
            before = Counters.of(history.birth(*end.life))
            object.__setattr__(crash, "counters", before._replace(crashes=before.crashes + 1))
        return crash

    return both(
        patch("pbt_operator.control.account.crash_of", counted_on),
        patch("pbt_operator.control.vacancies.crash_of", counted_on),
    )


def _a_birth_sets_crashes_back() -> Any:
    carried = births.resumed

    def forgetful(*args: Any, **options: Any) -> Any:
        birth = carried(*args, **options)
        return birth if options.get("crash") is not None else replace(birth, crashes=0)

    return patch.object(births, "resumed", forgetful)


def _values_are_never_blamed() -> Any:
    return patch.object(blame, "_blames_values", lambda *_: False)


def _values_are_blamed_for_ever() -> Any:
    return both(
        patch.object(blame, "MOST_BLAMED", 10**6),
        patch.object(blame.Crash, "fails", property(lambda _: False)),
    )


def _what_is_blamed_gets_the_same_values_again() -> Any:
    again = blame._again

    def unchanged(crash: Any, history: Any, begun: Any, _: Any, **options: Any) -> Any:
        return again(crash, history, begun, begun.hyperparameters, **options)

    return patch.object(blame, "_again", unchanged)


def _who_failed_comes_back_again_and_again() -> Any:
    returned = comeback.returned

    class Blind:
        def __init__(self, history: Any) -> None:
            self._history = history

        def __getattr__(self, name: str) -> Any:
            return getattr(self._history, name)

        def newest_birth(self, member: int) -> Any:
            birth = self._history.newest_birth(member)
            return birth if birth is None else replace(birth, decided=UNSET)

    return patch.object(decide, "returned", lambda history, *args: returned(Blind(history), *args))  # type: ignore[arg-type]


def _who_failed_never_comes_back() -> Any:
    return patch.object(decide, "returned", lambda *_: None)


def _who_comes_back_has_all_its_starts_again() -> Any:
    returned = comeback.returned

    def afresh(*args: Any) -> Any:
        birth = returned(*args)
        return birth if birth is None else replace(birth, crashes=0, blamed=UNSET)

    return patch.object(decide, "returned", afresh)


def _ends_are_not_recorded() -> Any:
    return patch.object(Recorder, "ended", lambda _, end: end)


def _one_mistaken_member_ends_it() -> Any:
    return patch.object(mistakes, "MEMBERS_MISTAKEN", 1)


def _a_mistake_is_tried_again() -> Any:
    return patch("pbt_operator.control.reconcile.mistake_of", lambda *_, **__: None)


def _a_round_forgets_who_crashed() -> Any:
    return patch.object(quorum, "crashed_since", lambda _: [])


MADE = (
    _a_round_forgets_who_crashed,
    _crashes_are_not_counted,
    _a_record_does_not_set_crashes_back,
    _a_birth_sets_crashes_back,
    _values_are_never_blamed,
    _values_are_blamed_for_ever,
    _what_is_blamed_gets_the_same_values_again,
    _who_failed_comes_back_again_and_again,
    _who_failed_never_comes_back,
    _who_comes_back_has_all_its_starts_again,
    _ends_are_not_recorded,
    _one_mistaken_member_ends_it,
    _a_mistake_is_tried_again,
)

CAUGHT_BY = {_a_round_forgets_who_crashed: 13}
