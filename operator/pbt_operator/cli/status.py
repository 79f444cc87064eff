"""`pbt status`: where a population stands."""

from pbt_operator.cli.output import read_story, say, say_json, say_table
from pbt_operator.report.words import counted, life_text, score_text, value_text, values_text
from pbt_operator.status import Best, Status
from pbt_operator.story import Story


def show_status(location: str, *, as_json: bool) -> None:
    """Prints the status that the records tell."""
    story = read_story(location)
    status = story.status()
    if as_json:
        say_json(status)
        return
    told = f" ({status.reason}: {status.message})" if status.message else f" ({status.reason})"
    say(f"{story.record.name}: {status.phase}{told}")
    say()
    say(f"best   {_best(status.best, story)}")
    say(f"final  {_best(status.final, story)}")
    say()
    _members(status, story)
    say()
    steps = status.steps
    amounts = (status.rounds, "round"), (status.exploits, "exploit"), (status.births, "birth")
    say(", ".join(counted(*amount) for amount in amounts))
    say(f"steps: {steps.productive:,} productive, {steps.discarded:,} discarded, {steps.waiting:,} waiting")


def _best(best: Best | None, story: Story) -> str:
    if best is None:
        return "-"
    who = f"{life_text(best.member, best.incarnation)} at step {best.step:,}"
    values = {h.name: best.hyperparameters.get(h.name, "-") for h in story.spec.hyperparameters}
    return f"{story.spec.objective.metric} {score_text(best.score)} by member {who}; {values_text(values)}"


def _members(status: Status, story: Story) -> None:
    names = [h.name for h in story.spec.hyperparameters]
    metric = story.spec.objective.metric
    rows = [
        [
            str(member.member),
            str(member.incarnation),
            member.state.value,
            f"{member.step:,}",
            score_text(member.score),
            *(value_text(member.hyperparameters.get(name, "-")) for name in names),
            life_text(member.parent.member, member.parent.incarnation) if member.parent else "-",
        ]
        for member in status.members
    ]
    fixed = ["member", "incarnation", "state", "step", metric]
    right = {"member", "incarnation", "step", metric, *names}
    say_table([*fixed, *names, "parent"], rows, right=right)
