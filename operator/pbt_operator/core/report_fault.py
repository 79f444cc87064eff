"""What is believed of a report: a trainer is trusted with its metrics, not with what it was told."""

from pbt_contract.records import Birth, Report


def report_fault(report: Report, birth: Birth | None, *, interval_steps: int) -> str | None:
    """Where a report contradicts its birth; None if it doesn't."""
    if birth is None:
        return "there is no such birth"
    if report.hyperparameters != birth.hyperparameters:
        return "its hyperparameters are not those of its birth"
    if report.step <= birth.start_step:
        return f"step {report.step} is not past its start, {birth.start_step}"
    if report.round is not None and report.round != -(-report.step // interval_steps):
        return f"step {report.step} is not of round {report.round}"
    return None
