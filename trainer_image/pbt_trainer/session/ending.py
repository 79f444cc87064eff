"""How a member says that it is done: by a record, at its last step or before it."""

from collections.abc import Mapping
from pathlib import Path

from pbt_contract.errors import UsageError
from pbt_contract.records import Ending
from pbt_trainer.log import logger
from pbt_trainer.session.session import Session


def check_given(step: int, *, is_due: bool, reported: bool, metrics: object, files: object) -> None:
    """Makes sure that `finish` is given what its step needs, and no more.

    Raises:
        UsageError: a due step has no metrics, or was reported already and has something.
    """
    if is_due and not reported and metrics is None:
        raise UsageError(f"step {step} is due: run.finish(metrics) reports it")
    if is_due and reported and (metrics is not None or files is not None):
        raise UsageError(f"step {step} was reported already: run.finish() takes nothing more")


def finish(
    member: Session, step: int, *, ready: bool, metrics: Mapping[str, float | list[float]], files: Path | None
) -> bool:
    """Records that the script calls the member done at `step`, with what it has trained since its newest record.

    Args:
        member: past its first step.
        step: that is done.
        ready: it is due and not reported: the record is a report.
        metrics: of the script; with the objective in a report.
        files: a directory to take along.

    Returns:
        Whether everything is stored; False where the grace period after SIGTERM ended before.

    Raises:
        UsageError: the script reports files, and gives none.
        StateError: an object or a file can't be kept.
    """
    if not member.ranks.leads:
        return True
    if ready:
        member.report(step, metrics=metrics, files=files, ending=Ending.FINISHED)
    elif step > member.recorded_step or metrics or files is not None:
        if member.reports_files and files is None:
            raise UsageError("the script reports files: run.finish(files=...) takes them along")
        member.save(step, metrics=metrics, files=files, ending=Ending.FINISHED)
    else:
        member.mark(ending=Ending.FINISHED)
    return member.link.flush()


def leave_loop(member: Session, step: int, *, total_steps: int) -> None:
    """Records at the end of the process that the script has left its loop: the member is done, if no error is why.

    The newest record stands; only a life without one is saved as it is now. A member that never had a record isn't
    done: its process has crashed. Nor is one that was asked to leave, whatever the script has made of it.
    """
    if not member.ranks.leads or step <= member.birth.start_step or member.succeeded:
        return
    if (
        member.link.termination.requested
    ):  # whoever handles it besides has ended the loop before the SDK could
        logger.info("SIGTERM: the script has left its loop; its newest record stands")
        if member.reported_last:
            member.mark()  # else exit code 0 would say that the member is done
        return
    if not member.has_own_record and member.birth.source is None:
        return
    told = f"the script left its loop at step {step} of {total_steps}: the member is done"
    logger.warning("%s (run.finish() says so)", told)
    member.note(f"{told}; run.finish() says so without this note")
    if member.has_own_record:
        member.mark(ending=Ending.LEFT)
    elif not member.reports_files:
        member.save(step, ending=Ending.LEFT)
