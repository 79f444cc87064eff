"""A rule whose numerics may differ between machines: its answers are on record, and checked by itself."""

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from fixtures.hypothesis_strategies import INTERVAL, make_spec, round_of, source_of, values_of
from fixtures.toy_explore import Centre
from pbt_contract.encoding import decode, encode
from pbt_operator.core.exploit import choose
from pbt_operator.core.replay import replay_faults
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import Replay, Truncation

SPEC = make_spec(explore=Centre(), members=4)


def decide(number, earlier=(), *, spec=SPEC, recorded=UNSET, scores=(0.0, 1.0, 2.0, 3.0)):
    """A round as it is read back from the store."""
    compared = round_of(*scores, step=number * INTERVAL)
    chosen = choose(spec.view(number, compared, earlier), spec=spec, recorded=recorded)
    written = Round(
        number=number,
        step=spec.schedule.step_of(number),
        spec=1,
        entries=compared,
        decisions=chosen.decisions,
        recorded=chosen.recorded,
    )
    return decode(Round, encode(written), key=written.key)


@pytest.fixture
def rounds():
    """Four rounds, each decided by what came before it."""
    found = []
    for number in range(1, 5):
        found.append(decide(number, found))
    return {one.number: one for one in found}


def faults(decided, rounds, *, spec=SPEC):
    return list(replay_faults(decided, spec=spec, rounds=rounds))


def moved(decided, **values):
    """The round with other answers on record, and all that follows from them."""
    (move,) = decided.recorded.explore
    answer = replace(move, hyperparameters=move.hyperparameters | values)
    told = replace(decided.recorded, explore=[answer])
    again = choose(SPEC.view(decided.number, decided.entries), spec=SPEC, recorded=told)
    return replace(decided, recorded=told, decisions=again.decisions)


def test_a_rule_is_given_as_many_rounds_as_it_declares_the_oldest_first(rounds):
    assert [one.recorded.earlier for one in rounds.values()] == [[], [1], [1, 2], [2, 3]]
    (move,) = rounds[4].recorded.explore
    assert [len(logs) for logs in move.inputs["seen"].values()] == [12] * len(move.inputs["seen"])


def test_inputs_and_answer_are_on_record_and_audited_clean(rounds):
    (move,) = rounds[4].recorded.explore
    assert move.copied == values_of(3)
    assert rounds[4].decisions[0].hyperparameters == move.hyperparameters
    assert [faults(one, rounds) for one in rounds.values()] == [[]] * 4


def test_an_answer_that_another_machine_could_have_given_is_accepted(rounds):
    (move,) = rounds[4].recorded.explore
    other = moved(rounds[4], lr=move.hyperparameters["lr"] * (1 + 1e-12))
    assert other.decisions != rounds[4].decisions
    assert faults(other, rounds) == []


def test_a_changed_answer_is_refused_by_the_rule(rounds):
    (move,) = rounds[4].recorded.explore
    other = moved(rounds[4], lr=move.hyperparameters["lr"] * 1.01)
    (fault,) = faults(other, rounds)
    assert fault.startswith("its explore can't have said what it records: lr of member 0 would be")


def test_decisions_that_do_not_follow_from_the_answer_are_refused(rounds):
    (decision,) = rounds[4].decisions
    other = replace(decision, hyperparameters=decision.hyperparameters | {"lr": 0.5})
    assert faults(replace(rounds[4], decisions=[other]), rounds) == [
        "its decisions don't follow from its scores"
    ]


def test_an_answer_about_something_else_is_refused(rounds):
    (move,) = rounds[4].recorded.explore
    told = replace(rounds[4].recorded, explore=[replace(move, copied=move.copied | {"lr": 0.5})])
    assert "it doesn't record what its rules said" in faults(replace(rounds[4], recorded=told), rounds)


def test_a_round_without_its_record_is_refused(rounds):
    assert "it doesn't record what its rules said" in faults(replace(rounds[4], recorded=UNSET), rounds)


@pytest.mark.parametrize(
    ("earlier", "fault"),
    [
        ([2, 9], "it looked at rounds that don't come before it"),
        ([3, 2], "it looked at rounds that don't come before it"),
        ([0, 3], "it looked at rounds that aren't there: 0"),
    ],
)
def test_rounds_that_it_cannot_have_looked_at_are_told(rounds, earlier, fault):
    told = replace(rounds[4].recorded, earlier=earlier)
    assert faults(replace(rounds[4], recorded=told), rounds) == [fault]


class Guess(Truncation):
    """An exploit that doesn't say how it came to its answer."""

    replay = Replay.RECORDED

    def inputs(self, view):
        """Only how many there were."""
        return {"compared": len(view.entries)}

    def verify(self, view, proposal):
        """Whatever it was, of these."""
        if proposal.inputs != self.inputs(view):
            yield f"it compared {len(view.entries)}"


def test_an_exploit_can_be_recorded_too():
    spec = make_spec(Guess(), members=4)
    decided = decide(2, spec=spec)
    proposal = decided.recorded.exploit
    assert msgspec.to_builtins(proposal) == {
        "inputs": {"compared": 4},
        "beaten": [{"member": 0, "donors": [3], "why": "0 is among the worst 1 of 4"}],
    }
    assert faults(decided, {}, spec=spec) == []
    told = replace(decided.recorded, exploit=replace(proposal, inputs={"compared": 3}))
    assert faults(replace(decided, recorded=told), {}, spec=spec) == [
        "its exploit can't have said what it records: it compared 4"
    ]
    told = replace(decided.recorded, exploit=replace(proposal, beaten=[]))
    assert "its decisions don't follow from its scores" in faults(
        replace(decided, recorded=told), {}, spec=spec
    )
    assert decided.decisions[0].source == source_of(3)
