"""What a person should know of records that are new.

Of a report: the trainer's own notes, and hyperparameters that aren't what was assigned. Of a claim: why its process was
started anew, where it might have continued in place.
"""

from collections.abc import Iterable, Iterator

from pbt_contract.records import Birth, Claim, Report, Started, Value
from pbt_contract.text import quoted
from pbt_operator.control.events import Event
from pbt_operator.core.history import History
from pbt_operator.core.outcome import done_words
from pbt_operator.core.takeovers import DECIDED, MAX_REASONS, reason_of

MAX_NOTES, MAX_NOTE = 8, 500  # the whole stays in the record


def remarks(report: Report, birth: Birth, source: Report | None) -> Iterator[Event]:
    """The events that a new report calls for.

    Args:
        report: just learned.
        birth: the one of its incarnation.
        source: the record that this incarnation started from, if it did from one.
    """
    if report.ends:
        yield Event("MemberFinished", f"member {report.member} is {done_words(report)}", report.member)
    for note in report.notes[:MAX_NOTES]:
        yield Event(
            "TrainerNote",
            f"member {report.member} at step {report.step}: {quoted(note, size=MAX_NOTE)}",
            report.member,
            warning=True,
        )
    if source is None:
        return
    for name, assigned in birth.hyperparameters.items():
        used, donors = report.effective.get(name), source.hyperparameters.get(name)
        # An annealed value differs from both; the donor's own value means that the restore undid the exploration.
        if donors != assigned and donors is not None and _is(used, donors):
            told = f"member {report.member} trains with {name} {donors}, the donor's, though {assigned} was assigned"
            yield Event("HyperparameterMismatch", told, report.member, warning=True)


class StartedAnew:
    """Tells once of each reason why processes couldn't continue in place with the births that rounds decided."""

    def __init__(self, history: History) -> None:
        """What its ledger knows already was told."""
        self._history = history
        self._told = set() if history.ledger is None else set(history.ledger.takeovers.reasons)

    def remarks(self, claims: Iterable[Claim]) -> Iterator[Event]:
        """The events that new claims call for."""
        for claim in claims:
            birth, reason = self._history.birth(*claim.life), reason_of(claim)
            if claim.started is not Started.ANEW or birth is None or birth.cause not in DECIDED:
                continue
            if reason not in self._told and len(self._told) < MAX_REASONS:
                self._told.add(reason)
                yield Event(
                    "StartedAnew", f"births are not taken over in place: {quoted(reason, size=MAX_NOTE)}"
                )


def _is(used: Value | list[Value] | None, value: Value) -> bool:
    """Whether that value is in use, in every group."""
    return used == value or (isinstance(used, list) and bool(used) and all(one == value for one in used))
