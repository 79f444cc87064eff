"""Whether a decided round follows from what it recorded."""

from collections.abc import Iterator, Mapping

from msgspec import UNSET

from pbt_contract.encoding import encode
from pbt_operator.core.exploit import choose
from pbt_operator.core.laws import broken_laws
from pbt_operator.core.round_record import Round
from pbt_operator.core.rules import Replay, RoundView
from pbt_operator.core.spec import Spec


def replay_faults(decided: Round, *, spec: Spec, rounds: Mapping[int, Round]) -> Iterator[str]:
    """What is wrong with a round: a sentence for each, about `it`; none if all is well.

    What follows from rules whose replay is exact is recomputed, bit for bit. The answers of the others are taken from
    the record and checked by the rules themselves; what follows from those answers is recomputed.

    Args:
        decided: the round.
        spec: what it was decided with.
        rounds: the decided rounds, by number.
    """
    recorded = decided.recorded
    numbers = [] if recorded is UNSET else recorded.earlier
    if numbers != sorted(set(numbers)) or any(number >= decided.number for number in numbers):
        yield "it looked at rounds that don't come before it"
        return
    missing = [str(number) for number in numbers if number not in rounds]
    if missing:
        yield f"it looked at rounds that aren't there: {', '.join(missing)}"
        return
    earlier = [rounds[number] for number in numbers]
    view = spec.view(decided.number, decided.entries, earlier, due=decided.due, crashed=decided.crashed)
    again = choose(view, spec=spec, recorded=recorded, turns=decided.sub_populations)
    if list(map(encode, again.decisions)) != list(map(encode, decided.decisions)):
        yield "its decisions don't follow from its scores"
    if again.recorded != recorded:
        yield "it doesn't record what its rules said"
    yield from _refused_answers(decided, view, spec)
    for law in broken_laws(decided.decisions, view=view, spec=spec, turns=decided.sub_populations):
        yield f"it breaks a law: {law}"


def _refused_answers(decided: Round, view: RoundView, spec: Spec) -> Iterator[str]:
    """What the rules whose replay is recorded say about their own answers."""
    exploit, explore, recorded = spec.exploit.rule, spec.explore, decided.recorded
    if recorded is UNSET:
        return
    if exploit.replay is Replay.RECORDED and recorded.exploit is not UNSET:
        for fault in exploit.verify(view.looking_back(exploit.looks_back(spec.members)), recorded.exploit):
            yield f"its exploit can't have said what it records: {fault}"
    if explore.replay is Replay.RECORDED:
        seen = view.looking_back(explore.looks_back(spec.members))
        for fault in explore.verify_moves(seen, recorded.explore):
            yield f"its explore can't have said what it records: {fault}"
