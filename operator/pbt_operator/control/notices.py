"""What a person should know of a report: the trainer's own notes, and hyperparameters that aren't what was assigned."""

from collections.abc import Iterator

from pbt_contract.records import Birth, Report, Value
from pbt_contract.text import quoted
from pbt_operator.control.events import Event

MAX_NOTES, MAX_NOTE = 8, 500  # the whole stays in the record


def remarks(report: Report, birth: Birth, source: Report | None) -> Iterator[Event]:
    """The events that a new report calls for.

    Args:
        report: just learned.
        birth: the one of its incarnation.
        source: the record that this incarnation started from, if it did from one.
    """
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


def _is(used: Value | list[Value] | None, value: Value) -> bool:
    """Whether that value is in use, in every group."""
    return used == value or (isinstance(used, list) and bool(used) and all(one == value for one in used))
