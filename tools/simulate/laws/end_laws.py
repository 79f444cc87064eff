"""The laws of the end: the audit finds nothing, and what resource and result tell is true (4, 7, 9, 11, 12)."""

from pbt_contract import keys
from pbt_contract.errors import NotFound
from pbt_contract.records import Birth
from pbt_contract.stores.s3 import S3Store
from pbt_operator.core.round_record import Round
from pbt_operator.records import audit
from pbt_operator.records.archive import Archive, read_archive
from simulate.apiserver import Body
from simulate.bucket import BUCKET
from simulate.laws.ending_laws import replaced_though_done
from simulate.laws.judge import Judge
from simulate.laws.result_laws import (
    NO_SCORE,
    false_results,
    lines_of,
    untrue_ends,
    wrong_counts,
    wrong_finals,
)
from simulate.laws.spec_laws import judge_specs

KNOWN_SECONDS = 60.0
"""How long an operator that ends a population may not know of a report."""


class EndLaws(Judge):
    """What is told at the end."""

    def on_birth(self, birth: Birth) -> None:
        """Nothing follows an end, until the spec changes."""
        self._judge_end_before(birth.key)

    def _judge_end_before(self, key: str) -> None:
        facts = self.facts
        if not facts.is_lawless and any(one.spec == max(facts.specs) for one in facts.results.values()):
            self.blame(f"7: {key} is written, and the population has ended")

    def on_round(self, decided: Round) -> None:
        """It replaces nobody that was done."""
        self._judge_end_before(decided.key)
        self.blame_all(f"9: {decided.key}", replaced_though_done(decided, self.facts.records.values()))

    def at_end(self, population: Body) -> None:
        """The audit of the records, and what the resource says."""
        facts = self.facts
        store = S3Store(BUCKET, facts.base.rstrip("/"), client=facts.bucket)  # type: ignore[arg-type]
        try:
            told = read_archive(store)
        except NotFound:
            self.blame("14: nothing is left of a population that has ended")
            return
        for wrong in audit.violations(store, told):
            if not (wrong.invariant == 3 and (facts.had_zombies or facts.is_lawless)):
                self.blame(f"{wrong.invariant}: {wrong}")
        judge_specs(store, () if facts.is_lawless else facts.rounds.values(), self.blame)
        is_scored = self._judge_best(told, population)
        self._judge_result(told, population, is_scored=is_scored)

    def _judge_best(self, told: Archive, population: Body) -> bool:
        """What is shown as the best is the best; returns whether there is one."""
        facts, best = self.facts, population["status"].get("best")
        shown = best and best["score"]
        counting = [record.score("score") for record in facts.counting() if record.round is not None]
        known = list[float]()
        if (
            facts.is_lawless
        ):  # one owner may close a life whose reports the other has counted, or go on after an end
            known = [one.best.score for one in (*facts.rounds.values(), *facts.results.values()) if one.best]
        if told.best is not None and shown not in {told.best.score, *known}:
            self.blame(f"4: the status shows {shown}, the records' best is {told.best.score}")
        goal = max if population["spec"]["objective"]["goal"] == "Maximize" else min
        really = goal((score for score in counting if score is not None), default=None)
        if shown not in {really, *known}:
            self.blame(f"4: the status shows {shown}, the best that counts is {really}")
        return really is not None

    def _judge_result(self, told: Archive, population: Body, *, is_scored: bool) -> None:
        """What is said of the end."""
        self.blame_all("7:", false_results(told.result, population["status"]))
        if told.result is None or self.facts.is_lawless:
            return
        members, births = told.spec.members, self.facts.births.values()
        if told.result.reason == NO_SCORE:  # what came after a limit or a deadline had ended it is no fault
            known = self.facts.written[keys.result(max(self.facts.results))] - KNOWN_SECONDS
            is_scored = any(
                one.score("score") is not None and self.facts.written[one.key] < known
                for one in self.facts.counting()
                if one.round is not None
            )
        self.blame_all("12:", untrue_ends(told.result, members=members, births=births, is_scored=is_scored))
        if not self.facts.had_zombies:
            goal, lines = population["spec"]["objective"]["goal"], lines_of(births, self.facts.counting())
            self.blame_all("12:", wrong_finals(told.result, goal=goal, lines=lines))
            self.blame_all("12:", wrong_counts(told.result, told, population["status"]))
