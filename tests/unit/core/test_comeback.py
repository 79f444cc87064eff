"""How members come back where a population that failed is continued."""

from dataclasses import replace

from fixtures.manifests import DETERMINISTIC, spec
from pbt_contract.records import Birth, Cause, Report
from pbt_operator.core import births, scaling
from pbt_operator.core.births import Counters
from pbt_operator.core.comeback import retried
from pbt_operator.core.end_record import End
from pbt_operator.core.history import History
from pbt_operator.core.quorum import attend, decide
from pbt_operator.manifest.population import to_core

SPEC = to_core(spec({**DETERMINISTIC, "members": 3}))
INTERVAL = SPEC.schedule.interval_steps


def history() -> History:
    found = History()
    for birth in scaling.first_births(found, SPEC):
        found.add_birth(birth)
    return found


def report(known: History, member: int, step: int) -> None:
    birth = known.newest_birth(member)
    assert birth is not None
    known.add_record(
        Report(
            member=member,
            incarnation=birth.incarnation,
            step=step,
            round=step // INTERVAL,
            metrics={"score": float(member)},
            hyperparameters=birth.hyperparameters,
            checkpoint=f"checkpoints/{member:05}-{birth.incarnation:06}/{step:012}-x/",
            files=[],
            seconds=1.0,
        )
    )


def fail(known: History, member: int) -> Birth:
    newest = known.newest_birth(member)
    assert newest is not None
    closed = births.closed(
        newest,
        cause=Cause.FAILED,
        position=known.position(member),
        counters=Counters(7, 3),
        decided=known.decided,
        reason="a test",
    )
    known.add_birth(closed)
    return closed


def test_from_a_donor_of_the_newest_round_with_its_values_unchanged():
    known = history()
    for member in range(3):
        report(known, member, INTERVAL)
    known.add_round(decide(known, SPEC, attend(known, SPEC, 1, living={0, 1, 2}), spec_number=1))
    closed = fail(known, 0)
    again = retried(known, SPEC, 0, incarnation=closed.incarnation)
    assert again is not None
    assert again.source is not None
    assert (again.cause, again.source.member, Counters.of(again)) == (Cause.SCALE, 2, Counters())
    assert again.hyperparameters == known.newest_birth(2).hyperparameters


def test_else_from_its_own_newest_record():
    known = history()
    report(known, 0, INTERVAL)
    closed = fail(known, 0)
    again = retried(known, SPEC, 0, incarnation=closed.incarnation)
    assert again is not None
    assert again.source is not None
    assert (again.start_step, again.source.member, again.seed_round) == (INTERVAL, 0, 0)


def test_else_as_the_population_began():
    known = history()
    first = known.newest_birth(0)
    closed = fail(known, 0)
    again = retried(known, SPEC, 0, incarnation=closed.incarnation)
    assert again is not None
    assert (again.start_step, again.source, again.seed_round) == (0, None, 0)
    assert again.hyperparameters == first.hyperparameters
    assert again.incarnation == closed.incarnation + 1


def test_once_and_only_who_had_failed_unless_nobody_has_reported():
    known = history()
    closed = fail(known, 0)
    known.add_birth(retried(known, SPEC, 0, incarnation=closed.incarnation))
    assert retried(known, SPEC, 0, incarnation=closed.incarnation) is None
    crashed = births.resumed(known.newest_birth(1), None, crash=Counters(1, 0), decided=0, reason="a test")
    known.add_birth(crashed)
    assert retried(known, SPEC, 1, incarnation=crashed.incarnation) is not None
    assert retried(known, SPEC, 2, incarnation=1) is None, "it may train"
    known.ends.add(End(member=2, incarnation=1, pod="p", exit_code=83))
    assert retried(known, SPEC, 2, incarnation=1) is not None, "what follows from its end was never written"
    known.has_reported = True
    assert retried(known, SPEC, 1, incarnation=crashed.incarnation) is None
    assert retried(known, replace(SPEC, members=1), 1, incarnation=crashed.incarnation) is None
