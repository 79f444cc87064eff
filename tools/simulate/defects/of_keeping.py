"""Defects of what is kept and deleted: by retention, by owners that are none any more, and in records of specs."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

from pbt_operator.core import retention
from pbt_operator.records import specs
from pbt_operator.runners.kubernetes import controller
from pbt_operator.runners.kubernetes.controller import Controller


def _retention_keeps_one_fewer_than_asked() -> Any:
    kept = retention.kept

    def fewer(history: Any, spec: Any) -> Any:
        left = max(1, spec.retention.checkpoints_per_member - 1)
        return kept(history, replace(spec, retention=replace(spec.retention, checkpoints_per_member=left)))

    return patch.object(retention, "kept", fewer)


def _retention_forgets_the_newest_round() -> Any:
    class Blind:
        def __init__(self, history: Any) -> None:
            self._history = history

        def __getattr__(self, name: str) -> Any:
            return getattr(self._history, name)

        decided = 10**6
        newest_round = None

    kept = retention.kept
    return patch.object(retention, "kept", lambda history, spec: kept(Blind(history), spec))  # type: ignore[arg-type]


def _ownership_is_never_looked_at_again() -> Any:
    return patch.object(Controller, "_check_owner", lambda *_: None)


def _a_former_owner_purges() -> Any:
    def purge(store: Any, _owner: Any) -> str:
        store.purge()
        return "deleted"

    return patch.object(controller, "purge", purge)


def _it_is_purged_before_the_pods_are_gone() -> Any:
    clear_pods = controller.clear_pods

    def hasty(*args: Any, **options: Any) -> bool:
        clear_pods(*args, **options)
        return True

    return patch.object(controller, "clear_pods", hasty)


def _what_was_to_be_purged_stays() -> Any:
    return patch.object(controller, "purge", lambda *_: "left as it is")


def _a_spec_is_recorded_with_the_values_of_env() -> Any:
    return patch.object(specs, "without_env_values", dict)


MADE = (
    _retention_keeps_one_fewer_than_asked,
    _retention_forgets_the_newest_round,
    _ownership_is_never_looked_at_again,
    _a_former_owner_purges,
    _it_is_purged_before_the_pods_are_gone,
    _what_was_to_be_purged_stays,
    _a_spec_is_recorded_with_the_values_of_env,
)
