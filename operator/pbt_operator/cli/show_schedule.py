"""`pbt schedule`: the winner's hyperparameter schedule."""

import msgspec

from pbt_operator.cli.output import Mistake, read_population, say, say_json, say_table
from pbt_operator.page.found_schedule import FoundSchedule, as_yaml, found_schedule
from pbt_operator.page.words import life_text, score_text, value_text


def show_schedule(location: str, *, form: str) -> None:
    """Prints the schedule behind the best checkpoint.

    Args:
        location: of the population.
        form: `table`, `yaml` or `json`.

    Raises:
        Mistake: nobody has a finite score.
    """
    archive = read_population(location)
    found = found_schedule(archive)
    if found is None:
        raise Mistake(
            f"no member has reported a finite {archive.spec.objective.metric} yet: there is no schedule"
        )
    if form == "json":
        say_json(found)
    elif form == "yaml":
        print(as_yaml(msgspec.to_builtins(found)), end="")
    else:
        _table(found, [h.name for h in archive.spec.hyperparameters])


def _table(found: FoundSchedule, names: list[str]) -> None:
    who = f"member {life_text(found.member, found.incarnation)} at step {found.step:,}"
    say(f"{found.population}: {who}, {found.metric} {score_text(found.score)}")
    say()
    rows = [
        [
            f"{span.first_step:,}",
            f"{span.last_step:,}",
            *(value_text(span.hyperparameters.get(name, "-")) for name in names),
        ]
        for span in found.schedule
    ]
    columns = ["first step", "last step", *names]
    say_table(columns, rows, right=columns)
