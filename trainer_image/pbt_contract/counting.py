"""Which records count: what is believed of a report, and what later births leave of it."""

from collections.abc import Mapping, Sequence

from pbt_contract.records import Birth, Report


def report_fault(
    report: Report, birth: Birth | None, *, interval_steps: int, last_step: int | None = None
) -> str | None:
    """Where a report contradicts its birth; None if it doesn't.

    A trainer is trusted with its metrics, not with what it was told.

    Args:
        report: as it was read.
        birth: of its life; None where there is none.
        interval_steps: between rounds.
        last_step: the last one that any accepted spec has asked for; None where nobody knows.
    """
    if birth is None:
        return "there is no such birth"
    if report.hyperparameters != birth.hyperparameters:
        return "its hyperparameters are not those of its birth"
    if report.step <= birth.start_step:
        return f"step {report.step} is not past its start, {birth.start_step}"
    if last_step is not None and report.step > last_step:
        return f"step {report.step} is past the last one, {last_step}"
    if report.round is not None and report.round != -(-report.step // interval_steps):
        return f"step {report.step} is not of round {report.round}"
    return None


def counts(record: Report, births: Mapping[int, Birth], *, newest: int) -> bool:
    """Whether a record is part of the member's story: no later birth closed its incarnation before its step.

    Args:
        record: a report or save.
        births: of its member, by incarnation.
        newest: the incarnation that is in force.
    """
    for incarnation in range(record.incarnation + 1, newest + 1):
        birth = births.get(incarnation)
        if birth is None or record.step > birth.previous_step:
            return False
        if not birth.cause.resumes:
            break
    return True


def line(births: Mapping[int, Birth], *, newest: int) -> Sequence[Birth]:
    """The newest birth that was a decision, with the resumes since; the newest first.

    Args:
        births: of one member, by incarnation.
        newest: the incarnation that is in force.
    """
    found = []
    for incarnation in range(newest, 0, -1):
        birth = births.get(incarnation)
        if birth is None:
            break
        found.append(birth)
        if not birth.cause.resumes:
            break
    return found
