"""What the tests of this folder train, and how the decisions of two runs are compared."""

import re
from typing import Any

from fixtures.manifests import DETERMINISTIC
from pbt_contract.encoding import encode
from pbt_contract.records import Birth, Cause
from pbt_operator.records.archive import Archive

SMALL: dict[str, Any] = {
    **{name: value for name, value in DETERMINISTIC.items() if name != "template"},
    "members": 4,
    "schedule": {"totalSteps": 60, "intervalSteps": 10, "quorumPercent": 100},
}
"""Four members of the deterministic trainer, which decide the same wherever they train. It lacks its template."""

TINY: dict[str, Any] = {**SMALL, "members": 2, "schedule": {**SMALL["schedule"], "totalSteps": 20}}
"""For tests in which nothing has to be decided."""

DECIDED = frozenset({Cause.INITIAL, Cause.EXPLOIT, Cause.ROLLBACK})
_NONCE = re.compile(rb"(checkpoints/\d{5}-\d{6}/\d{12})-[^/]+/")


def records(told: Archive) -> dict[str, list[bytes]]:
    """The rounds and births, byte for byte, but for the nonces by which processes name their checkpoints."""
    written = {"rounds": told.rounds, "births": [told.births[life] for life in sorted(told.births)]}
    return {
        kind: [_NONCE.sub(rb"\1/", encode(record)) for record in found] for kind, found in written.items()
    }


def undecided(told: Archive) -> list[Birth]:
    """The births that follow from no decision, but from what became of a process."""
    return [birth for birth in told.births.values() if birth.cause not in DECIDED]


def decisions(found: Archive) -> list[tuple[Any, ...]]:
    """What was decided in each round, whatever the numbers of the incarnations that it was decided about."""
    return [
        (one.number, d.member, d.cause, d.source and (d.source.member, d.source.step), d.hyperparameters)
        for one in found.rounds
        for d in one.decisions
    ]
