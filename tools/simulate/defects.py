"""Deliberate defects of the product, each of which the simulation must catch: it can only prove what it can find."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.records import Cause
from pbt_contract.stores.s3 import S3Store
from pbt_operator.control import look, placement, reconcile, restarts, session, vacancies
from pbt_operator.control.decide import Decisions
from pbt_operator.control.vacancies import Vacancies
from pbt_operator.core import births, exploit, explore, outcome, quorum, retention
from pbt_operator.core.auto import AutoRules
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Entry
from pbt_operator.core.rules import Perturb, RoundView
from pbt_operator.core.slots import Allotment
from pbt_operator.core.spec import Exploit, Spec
from pbt_operator.core.standing import best_among
from pbt_operator.core.strategy import Strategy
from pbt_operator.manifest import settled_spec
from pbt_operator.manifest.population_spec import PopulationSpec
from pbt_operator.records.handovers import Handovers
from pbt_operator.records.repository import Repository
from pbt_operator.records.round_log import RoundLog
from pbt_operator.runners.kubernetes import controller
from pbt_operator.runners.kubernetes.cluster_pods import ClusterPods
from pbt_operator.runners.kubernetes.status_writer import StatusWriter
from pbt_trainer.courier.incarnation import Incarnation
from simulate.trainer import Trainer


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


def _chance_differs_from_run_to_run() -> Any:
    drawn = Random(0)
    return patch.object(RoundView, "chance", lambda *_: drawn)


def _explore_leaves_the_space() -> Any:
    explored = explore.explore

    def far(*args: Any, **kwargs: Any) -> Any:
        hyperparameters, operations = explored(*args, **kwargs)
        return {name: value * 3.0 for name, value in hyperparameters.items()}, operations

    return patch.object(exploit, "explore", far)


def _losers_are_born_again_and_again() -> Any:
    follow = Decisions._follow

    def twice(self: Decisions, decided: Any, spec: Any) -> None:
        follow(self, decided, spec)
        for decision in decided.decisions:
            if decision.member < spec.members:
                birth = births.decided(
                    decision, round_number=decided.number, at_step=decided.step, history=self._history
                )
                self._recorder.births([birth])

    return patch.object(Decisions, "_follow", twice)


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

    @contextmanager
    def both() -> Iterator[None]:
        as_labelled = lambda _repository, pod, **_options: pod  # noqa: E731
        with (
            patch.object(look, "lived", as_labelled),
            patch.object(vacancies, "lived", as_labelled),
            patch.object(Vacancies, "_hidden", by_label),
        ):
            yield

    return both()


def _another_operators_yields_are_not_looked_for() -> Any:
    return patch.object(vacancies, "has_left", lambda *_: True)


def _a_yield_that_was_asked_for_is_forgotten() -> Any:
    """By the next operator, and so is who waits for it."""
    return patch.object(Handovers, "load", lambda _: None)


def _relabelling_is_forgotten() -> Any:
    return patch.object(ClusterPods, "relabel", lambda *_, **__: None)


def _failed_members_keep_a_population_from_ending() -> Any:
    def outcome_of(history: History, spec: Any, **options: Any) -> Any:
        births = [history.newest_birth(member) for member in range(spec.members)]
        if any(birth is not None and birth.cause is Cause.FAILED for birth in births):
            return None
        return outcome.outcome_of(history, spec, **options)

    return patch.object(reconcile, "outcome_of", outcome_of)


def _crashes_back_off_for_ever() -> Any:
    return patch.object(restarts, "backoff_seconds", lambda _: 1e9)


def _what_another_operator_wrote_stays_in_the_status() -> Any:
    publish = StatusWriter.publish

    def deaf(self: StatusWriter, status: Any, **options: Any) -> None:
        publish(self, status if self._written is None else self._stored, **options)

    return patch.object(StatusWriter, "publish", deaf)


def _auto_chooses_again_whenever_the_spec_changes() -> Any:
    def by_members(spec: Spec) -> AutoRules:
        return AutoRules(Exploit(horizon_percent=spec.members), Perturb())

    def again(manifest: PopulationSpec, _: Any) -> PopulationSpec:
        return settled_spec.settled(manifest, None)

    return both(patch.object(settled_spec, "auto_rules", by_members), patch.object(session, "settled", again))


def _an_adopter_loses_the_strategy() -> Any:
    def lost(manifest: PopulationSpec, known: Any) -> PopulationSpec:
        found = settled_spec.settled(manifest, known)
        return found.model_copy(update={"strategy": Strategy.EXPLICIT}) if manifest.storage.adopt else found

    return patch.object(session, "settled", lost)


def _a_horizon_is_planned_from_the_start_each_time() -> Any:
    planned = quorum.planned_due
    return patch.object(quorum, "planned_due", lambda _, spec: planned(None, spec))


def _losers_are_replaced_before_they_are_due() -> Any:
    return patch.object(RoundView, "decides", property(lambda self: self.schedule.decides(self.number)))


def _who_is_done_is_started_again() -> Any:
    return patch.object(History, "has_ended", lambda *_: False)


def _who_is_done_is_replaced() -> Any:
    return patch.object(Entry, "stays", property(lambda _: False))


def _who_has_no_score_yet_is_replaced() -> Any:
    return patch.object(Entry, "stays", property(lambda self: self.ended is True))


def _it_is_complete_without_a_best() -> Any:
    return patch.object(outcome, "_has_best", lambda *_: True)


def _who_failed_is_not_told_at_the_end() -> Any:
    return patch.object(outcome, "_lost", lambda *_: "")


def _the_final_one_is_of_the_round_that_was_decided_last() -> Any:
    def final(self: History, objective: Any) -> Any:
        decided = self.newest_round.entries if self.newest_round is not None else []
        read = [self.record(entry.member, entry.source.record) for entry in decided]
        found = [record for record in read if record is not None]
        best = best_among(found, objective)
        return best[1] if best is not None else None

    return patch.object(History, "final", final)


def _skipped_rounds_are_counted() -> Any:
    return patch.object(RoundLog, "num_decided", property(lambda self: max(self._decided, default=0)))


def _what_is_not_known_any_more_stays_in_the_resource() -> Any:
    return patch.object(controller, "NOT_KNOWN", {})


def _stragglers_are_judged_by_a_round_again_and_again() -> Any:
    judge = quorum.judge_straggler

    def always(report: Any, *, history: History, **options: Any) -> Any:
        class Blind:
            def __getattr__(self, name: str) -> Any:
                return getattr(history, name)

            def line(self, member: int) -> list[Any]:
                return [replace(birth, round=None) for birth in history.line(member)]

        return judge(report, history=Blind(), **options)  # type: ignore[arg-type]

    return patch.object(quorum, "judge_straggler", always)


@contextmanager
def both(one: Any, other: Any) -> Iterator[None]:
    """Two patches as one."""
    with one, other:
        yield


DEFECTS: dict[str, Callable[[], Any]] = {
    made.__name__.strip("_").replace("_", " "): made
    for made in (
        _births_before_their_round,
        _nothing_is_claimed,
        _a_round_is_decided_twice,
        _losers_resume_from_their_own_old_record,
        _a_resume_misses_the_newest_records,
        _retention_ignores_births,
        _retention_ignores_the_best,
        _retention_deletes_what_another_operator_may_decide_about,
        _zombies_count,
        _chance_differs_from_run_to_run,
        _explore_leaves_the_space,
        _losers_are_born_again_and_again,
        _slots_are_not_counted,
        _a_pod_that_no_watch_shows_is_taken_for_gone,
        _a_process_makes_room_without_saving_its_member,
        _pods_are_taken_for_what_their_labels_say,
        _another_operators_yields_are_not_looked_for,
        _a_yield_that_was_asked_for_is_forgotten,
        _relabelling_is_forgotten,
        _failed_members_keep_a_population_from_ending,
        _crashes_back_off_for_ever,
        _what_another_operator_wrote_stays_in_the_status,
        _auto_chooses_again_whenever_the_spec_changes,
        _an_adopter_loses_the_strategy,
        _a_horizon_is_planned_from_the_start_each_time,
        _losers_are_replaced_before_they_are_due,
        _who_is_done_is_started_again,
        _who_is_done_is_replaced,
        _who_has_no_score_yet_is_replaced,
        _it_is_complete_without_a_best,
        _who_failed_is_not_told_at_the_end,
        _the_final_one_is_of_the_round_that_was_decided_last,
        _skipped_rounds_are_counted,
        _what_is_not_known_any_more_stays_in_the_resource,
        _stragglers_are_judged_by_a_round_again_and_again,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product has this defect for the length of the block."""
    with DEFECTS[name]():
        yield
