"""Where hyperparameters come from: given at the start, sampled, or copied from a donor and explored."""

from collections.abc import Mapping

from pbt_contract.records import Value
from pbt_operator.core.chance import chance
from pbt_operator.core.spec import Spec


def sample(spec: Spec, *, member: int, round_number: int) -> dict[str, Value]:
    """Draws every hyperparameter from its distribution."""
    return {
        h.name: h.space.sample(chance(spec.seed, round_number, member, f"sample/{h.name}"))
        for h in spec.hyperparameters
    }


def initial(spec: Spec, *, member: int) -> dict[str, Value]:
    """What a member begins with: the first ones with what `spec.initial` names, the rest is sampled."""
    given = spec.initial[member] if member < len(spec.initial) else {}
    sampled = sample(spec, member=member, round_number=0)
    return sampled | {h.name: h.space.typed(given[h.name]) for h in spec.hyperparameters if h.name in given}


def explore(
    hyperparameters: Mapping[str, Value], *, spec: Spec, member: int, round_number: int
) -> tuple[dict[str, Value], dict[str, str]]:
    """Resamples or perturbs each copied hyperparameter that is to be explored.

    A value that is missing or outside its space, in a record that somebody edited, is resampled in any case.

    Returns:
        The new hyperparameters, and for each the operation in words.
    """
    values: dict[str, Value] = {}
    operations: dict[str, str] = {}
    for h in spec.hyperparameters:
        rng = chance(spec.seed, round_number, member, f"explore/{h.name}")
        resampled = 100 * rng.random() < spec.explore.resample_percent
        value = hyperparameters.get(h.name)
        if value is None or not h.space.contains(value) or (h.explored and resampled):
            values[h.name], operations[h.name] = h.space.sample(rng), "resampled"
        elif h.explored:
            values[h.name], operations[h.name] = h.space.perturb(value, rng, spec.explore.factors)
        else:
            values[h.name], operations[h.name] = h.space.typed(value), "kept"
    return values, operations
