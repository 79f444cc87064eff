"""The example, on GPUs that the scheduler counts."""

from pathlib import Path

import msgspec
import pytest
import yaml
from safetensors.numpy import load

from cluster.space import Space
from cluster.trainers.fingerprinted import checksum
from pbt_contract.records import Birth, Cause
from pbt_contract.stores import Store
from pbt_operator.core.status import Best
from pbt_operator.records.archive import Archive

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits" / "population.yaml"


@pytest.mark.timeout(900)
def test_the_digits_population_completes_and_copies_weights_bit_for_bit(space: Space) -> None:
    """Eight members take turns on four GPUs; each birth from a checkpoint begins with exactly its weights."""
    example = yaml.safe_load(EXAMPLE.read_text())["spec"]
    changes = {
        "parallelism": 4,
        "schedule": {**example["schedule"], "totalSteps": 150, "intervalSteps": 50, "quorumPercent": 100},
        "restart": "Recreate",
        "retention": {"checkpointsPerMember": 10},
        "template": space.template("fingerprinted.py", gpus=1),
    }
    applied = space.apply(space.population("digits", example, **changes))
    found = applied.until_ended(reason="AllStepsDone", seconds=800)
    status = applied.status
    exploits = [birth for birth in found.births.values() if birth.cause is Cause.EXPLOIT]
    assert len(exploits) == status["exploits"] >= 3
    assert status["best"] == msgspec.to_builtins(Best.of(found.best))
    assert status["final"] == msgspec.to_builtins(Best.of(found.final))
    assert status["births"] == len(found.births)
    begun = [birth for birth in found.births.values() if restored(found, birth) is not None]
    for birth in begun:
        assert restored(found, birth) == weights(applied.store, birth), birth
    assert sum(birth.cause is Cause.EXPLOIT for birth in begun) >= 3


def restored(found: Archive, birth: Birth) -> int | None:
    """The checksum of the weights that the process of a birth began with, as it told; None if it restored none."""
    own = (
        r for r in found.reports.values() if (r.member, r.incarnation) == (birth.member, birth.incarnation)
    )
    told = next((report.metrics["restored"] for report in own), None)
    return int(told) if isinstance(told, float) and birth.source is not None else None


def weights(store: Store, birth: Birth) -> int:
    """The checksum of the weights in the checkpoint that a birth names, from the bucket."""
    assert birth.source is not None
    tensors = load(store.read(f"{birth.source.checkpoint}state.safetensors"))
    prefix = "model."
    return checksum({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
