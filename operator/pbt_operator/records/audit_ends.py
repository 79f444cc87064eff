"""The audit of what follows from ends: births after crashes, the counters that births carry on, what rounds say of it.

Such a birth is worked out again from its member's births, records and ends before it. What its operator knew besides,
no record tells: which spec was in force, whether anybody had reported, whether others crashed on that node. A
birth is right if it follows under some of these.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import product

from msgspec import UNSET

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Report
from pbt_contract.stores import Store
from pbt_operator.core.births import Counters
from pbt_operator.core.blame import Setting, after_crash, crash_of
from pbt_operator.core.comeback import again, returned
from pbt_operator.core.crashed import AFTER_CRASHES, crashed_after
from pbt_operator.core.history import History
from pbt_operator.core.round_record import Round
from pbt_operator.core.spec import Spec
from pbt_operator.records.archive import Archive
from pbt_operator.records.audit_rounds import AcceptedSpecs
from pbt_operator.records.violation import Violation

SETTINGS = [Setting(anyone_reported=a, is_bad_node=b) for a, b in product((True, False), repeat=2)]
MOST_RECORDS = 1_000_000


def end_violations(store: Store, archive: Archive, accepted: AcceptedSpecs) -> Iterator[Violation]:
    """What is wrong with ends and with what follows from them."""
    for end in archive.ends.values():
        if end.life not in archive.births:
            yield Violation(2, end.key, "is the end of a life that was never born")
    yield from _crashed(archive)
    if sum(1 for _ in store.names(keys.OWNERS)) > 1:
        return  # a former owner's trainers may have recorded things since: nothing says when
    past = _Past(archive)
    for birth in archive.births.values():
        what = _fault(birth, past, archive, accepted)
        if what is not None:
            yield Violation(5, birth.key, what)


class _Past:
    """The history as it was before a birth, as far as the records of its member go."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._records: dict[int, list[Report]] = defaultdict(list)
        for record in [*archive.reports.values(), *archive.saves.values()]:
            self._records[record.member].append(record)
        self._rounds = {decided.number: decided for decided in archive.rounds}

    def has_record(self, life: Life) -> bool:
        """Whether a life has recorded anything."""
        return any(record.incarnation == life.incarnation for record in self._records[life.member])

    def before(self, birth: Birth, decided: int) -> History | None:
        """The history before a birth; None if the round that was the newest one then isn't there."""
        history = History(kept_per_member=MOST_RECORDS)
        if decided:
            if decided not in self._rounds:
                return None
            history.add_round(self._rounds[decided])
        for incarnation in range(1, birth.incarnation):
            life = Life(birth.member, incarnation)
            if life in self._archive.births:
                history.add_birth(self._archive.births[life])
            if life in self._archive.ends:
                history.ends.add(self._archive.ends[life])
        former = birth.incarnation - 1
        for record in self._records[birth.member]:
            if record.incarnation < former or (
                record.incarnation == former and record.step <= birth.previous_step
            ):
                history.add_record(record)
        line = history.line(birth.member)
        source = line[-1].source if line else None
        origin = self._archive.reports.get(source.record) if source is not None else None
        origin = origin or (self._archive.saves.get(source.record) if source is not None else None)
        if origin is not None:
            history.add_record(origin)
        return history


def _fault(birth: Birth, past: _Past, archive: Archive, accepted: AcceptedSpecs) -> str | None:
    """What is wrong with a birth, as far as ends and counters go."""
    former = archive.births.get(Life(birth.member, birth.incarnation - 1))
    if former is None:
        return None
    if birth.cause in AFTER_CRASHES:
        return _crash_fault(birth, past, archive, accepted)
    if birth.cause is Cause.SCALE and not former.cause.closes and birth.seed_round == 0:
        if _return_fault(birth, past, archive, accepted) is None:
            return None  # the population failed before anybody had reported, and was continued
    elif former.cause is Cause.FAILED:
        return _return_fault(birth, past, archive, accepted)
    carried, found = Counters.of(former), Counters.of(birth)
    # Versions that didn't name the round at crashes set the counters back at decisions.
    is_known = former.decided is not UNSET or not carried.crashes
    if found == carried or (found == Counters() and (past.has_record(former.life) or not is_known)):
        return None
    return f"has counted {found.crashes} crashes, {found.blamed} blamed; should be as in {former.key}"


