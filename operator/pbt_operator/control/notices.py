"""What a person should know of records that are new.

Of a report: the trainer's own notes, and hyperparameters that aren't what was assigned. Of a claim: why its process was
started anew, where it might have continued in place.
"""

from collections.abc import Iterable, Iterator

from msgspec import UnsetType

from pbt_contract.records import Birth, Claim, Report, Started
from pbt_contract.text import quoted
from pbt_operator.control.events import Event
from pbt_operator.core.history import History
from pbt_operator.core.news import MAX_NOTE, News
from pbt_operator.core.outcome import done_words
from pbt_operator.core.takeovers import DECIDED, MAX_REASONS, reason_of


def remarks(news: News, birth: Birth, source: Report | None) -> Iterator[Event]:
    """The events that a new report calls for.

    Args:
        news: of a report that was just learned.
        birth: the one of its incarnation.
        source: the record that this incarnation started from, if it did from one.
    """
    if not isinstance(news.ending, UnsetType):
        told = f"member {news.member} is {done_words(news.ending, step=news.step)}"
        yield Event("MemberFinished", told, news.member)
    for note in news.notes:
        told = f"member {news.member} at step {news.step}: {note}"
        yield Event("TrainerNote", told, news.member, warning=True)
    if source is None:
        return
    for name, used in news.unlike.items():
        donors = source.hyperparameters.get(name)
        # An annealed value differs from both; the donor's own value means that the restore undid the exploration.
        if used == donors:
            told = f"member {news.member} trains with {name} {donors}, the donor's, though "
            assigned = f"{birth.hyperparameters[name]} was assigned"
            yield Event("HyperparameterMismatch", told + assigned, news.member, warning=True)


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
