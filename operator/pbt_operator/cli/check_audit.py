"""`pbt audit`: replays every recorded decision and checks the invariants."""

import msgspec

from pbt_operator.cli.output import READERS, opened_population, say, say_json
from pbt_operator.core.wording import all_of
from pbt_operator.page.words import counted
from pbt_operator.records.audit import Audit, audit


def check_audit(location: str, *, as_json: bool) -> int:
    """Prints what is wrong with the records at a location, a line for each violation.

    Returns:
        The exit code: 1 if anything is wrong.
    """
    with opened_population(location) as store:
        checked = audit(store, readers=READERS)
    if as_json:
        say_json(msgspec.to_builtins(checked))
    else:
        for violation in checked.violations:
            say(str(violation))
        say(_summary(checked))
    return 1 if checked.violations else 0


def _summary(checked: Audit) -> str:
    amounts = [
        counted(checked.rounds, "round"),
        counted(checked.decisions, "decision"),
        counted(checked.births, "birth"),
        counted(checked.reports, "report"),
    ]
    found = counted(len(checked.violations), "violation")
    return f"{checked.population}: {found}; checked {all_of(amounts)}"
