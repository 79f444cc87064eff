"""What must hold of members that are done before the last step, and of those that have no score yet.

Nobody goes on with the former. Nobody replaces either of them, and nobody copies the latter.
"""

from collections.abc import Iterable, Iterator, Sequence

from pbt_contract.records import Birth, Cause, Ending, Report
from pbt_operator.core.round_record import Round


def born_though_done(birth: Birth, records: Sequence[Report]) -> Iterator[str]:
    """Faults of a birth after a life with these records.

    A round that didn't know of it may send the member elsewhere; so may a crash of a process that had left its loop.
    """
    ends = next((one for one in records if one.ends and one.step <= birth.previous_step), None)
    if ends is None or birth.cause is Cause.REMOVED:
        return
    failed = {Cause.CRASH, Cause.REPLACE, Cause.FAILED} if ends.ending is Ending.LEFT else set()
    if birth.cause not in {Cause.EXPLOIT, Cause.ROLLBACK} | failed:
        yield f"is born though {ends.key} says that the member is done"


def replaced_though_done(decided: Round, records: Iterable[Sequence[Report]]) -> Iterator[str]:
    """Faults of a round: who said with its very report that it is done, or that it has no score yet, isn't replaced."""
    ready = {one.member: one for found in records for one in found if one.round == decided.number}
    for decision in decided.decisions:
        if decision.member in ready and ready[decision.member].ends:
            yield f"replaces member {decision.member}, which was done"
        source = decision.source
        for member in {decision.member} | ({source.member} if source is not None else set()):
            report = ready.get(member)
            is_of_round = member == decision.member or (report is not None and report.source == source)
            if report is not None and [] in report.metrics.values() and is_of_round:
                yield f"compares member {member}, which has no score yet"
