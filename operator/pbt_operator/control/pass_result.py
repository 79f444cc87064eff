"""What one pass answers: all that whoever runs the passes needs to know before the next one."""

from dataclasses import dataclass

from pbt_operator.core.allowance import Cursor
from pbt_operator.core.cost import Usage
from pbt_operator.core.outcome import Outcome
from pbt_operator.core.spec import Spec
from pbt_operator.core.status import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """How a population stands after a pass.

    Attributes:
        spec: what the pass ran under.
        cursor: what it has left because its allowance was spent; None if nothing. A pass with a cursor has gone no
            further than that: the next one is due at once, after others had their turn.
        outcome: why the population ended; None while it hasn't, and until that is recorded.
        concludes: whether it has ended, and more is to be read at once before that is recorded.
        result: the record of that end; None while there is none.
        active_since: seconds by the pass's clock; activeDeadlineSeconds is counted from there.
        awaited: the few members whose reports a round lacks; empty if it lacks many, or if no round waits.
        ripe_in: seconds until a round that has its quorum is ripe, whoever else reports it; None if none waits so.
        num_left: how many members could start or be stopped at once and are left to the next pass.
        sweeps: whether retention has more to delete at once.
        takes_turns: whether members share the slots that the cluster grants; None where it grants all.
        usage: what the reports since the start say about requests to the store.
    """

    spec: Spec
    cursor: Cursor | None
    outcome: Outcome | None
    concludes: bool
    result: Result | None
    active_since: float
    awaited: frozenset[int]
    ripe_in: float | None
    num_left: int
    sweeps: bool
    takes_turns: bool | None
    usage: Usage
