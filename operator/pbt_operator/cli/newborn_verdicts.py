"""What a checked script is told of the process that was born of its checkpoint, with other hyperparameters."""

from collections.abc import Iterator

from pbt_contract.check import Findings
from pbt_operator.cli.check_lines import Checked, Level, Line, crash, late, listed, score
from pbt_operator.cli.script_crashes import error_in, words_of
from pbt_operator.control.decide import show
from pbt_operator.runners.local.trials import Ended

ALL_BACK = "load_state_dict() has to bring back all that state_dict() has"


def newborn_lines(checked: Checked, second: Ended) -> Iterator[Line]:
    """Whether it loads and trains on, draws numbers of its own, and comes to a score of its own."""
    first, found = checked.first.findings, second.findings
    assert first is not None, "without it nobody is born"
    if second.late:
        yield late(second, "newborn", "the newborn came to no report within the time that was given")
    elif found is None or not found.done:
        yield from _failed(checked, first, second)
    else:
        yield _born(checked, found)
    if found is not None:
        yield from _seeds(first, found)
        yield from _score(first, found, checked.asked.metric)


def _born(checked: Checked, found: Findings) -> Line:
    if found.loaded:
        told = f"what a newborn loads differs from the donor's checkpoint: {listed(found.loaded)}"
        return Line(Level.ERROR, "newborn", told, ALL_BACK)
    others = listed(list(checked.changed))
    changed = f"with other values of {others}" if others else "with the donor's values"
    same = ", bit for bit," if found.loaded is not None else ""
    return Line(Level.OK, "newborn", f"a fresh process loads the checkpoint{same} and trains on {changed}")


def _failed(checked: Checked, first: Findings, second: Ended) -> Iterator[Line]:
    """Which hyperparameter is why, where it is one."""
    guilty = {
        name: ended for name, ended in checked.alone.items() if not (ended.findings and ended.findings.done)
    }
    level = Level.ERROR if checked.asked.metric else Level.WARNING  # no manifest says that it is explored
    for name, ended in guilty.items():
        before, after = show(first.hyperparameters[name]), show(checked.changed[name])
        told = f"a checkpoint of {name} {before} can't be continued with {name} {after}"
        remedy = f"give {name} `explore: Never` in the manifest: it is then copied with the weights, and never changed"
        words = words_of(ended)
        yield Line(level, "newborn", f"{told}: {error_in(words)}", remedy, words)
    if guilty:
        return
    if second.exit_code == 0:
        told = "the newborn ended before its first report: the script's loop has to be that of run.steps()"
        yield Line(Level.ERROR, "newborn", told, "", second.output)
    else:
        yield crash(second, "newborn")


def _seeds(first: Findings, found: Findings) -> Iterator[Line]:
    """The two processes are different members, which draw different numbers unless the script seeds them alike."""
    alike = {
        name
        for moment, states in first.random.items()
        for name, state in states.items()
        if found.random.get(moment, {}).get(name) == state
    }
    if alike:
        told = f"all members begin with the same random numbers of {listed(sorted(alike))}, for the script seeds them"
        remedy = (
            "leave that out: join() has seeded each member for itself; other generators take run.rng_seed"
        )
        yield Line(Level.WARNING, "seeds", told, remedy)


def _score(first: Findings, found: Findings, metric: str | None) -> Iterator[Line]:
    """Two members with other hyperparameters, one of which has trained for twice as long."""
    values = [each.metrics.get(metric) for each in (first, found)] if metric else []
    if values and values[0] == values[1] and isinstance(values[0], float):
        told = f"{metric} is {score(values[0])} in both reports, though other values have trained for longer"
        yield Line(Level.WARNING, "score", told, "look whether it depends on what is trained at all")
