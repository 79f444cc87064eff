"""The audit of rounds: their bytes, what they compared, the best that they name, and their decisions, replayed."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.errors import NotFound, RecordRefused
from pbt_contract.stores import Store
from pbt_contract.text import quoted
from pbt_operator.core.quorum import entry_of, planned_due
from pbt_operator.core.replay import replay_faults
from pbt_operator.core.round_record import Entry, Round, Standing
from pbt_operator.core.spec import Spec
from pbt_operator.core.standing import standing_of
from pbt_operator.manifest.population import recorded, to_core
from pbt_operator.records import specs
from pbt_operator.records.archive import Archive
from pbt_operator.records.audit_turns import turn_faults
from pbt_operator.records.violation import Violation


class AcceptedSpecs:
    """The accepted specs of a population by their number, each read once."""

    def __init__(self, store: Store) -> None:
        """Takes a store at the population's location; reads nothing yet."""
        self._store = store
        self._known: dict[int, Spec | str] = {}

    def get(self, number: int) -> Spec | str:
        """A spec for decisions, or why there is none."""
        if number not in self._known:
            try:
                self._known[number] = to_core(recorded(specs.read(self._store, number)))
            except NotFound:
                self._known[number] = f"{keys.spec(number)}, which doesn't exist"
            except RecordRefused as refusal:
                self._known[number] = str(refusal)
        return self._known[number]


def round_violations(archive: Archive, accepted: AcceptedSpecs) -> Iterator[Violation]:
    """What is wrong with the recorded rounds."""
    previous: Round | None = None
    rounds = {decided.number: decided for decided in archive.rounds}
    for decided in archive.rounds:
        spec = accepted.get(decided.spec)
        if isinstance(spec, str):
            yield _wrong(decided, f"it was decided with {spec}")
            continue
        for what in (
            *_faults(decided, previous, spec, archive),
            *replay_faults(decided, spec=spec, rounds=rounds),
        ):
            yield _wrong(decided, what)
        previous = decided


def _wrong(decided: Round, what: str) -> Violation:
    return Violation(5, decided.key, what)


def _faults(decided: Round, previous: Round | None, spec: Spec, archive: Archive) -> Iterator[str]:
    if decided.step != spec.schedule.step_of(decided.number):
        yield f"it says step {decided.step}, and is at step {spec.schedule.step_of(decided.number)}"
    compared = [entry.member for entry in decided.entries]
    if compared != sorted(set(compared)):
        yield f"it compares the members {quoted(str(compared))}: not each once, in ascending order"
    for entry in decided.entries:
        yield from _entry_faults(entry, decided, spec, archive)
    yield from _best_faults(decided, previous, spec, archive)
    yield from _due_faults(decided, previous, spec, archive)
    yield from turn_faults(decided, previous, spec, archive)


def _due_faults(decided: Round, previous: Round | None, spec: Spec, archive: Archive) -> Iterator[str]:
    """Where the horizon isn't as it was planned after the round before.

    Of two operators at once, one may decide a round before it has heard of the other's newest: it planned after one
    that it knew, or after none.
    """
    planned = planned_due(previous, spec)
    if decided.due == planned:
        return
    known = [None, *(one for one in archive.rounds if one.number < decided.number)]
    if decided.due in {planned_due(newest, spec) for newest in known}:
        return
    found, right = ("none" if due is UNSET else due for due in (decided.due, planned))
    yield f"the round in which it says losers are due is {found}; should be {right}"


def _entry_faults(entry: Entry, decided: Round, spec: Spec, archive: Archive) -> Iterator[str]:
    """Where an entry differs from the report that was compared."""
    key = keys.report(decided.number, *entry.life)
    report = archive.reports.get(key)
    if report is None:
        yield f"it compares member {entry.member} by {key}, which {_absence(key, archive)}"
        return
    if report.step != decided.step:
        yield f"it compares member {entry.member} by {key}, which is at step {report.step}"
    turns = () if decided.sub_populations is UNSET else decided.sub_populations
    # Whether the member was done, the operator may have heard later.
    expected = replace(
        entry_of(report, archive.history, spec, turns), ancestor=entry.ancestor, ended=entry.ended
    )
    if (
        entry.unscored is UNSET
    ):  # versions that didn't know of it took an empty list for a score that isn't finite
        expected = replace(expected, unscored=UNSET)
    yield from _differences(entry, expected, f"its entry of member {entry.member}", key)
    if entry.ended is not UNSET and entry.life not in archive.ended:
        yield f"it says that member {entry.member} was done, and no record of that life does"
    if entry.ancestor is not None:
        what = f"the ancestor in its entry of member {entry.member}"
        if entry.score is not None or entry.ancestor.step >= entry.source.step:
            yield f"{what} is none"
        yield from _standing_faults(entry.ancestor, what, spec, archive)


def _best_faults(decided: Round, previous: Round | None, spec: Spec, archive: Archive) -> Iterator[str]:
    """Where the best is not as its report says, or not the best of what the round is sure to have known.

    Reports arrive while a round is decided, so a better one of an earlier round may have come too late. Those that the
    round compared were there; where rounds are decided in order, so was the best of the round before.
    """
    best, utility = decided.best, spec.objective.utility
    known = [entry.score for entry in decided.entries if entry.score is not None]
    if previous is not None and previous.best is not None and spec.schedule.quorum_percent >= 100:
        known.append(previous.best.score)
    if known and (best is None or utility(best.score) < max(map(utility, known))):
        yield f"its best is {best and best.score}, and it knew {max(known, key=utility)}"
    if best is None:
        return
    yield from _standing_faults(best, "its best", spec, archive)
    report = archive.reports.get(best.source.record)
    if report is not None and report.round is not None and report.round > decided.number:
        yield f"its best is of round {report.round}"


def _standing_faults(standing: Standing, what: str, spec: Spec, archive: Archive) -> Iterator[str]:
    key = standing.source.record
    report = archive.reports.get(key)
    expected = standing_of(report, spec.objective) if report is not None else None
    if expected is None:
        yield f"{what} is {quoted(key)}, which {_absence(key, archive) if report is None else 'has no finite score'}"
    else:
        yield from _differences(standing, expected, what, key)


def _differences(found: Entry | Standing, expected: Entry | Standing, what: str, key: str) -> Iterator[str]:
    """The fields in which a part of a round differs from the report behind it, to the bit."""
    for name in found.__struct_fields__:
        one, other = (_bytes(getattr(part, name)) for part in (found, expected))
        if one != other:
            yield f"{what} has {name} {quoted(one.decode())}, and {key} has {quoted(other.decode())}"


def _bytes(value: Any) -> bytes:
    return b"nothing" if value is UNSET else msgspec.json.encode(value, order="sorted")


def _absence(key: str, archive: Archive) -> str:
    return "is refused" if key in archive.refused else "doesn't exist"
