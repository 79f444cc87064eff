"""Where newborns have their values, and with how much evidence; and what sub-populations scored."""

import pytest
from msgspec import UNSET

from pbt_contract.records import Cause, Source
from pbt_operator.core.part_scores import PartScore, part_scores
from pbt_operator.core.round_record import Decision, Entry, ProposedMove, Recorded, Round
from pbt_operator.core.search import Goal, Objective
from pbt_operator.core.value_origins import Origin, origin, value_origins

SOURCE = Source(member=0, incarnation=1, step=10, checkpoint="c", record="r")


def decision(member, operations, *, migrated=UNSET):
    return Decision(
        member=member,
        incarnation=1,
        cause=Cause.EXPLOIT,
        source=SOURCE,
        hyperparameters=dict.fromkeys(operations, 1.0),
        operations={name: word for name, word in operations.items() if word},
        reason="",
        migrated=migrated,
    )


def decided(decisions, *, inputs=(), entries=()):
    moves = [
        ProposedMove(member=m, copied={}, inputs=told, hyperparameters={}, operations={})
        for m, told in enumerate(inputs)
    ]
    recorded = Recorded(explore=moves) if moves else UNSET
    return Round(number=3, step=30, spec=1, entries=list(entries), decisions=decisions, recorded=recorded)


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ("x1.25", Origin.MOVED),
        ("next", Origin.MOVED),
        ("kept", Origin.KEPT),
        ("chosen", Origin.CHOSEN),
        ("resampled", Origin.RESAMPLED),
        ("completed", Origin.COMPLETED),
    ],
)
def test_a_word_of_a_record_says_where_a_value_comes_from(operation, found):
    assert origin(operation) is found


def test_the_values_of_a_round_are_counted_with_the_evidence_of_its_model():
    first = decision(0, {"a": "chosen", "b": "chosen", "c": ""})
    second = decision(1, {"a": "kept", "b": "completed", "c": "x0.8"}, migrated=True)
    [found] = value_origins(
        [decided([]), decided([first, second], inputs=[{"gains": 96, "evidence": 5.1}, {"gains": 96}])]
    )
    assert (found.number, found.step, found.newborns, found.migrated) == (3, 30, 2, 1)
    assert found.values == {Origin.MOVED: 1, Origin.CHOSEN: 2, Origin.KEPT: 2, Origin.COMPLETED: 1}
    assert (found.evidence, found.gains) == (5.1, 96)


@pytest.mark.parametrize("inputs", [[], [{"gains": 3}], [{"evidence": "much", "gains": None}]])
def test_without_a_readable_model_there_is_no_evidence(inputs):
    [found] = value_origins([decided([decision(0, {"a": "x2"})], inputs=inputs)])
    assert found.evidence is None


@pytest.mark.parametrize(("goal", "best"), [(Goal.MAXIMIZE, (3.0, 5.0)), (Goal.MINIMIZE, (1.0, 4.0))])
def test_the_best_of_each_sub_population_by_round(goal, best):
    scores = [(0, 1.0), (1, 5.0), (0, 3.0), (1, 4.0), (2, None), (UNSET, 9.0)]
    entries = [
        Entry(member=m, incarnation=1, score=score, source=SOURCE, hyperparameters={}, sub_population=part)
        for m, (part, score) in enumerate(scores)
    ]
    found = part_scores([decided([], entries=entries)], Objective("score", goal=goal))
    assert found == [PartScore(0, 30, best[0]), PartScore(1, 30, best[1])]
