"""Where hyperparameters come from: given at the start, sampled, or copied from a donor and explored."""

from collections.abc import Mapping

from pbt_contract.records import Value
from pbt_operator.core.chance import chance
from pbt_operator.core.spec import Spec
from pbt_operator.core.transcript import Transcript


def sample(spec: Spec, *, member: int, round_number: int, again: int = 0) -> dict[str, Value]:
    """Draws every hyperparameter from its distribution; with `again`, other values than the draws before."""
    which = f"/{again}" if again else ""
    return {
        h.name: h.space.sample(chance(spec.seed, round_number, member, f"sample/{h.name}{which}"))
        for h in spec.hyperparameters
    }


def initial(spec: Spec, *, member: int) -> dict[str, Value]:
    """What a member begins with: the first ones with what `spec.initial` names, the rest is sampled."""
    given = spec.initial[member] if member < len(spec.initial) else {}
    sampled = sample(spec, member=member, round_number=0)
    return sampled | {h.name: h.space.typed(given[h.name]) for h in spec.hyperparameters if h.name in given}


def explore(
    hyperparameters: Mapping[str, Value], *, member: int, transcript: Transcript
) -> tuple[dict[str, Value], dict[str, str]]:
    """Changes copied hyperparameters by the explore rule.

    A value that is missing or outside its space, in a record that somebody edited or in the rule's answer, is
    resampled in any case; one that is never explored is copied as it is.

    Returns:
        The new hyperparameters, and for each the operation in words.
    """
    view = transcript.view
    copied = {
        h.name: value
        for h in view.space
        if (value := hyperparameters.get(h.name)) is not None and h.space.contains(value)
    }
    move = transcript.move(copied, member=member)
    values: dict[str, Value] = {}
    operations: dict[str, str] = {}
    for h in view.space:
        moved = move.values.get(h.name)
        if h.name in copied and not h.explored:
            values[h.name], operations[h.name] = h.space.typed(copied[h.name]), "kept"
        elif moved is not None and h.space.contains(moved):
            values[h.name], operations[h.name] = h.space.typed(moved), move.operations.get(h.name, "moved")
        else:
            rng = view.chance(member, f"explore/{h.name}")
            values[h.name], operations[h.name] = h.space.sample(rng), "resampled"
    return values, operations
