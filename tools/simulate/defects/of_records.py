"""Defects of what is stored: births, claims, rounds, and what retention deletes."""

from typing import Any
from unittest.mock import patch

from pbt_contract import keys
from pbt_contract.stores.s3 import S3Store
from pbt_operator.core import retention
from pbt_operator.core.history import History
from pbt_operator.records.repository import Repository
from pbt_trainer.courier.incarnation import Incarnation


def _births_before_their_round() -> Any:
    def write_round(self: Repository, decided: Any) -> Any:
        self.history.add_round(decided)
        return decided

    return patch.object(Repository, "write_round", write_round)


def _nothing_is_claimed() -> Any:
    return patch.object(Incarnation, "claim", lambda *_, **__: True)


def _a_round_is_decided_twice() -> Any:
    create = S3Store.create

    def overwrite(self: S3Store, key: str, data: bytes) -> bytes:
        if key.startswith(keys.ROUNDS):
            self._client.put_object(Bucket=self._bucket, Key=self._base + key, Body=data)
            return data
        return create(self, key, data)

    return patch.object(S3Store, "create", overwrite)


def _losers_resume_from_their_own_old_record() -> Any:
    def own_record(self: History, member: int) -> Any:
        return max(self.records(member), key=lambda record: record.step, default=None)

    return patch.object(History, "own_record", own_record)


def _a_resume_misses_the_newest_records() -> Any:
    return patch.object(Repository, "catch_up", lambda *_: None)


def _retention_ignores_births() -> Any:
    class Blind:
        def __init__(self, history: History) -> None:
            self._history = history

        def __getattr__(self, name: str) -> Any:
            return getattr(self._history, name)

        def line(self, _member: int) -> list[Any]:
            return []

    kept = retention.kept
    return patch.object(retention, "kept", lambda history, spec: kept(Blind(history), spec))  # type: ignore[arg-type]


def _retention_ignores_the_best() -> Any:
    class Blind:
        def __init__(self, history: History) -> None:
            self._history = history

        def __getattr__(self, name: str) -> Any:
            return getattr(self._history, name)

        def best(self, _objective: Any) -> None:
            return None

    kept = retention.kept
    return patch.object(retention, "kept", lambda history, spec: kept(Blind(history), spec))  # type: ignore[arg-type]


def _retention_deletes_what_another_operator_may_decide_about() -> Any:
    def doomed(names: Any, *, history: History, spec: Any) -> list[str]:
        stays = retention.kept(history, spec)
        return [
            key
            for key in names
            if (place := retention._place_in(key))
            and place not in stays
            and not retention._open(place, history)
        ]

    return patch("pbt_operator.control.sweep.doomed", doomed)


def _zombies_count() -> Any:
    return patch.object(History, "counts", lambda *_: True)


MADE = (
    _births_before_their_round,
    _nothing_is_claimed,
    _a_round_is_decided_twice,
    _losers_resume_from_their_own_old_record,
    _a_resume_misses_the_newest_records,
    _retention_ignores_births,
    _retention_ignores_the_best,
    _retention_deletes_what_another_operator_may_decide_about,
    _zombies_count,
)
