"""What holds for every decided round, whatever the rules: by these laws a new rule is tested and a round audited."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, UnsetType

from pbt_contract.records import Cause, Value
from pbt_contract.text import quoted
from pbt_operator.core.part_views import deciding
from pbt_operator.core.round_record import Decision, Entry, Turn
from pbt_operator.core.rules import RoundView
from pbt_operator.core.search import Hyperparameter
from pbt_operator.core.spec import Copy, Spec


def broken_laws(
    decisions: Sequence[Decision],
    *,
    view: RoundView,
    spec: Spec,
    turns: Sequence[Turn] | UnsetType = UNSET,
) -> Iterator[str]:
    """What is wrong with the decisions of a round: a sentence for each, none if all is well.

    Args:
        decisions: as they were recorded.
        view: of the round, by `Spec.view`.
        spec: what the round was decided with.
        turns: of the sub-populations, as the round's record says it.
    """
    entries = {entry.member: entry for entry in view.entries}
    parts = [view]
    if turns is not UNSET:
        numbers = dict(deciding(view, turns))
        parts = [*numbers.values()]
        yield from _outside(decisions, entries, numbers)
    members = [decision.member for decision in decisions]
    if members != sorted(set(members)):
        yield "the decisions are not one for each loser, by member"
    for within in parts:
        there = {entry.member for entry in within.entries}
        own = [d for d in decisions if turns is UNSET or d.member in there]
        yield from _about_losers(own, within, spec)
        exploited = [decision for decision in own if decision.migrated is UNSET]
        yield from spec.exploit.rule.laws(
            within.looking_back(spec.exploit.rule.looks_back(spec.members)), exploited
        )
    for decision in decisions:
        loser = entries.get(decision.member)
        if loser is None or loser.incarnation != decision.incarnation:
            yield f"member {decision.member} is replaced, and was not compared"
            continue
        yield from _about_donor(decision, loser, entries, view, spec)
        yield from _about_hyperparameters(decision, view.space)
    yield from spec.explore.laws(view.looking_back(spec.explore.looks_back(spec.members)), decisions)


def _outside(
    decisions: Sequence[Decision], entries: Mapping[int, Entry], parts: Mapping[int, RoundView]
) -> Iterator[str]:
    """Who is replaced though its sub-population doesn't decide."""
    for decision in decisions:
        entry = entries.get(decision.member)
        if entry is not None and entry.sub_population not in parts:
            yield f"member {decision.member} is replaced, and its sub-population decides nothing"


def _about_losers(decisions: Sequence[Decision], view: RoundView, spec: Spec) -> Iterator[str]:
    """Of the round, or of one of its sub-populations."""
    members = {decision.member for decision in decisions}
    if len(view.entries) < 2 or not view.decides:
        if members:
            yield "members are replaced where nothing is decided"
    elif spec.exploit.rule.replaces_diverged:
        left = [e for e in view.entries if e.score is None and not e.stays and e.member not in members]
        yield from (f"member {entry.member} has no finite score, and stays" for entry in left)
    kept = [entry.member for entry in view.entries if entry.stays and entry.member in members]
    yield from (f"member {member} is replaced, and can't be" for member in kept)


def _about_donor(
    decision: Decision, loser: Entry, entries: Mapping[int, Entry], view: RoundView, spec: Spec
) -> Iterator[str]:
    name, source = f"member {decision.member}", decision.source
    if decision.cause is Cause.ROLLBACK:
        if view.finite:
            yield f"{name} is rolled back, though others have a finite score"
        return
    if source is None:
        yield f"{name} copies nobody"
    elif loser.score is not None and spec.exploit.copy is Copy.HYPERPARAMETERS:
        if source != loser.source:
            yield f"{name} doesn't keep its weights"
    else:
        donor = entries.get(source.member)
        if donor is None or donor is loser or donor.source != source:
            yield f"{name} copies something else than another member's report of the round"
        elif not view.is_better(donor, loser):
            yield f"{name} copies member {donor.member}, which is no better"


def _about_hyperparameters(decision: Decision, space: Sequence[Hyperparameter]) -> Iterator[str]:
    name, values = f"member {decision.member}", decision.hyperparameters
    if not values.keys() == decision.operations.keys() == {h.name for h in space}:
        yield f"{name} doesn't get a value and an operation for each hyperparameter"
    for h in space:
        value: Value | None = values.get(h.name)
        if value is None or not h.space.contains(value):
            yield f"{name} gets {h.name} = {quoted(repr(value))}, outside its space"
        elif not h.explored and decision.operations.get(h.name) not in {"kept", "resampled", "completed"}:
            yield f"{name} gets another {h.name}, which is never explored"
