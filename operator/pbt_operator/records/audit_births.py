"""The audit of births: numbered without gaps, of the origin that they name, as their decisions order them."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from pbt_contract import keys
from pbt_contract.encoding import encode
from pbt_contract.keys import Life
from pbt_contract.records import Birth, Cause, Ending
from pbt_contract.stores import Store
from pbt_contract.text import quoted
from pbt_operator.core import births
from pbt_operator.core.round_record import Round
from pbt_operator.records.archive import Archive
from pbt_operator.records.audit_rounds import AcceptedSpecs
from pbt_operator.records.violation import Violation

DECIDED = frozenset({Cause.EXPLOIT, Cause.ROLLBACK})


def birth_violations(store: Store, archive: Archive, accepted: AcceptedSpecs) -> Iterator[Violation]:
    """What is wrong with the recorded births."""
    yield from _numbers(archive)
    yield from _sources(archive)
    yield from _progress(store, archive)
    yield from _ended(store, archive)
    yield from _orders(archive, accepted)
    yield from _born_once(archive)
    yield from _sub_populations(archive)
    yield from _hyperparameters(archive)


def _numbers(archive: Archive) -> Iterator[Violation]:
    incarnations: dict[int, list[int]] = defaultdict(list)
    for member, incarnation in sorted(archive.births):
        incarnations[member].append(incarnation)
    for member, found in incarnations.items():
        missing = next((n for n, one in enumerate(found, start=1) if n != one), None)
        if missing is not None:
            yield Violation(
                2,
                keys.birth(member, missing),
                f"is missing: member {member} has the incarnations {quoted(str(found))}",
            )
    for report in [*archive.reports.values(), *archive.saves.values()]:
        if report.life not in archive.claimed:
            yield Violation(1, report.key, "was written by a process that had no claim")


def _sources(archive: Archive) -> Iterator[Violation]:
    for birth in archive.births.values():
        if birth.source is None or birth.cause.closes:
            continue
        key = birth.source.record
        source = archive.reports.get(key) or archive.saves.get(key)
        if source is None:
            yield Violation(2, birth.key, f"starts from {quoted(key)}, which doesn't exist")
        elif source.source != birth.source or birth.start_step != source.step:
            yield Violation(2, birth.key, f"starts from something else than {quoted(key)} says")


def _progress(store: Store, archive: Archive) -> Iterator[Violation]:
    """A member that was not chosen never falls behind its newest record, nor changes its hyperparameters.

    Once a location has been adopted, the former owner's trainers may have written on for a while: such zombies' records
    don't count, and nothing says when they were written, so resumes can't be judged.
    """
    adopted = sum(1 for _ in store.names(keys.OWNERS)) > 1
    newest: dict[Life, int] = {}
    for record in [*archive.reports.values(), *archive.saves.values()]:
        newest[record.life] = max(record.step, newest.get(record.life, 0))
    for (member, incarnation), birth in archive.births.items():
        former = Life(member, incarnation - 1)
        previous = archive.births.get(former)
        if previous is None or not (birth.cause.resumes or birth.cause.closes):
            continue
        if birth.hyperparameters != previous.hyperparameters:
            yield Violation(3, birth.key, f"has other hyperparameters than {previous.key}")
        if birth.cause.closes or (adopted and birth.cause is Cause.RESUME):
            continue
        reached = newest.get(former, previous.start_step)
        if birth.start_step < reached:
            yield Violation(
                3, birth.key, f"resumed at step {birth.start_step}, its newest record is at {reached}"
            )


def _ended(store: Store, archive: Archive) -> Iterator[Violation]:
    """A member that is done gets no birth but by a decision that was taken before its operator heard of it.

    A crash after it left its loop goes on, and a former owner's trainers may have said so long after.
    """
    if sum(1 for _ in store.names(keys.OWNERS)) > 1:
        return
    after_all = {Cause.CRASH, Cause.REPLACE, Cause.FAILED, Cause.REMOVED}
    for record in [*archive.reports.values(), *archive.saves.values()]:
        birth = archive.births.get(Life(record.member, record.incarnation + 1))
        if not record.ends or birth is None or record.step > birth.previous_step:
            continue
        excused = DECIDED | after_all if record.ending is Ending.LEFT else DECIDED | {Cause.REMOVED}
        if birth.cause not in excused:
            yield Violation(3, birth.key, f"was born though {record.key} says that the member was done")


def _orders(archive: Archive, accepted: AcceptedSpecs) -> Iterator[Violation]:
    """Births that follow from a spec or from a recorded decision are what it orders, to the bit.

    A member that reported late was judged by its round's scores after the round was recorded: no record says by which
    newest round, so such a birth isn't judged again.
    """
    rounds = {decided.number: decided for decided in archive.rounds}
    for birth in archive.births.values():
        if birth.cause is Cause.INITIAL:
            what = _initial_fault(birth, archive, accepted)
        elif (birth.cause in DECIDED) != (birth.round is not None):
            what = f"is {birth.cause}, and its round is {birth.round}"
        elif birth.round is None:
            continue
        elif birth.round not in rounds:
            what = f"follows from {keys.round_(birth.round)}, which doesn't exist"
        else:
            what = _decided_fault(birth, rounds[birth.round], archive)
        if what is not None:
            yield Violation(5, birth.key, what)


def _initial_fault(birth: Birth, archive: Archive, accepted: AcceptedSpecs) -> str | None:
    for number in range(1, archive.record.number + 1):
        spec = accepted.get(number)
        if not isinstance(spec, str) and encode(births.first(spec, member=birth.member)) == encode(birth):
            return None
    return "is not what the population's spec and seed begin this member with"


def _decided_fault(birth: Birth, decided: Round, archive: Archive) -> str | None:
    decision = next((one for one in decided.decisions if one.member == birth.member), None)
    if decision is None:
        compared = any(entry.member == birth.member for entry in decided.entries)
        return f"follows from {decided.key}, which doesn't choose this member" if compared else None
    ordered = births.decided(
        decision, round_number=decided.number, at_step=decided.step, history=archive.history
    )
    # What it carries on depends on when it was written: the audit of ends looks at that.
    carried = replace(ordered, incarnation=birth.incarnation, crashes=birth.crashes, blamed=birth.blamed)
    if encode(carried) != encode(birth):
        return f"is not what {decided.key} orders"
    return None


def _born_once(archive: Archive) -> Iterator[Violation]:
    closed = [life for life, birth in archive.births.items() if birth.cause.closes]
    born: Counter[tuple[int | None, int, int]] = Counter()
    for (member, incarnation), birth in sorted(archive.births.items()):
        if birth.cause not in DECIDED:
            continue
        # A member that was scaled away and came back begins anew, and may lose the same round again.
        order = (birth.round, member, sum(m == member and i < incarnation for m, i in closed))
        born[order] += 1
        if born[order] == 2:
            yield Violation(5, birth.key, f"is the second birth of member {member} from round {birth.round}")


def _sub_populations(archive: Archive) -> Iterator[Violation]:
    """A member stays in the sub-population that it was born into; what has been merged, rounds say."""
    count = len(archive.spec.sub_populations)
    for (member, incarnation), birth in archive.births.items():
        part = birth.sub_population
        if (part is UNSET) == bool(count) or (part is not UNSET and part >= count):
            told = "none" if part is UNSET else part
            yield Violation(5, birth.key, f"has the sub-population {told}, and the spec has {count}")
        former = archive.births.get(Life(member, incarnation - 1))
        if former is not None and former.sub_population != part:
            yield Violation(5, birth.key, f"has another sub-population than {former.key}")


def _hyperparameters(archive: Archive) -> Iterator[Violation]:
    for birth in archive.births.values():
        for hyperparameter in archive.spec.hyperparameters:
            value = birth.hyperparameters.get(hyperparameter.name)
            if value is None or not hyperparameter.space.contains(value):
                yield Violation(
                    6, birth.key, f"has {hyperparameter.name} = {quoted(repr(value))}, outside its space"
                )
