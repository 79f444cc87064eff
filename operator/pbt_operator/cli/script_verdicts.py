"""What a checked script is told: a line for each question, and what to do about what is wrong."""

from collections.abc import Iterator

from pbt_contract.check import Findings
from pbt_contract.records import Report
from pbt_operator.cli.amounts import brief_text, size_text
from pbt_operator.cli.check_lines import LISTED, Checked, Level, Line, crash, late, listed, score
from pbt_operator.cli.newborn_verdicts import ALL_BACK, newborn_lines
from pbt_operator.cli.script_crashes import is_ours, words_of
from pbt_operator.control.decide import show
from pbt_operator.runners.local.trials import Ended


def judged(checked: Checked) -> list[Line]:
    """All lines, in the order of a trainer's life."""
    first, found = checked.first, checked.first.findings
    if found is None:
        return [_unjoined(first)]
    lines = [_joined(checked, found), *_tracked(found, first), *_built(found)]
    if not found.done or first.report is None:
        return [*lines, _stopped(first, found)]
    lines += _reported(found, checked.asked.metric)
    lines += [_checkpoint(first.report), *_restored(found)]
    if checked.second is not None:
        lines += newborn_lines(checked, checked.second)
    return [*lines, *_read(found), *_noted(checked), _time(found, first.report)]


def _unjoined(first: Ended) -> Line:
    if first.late:
        return late(first, "join", "pbt_trainer.join() was not reached")
    if first.exit_code == 0:
        told = "the script ended without pbt_trainer.join(): alone it trains, but it is no member"
        remedy = "join as docs/trainer.md begins; the SDK can be checked in Python only"
        return Line(Level.ERROR, "join", told, remedy, first.output)
    return crash(first, "join" if is_ours(words_of(first)) else "start")


def _joined(checked: Checked, found: Findings) -> Line:
    values = ", ".join(f"{name} {show(value)}" for name, value in found.hyperparameters.items())
    known = checked.asked.hyperparameters
    defaults = [name for name in found.hyperparameters if name not in known]
    own = f"; the script's defaults: {listed(defaults)}" if defaults and known else ""
    early = f" (here at step {found.due})" if found.due < min(found.interval_steps, found.total_steps) else ""
    every = f"{found.total_steps} steps, a report every {found.interval_steps}{early}"
    return Line(Level.OK, "join", f"{every}; {values or 'no hyperparameters'}{own}")


def _tracked(found: Findings, first: Ended) -> Iterator[Line]:
    if found.tracked is not None:
        named = [f"{name} ({kind})" for name, kind in found.tracked.items()]
        yield Line(Level.OK, "track", listed(named))
    elif first.report is not None and not first.report.files:
        told = "nothing is tracked: whoever copies this member would begin with weights of its own"
        yield Line(Level.ERROR, "track", told, "run.track(model=model, optimizer=optimizer) before the loop")


def _built(found: Findings) -> Iterator[Line]:
    for told in found.build:
        yield Line(Level.ERROR, "build", f"where the build function is called again: {told}")
    if not found.build and any("build" in swap.readers for swap in found.swaps):
        yield Line(Level.OK, "build", "called twice, the build function makes the same objects")


def _stopped(first: Ended, found: Findings) -> Line:
    """It has joined, and not come to the end of what is checked."""
    stage = "train" if "loop" in found.random else "track"
    if first.late:
        return late(first, stage, f"no report within the time that was given: step {found.step} was reached")
    if first.exit_code == 0:
        told = f"the script ended at step {found.step}, before its first report, which is due at step {found.due}"
        remedy = "let the loop be `for step in run.steps()`, and report where run.due is true"
        return Line(Level.ERROR, "report", told, remedy, first.output)
    return crash(first, stage)


def _reported(found: Findings, metric: str | None) -> Iterator[Line]:
    names = [metric] if metric else list(found.metrics)[:LISTED]
    others = len(found.metrics) - len(names)
    values = ", ".join(f"{name} {score(found.metrics[name])}" for name in names if name in found.metrics)
    more = f" and {others} more" if others > 0 else ""
    bad = [name for name in names if found.metrics.get(name) in ("NaN", "Infinity", "-Infinity")]
    if metric and bad:
        told = f"{values}: a score that is no finite number ranks last"
        yield Line(
            Level.WARNING, "report", told, "look at the loss of the first steps; the member may have diverged"
        )
    elif metric and found.metrics.get(metric) == []:
        told = f"{metric} is an empty list: with too few episodes so far there is no score in this round"
        yield Line(Level.WARNING, "report", told, "a larger intervalSteps, where that is so in every round")
    else:
        said = "" if metric else "; a manifest's objective.metric is one of these"
        yield Line(Level.OK, "report", f"{values}{more}{said}")


def _checkpoint(report: Report) -> Line:
    if not report.files:
        return Line(Level.WARNING, "checkpoint", "is empty")
    files = sorted(report.files, key=lambda file: -file.size)
    named = [f"{file.name} {size_text(file.size)}" for file in files]
    return Line(Level.OK, "checkpoint", f"{size_text(sum(file.size for file in files))}: {listed(named)}")


def _restored(found: Findings) -> Iterator[Line]:
    if found.restored:
        told = f"what came back in place differs from what was saved: {listed(found.restored)}"
        yield Line(Level.ERROR, "restore", told, ALL_BACK)
    elif found.restored is not None:
        yield Line(Level.OK, "restore", "in the running process, bit for bit")


def _read(found: Findings) -> Iterator[Line]:
    if found.unread:
        told = f"nothing has read {listed(found.unread)} from run.hp: its values change nothing"
        yield Line(Level.WARNING, "unread", told, "read it by run.hp[...], or leave it out of the manifest")


def _noted(checked: Checked) -> Iterator[Line]:
    processes = [checked.first, *([checked.second] if checked.second else [])]
    notes = [note for each in processes if each.findings for note in each.findings.notes]
    for note in dict.fromkeys(notes):
        yield Line(Level.WARNING, "note", note)


def _time(found: Findings, report: Report) -> Line:
    parts = []
    if isinstance(report.starting, float):
        parts.append(f"a start {brief_text(report.starting)}")
    if found.step_seconds is not None:
        evaluation = found.report_seconds or 0.0
        interval = min(found.interval_steps, found.total_steps) * found.step_seconds + evaluation
        parts += [
            f"a step {brief_text(found.step_seconds)}",
            f"evaluation and report {brief_text(evaluation)}",
        ]
        parts.append(f"so an interval of {found.interval_steps} steps about {brief_text(interval)}")
    return Line(Level.OK, "time", ", ".join(parts) or "unknown")
