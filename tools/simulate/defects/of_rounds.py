"""Defects of decisions: who loses, when, and what becomes of it."""

from random import Random
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from pbt_operator.control import taking
from pbt_operator.control.decide import Decisions
from pbt_operator.core import births, exploit, explore, quorum
from pbt_operator.core.auto import AutoRules
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Entry
from pbt_operator.core.rules import Perturb, RoundView
from pbt_operator.core.spec import Exploit, Spec
from pbt_operator.core.strategy import Strategy
from pbt_operator.manifest import settled_spec
from pbt_operator.manifest.population_spec import PopulationSpec
from simulate.defects.patches import both


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


def _auto_chooses_again_whenever_the_spec_changes() -> Any:
    def by_members(spec: Spec) -> AutoRules:
        return AutoRules(Exploit(horizon_percent=spec.members), Perturb())

    def again(manifest: PopulationSpec, _: Any) -> PopulationSpec:
        return settled_spec.settled(manifest, None)

    return both(patch.object(settled_spec, "auto_rules", by_members), patch.object(taking, "settled", again))


def _an_adopter_loses_the_strategy() -> Any:
    def lost(manifest: PopulationSpec, known: Any) -> PopulationSpec:
        found = settled_spec.settled(manifest, known)
        return found.model_copy(update={"strategy": Strategy.EXPLICIT}) if manifest.storage.adopt else found

    return patch.object(taking, "settled", lost)


def _a_horizon_is_planned_from_the_start_each_time() -> Any:
    planned = quorum.planned_due
    return patch.object(quorum, "planned_due", lambda _, spec: planned(None, spec))


def _losers_are_replaced_before_they_are_due() -> Any:
    return patch.object(RoundView, "decides", property(lambda self: self.schedule.decides(self.number)))


def _who_is_done_is_replaced() -> Any:
    return patch.object(Entry, "stays", property(lambda _: False))


def _who_has_no_score_yet_is_replaced() -> Any:
    return patch.object(Entry, "stays", property(lambda self: self.ended is True))


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


MADE = (
    _chance_differs_from_run_to_run,
    _explore_leaves_the_space,
    _losers_are_born_again_and_again,
    _auto_chooses_again_whenever_the_spec_changes,
    _an_adopter_loses_the_strategy,
    _a_horizon_is_planned_from_the_start_each_time,
    _losers_are_replaced_before_they_are_due,
    _who_is_done_is_replaced,
    _who_has_no_score_yet_is_replaced,
    _stragglers_are_judged_by_a_round_again_and_again,
)