def _crash_fault(birth: Birth, past: _Past, archive: Archive, accepted: AcceptedSpecs) -> str | None:
    end = archive.ends.get(Life(birth.member, birth.incarnation - 1))
    if end is None or not isinstance(birth.decided, int):  # a version that didn't record ends
        return None
    history = past.before(birth, birth.decided)
    if history is None:
        return f"follows a crash after {keys.round_(birth.decided)}, which doesn't exist"

    def follows(spec: Spec) -> Iterator[Birth]:
        crash = crash_of(end, history, spec)
        if crash is not None:
            yield from (after_crash(crash, history, spec, setting) for setting in SETTINGS)

    return _unless_any(birth, follows, archive, accepted, f"doesn't follow from {end.key}")


def _return_fault(birth: Birth, past: _Past, archive: Archive, accepted: AcceptedSpecs) -> str | None:
    history = past.before(birth, birth.seed_round or 0)
    if history is None:
        return f"comes back by {keys.round_(birth.seed_round or 0)}, which doesn't exist"

    def follows(spec: Spec) -> Iterator[Birth]:
        after_round = returned(history, spec, birth.member)
        yield from [] if after_round is None else [after_round]
        yield again(history, spec, birth.member)

    return _unless_any(birth, follows, archive, accepted, "is not how a member comes back that failed")


def _unless_any(
    birth: Birth,
    follows: Callable[[Spec], Iterator[Birth]],
    archive: Archive,
    accepted: AcceptedSpecs,
    what: str,
) -> str | None:
    """`what`, unless the birth follows under some spec that was in force."""
    for number in range(archive.record.number, 0, -1):
        spec = accepted.get(number)
        if not isinstance(spec, str) and any(encode(one) == encode(birth) for one in follows(spec)):
            return None
    return what


def _crashed(archive: Archive) -> Iterator[Violation]:
    """Rounds say of lives that crashed what births and ends say, and of each once."""
    for decided in archive.rounds:
        for what in _crashed_faults(decided, archive):
            yield _wrong(decided, what)


def _crashed_faults(decided: Round, archive: Archive) -> Iterator[str]:
    lives: set[Life] = set()
    since: set[int] = set()
    for crashed in [] if decided.crashed is UNSET else decided.crashed:
        life, after = (
            keys.life(*crashed.life),
            archive.births.get(Life(crashed.member, crashed.incarnation + 1)),
        )
        if crashed.life in lives:
            yield f"it says twice that {life} crashed"
        elif after is None or not _is_before(after, decided):
            yield f"it says that {life} crashed before it, and no birth does"
        elif crashed not in crashed_after([after], archive.history, decided=int(after.decided or 0)):
            yield f"it says otherwise how {life} crashed than its births"
        else:
            since.add(int(after.decided or 0))
        lives.add(crashed.life)
    if len(since) > 1:
        yield f"it says what crashed after each of the rounds {', '.join(map(str, sorted(since)))}"
    later = _sure_to_be_known(decided, archive)
    if since and later > min(since):
        yield f"it says what crashed after round {min(since)}, and it knew round {later}"


def _sure_to_be_known(decided: Round, archive: Archive) -> int:
    """The newest round before this one that its operator had certainly heard of; 0 if that is none.

    Two operators at once may both pass over a round, one of them decides it all the same, and neither has heard of the
    other's: then both say what crashed since the round before. Whoever compares a life that a later round gave birth to
    has looked for rounds since.
    """
    known = [] if decided.recorded is UNSET else list(decided.recorded.earlier)
    for entry in decided.entries:
        birth = archive.births.get(entry.life)
        if birth is not None:
            known += [birth.round or 0, birth.decided if isinstance(birth.decided, int) else 0]
    return max((number for number in known if number < decided.number), default=0)


def _is_before(after: Birth, decided: Round) -> bool:
    return isinstance(after.decided, int) and after.decided < decided.number


def _wrong(decided: Round, what: str) -> Violation:
    return Violation(5, decided.key, what)
