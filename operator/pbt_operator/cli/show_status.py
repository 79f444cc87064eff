"""`pbt status`: where a population stands."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from pbt_contract.errors import PbtError
from pbt_operator.cli import program
from pbt_operator.cli.cluster import ClusterOptions
from pbt_operator.cli.output import (
    READERS,
    complain,
    opened_population,
    read_population,
    say,
    say_json,
    say_table,
    standing,
)
from pbt_operator.cli.place import OnCluster, find, located
from pbt_operator.cli.population_resource import PopulationResource
from pbt_operator.core.status import MAX_MEMBERS, Best, MemberState, Status
from pbt_operator.core.time_words import forecast_text, spent_text
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.learned_words import diversity_of, diversity_text, newest_values_text, warning_text
from pbt_operator.page.words import (
    counted,
    due_text,
    life_text,
    member_score_text,
    parts_text,
    score_text,
    strategy_text,
    takeovers_text,
    value_text,
    values_text,
)
from pbt_operator.records.archive import Archive
from pbt_operator.records.newest_reports import Reached, newest_reports


def show_status(target: str, options: ClusterOptions, *, from_store: bool, as_json: bool) -> None:
    """Prints the status: the custom resource's, or for a location the one that its records tell.

    Args:
        target: as it was typed.
        options: the cluster.
        from_store: by the records in any case: all members, but nothing of their pods.
        as_json: for programs.
    """
    place = find(target, options)
    if isinstance(place, OnCluster) and not from_store:
        if as_json:
            say_json(_resource_with_metrics(place))
        else:
            _show_resource(place.population)
        return
    with located(place) as location:
        _show_story(location, as_json=as_json)


def _show_story(location: str, *, as_json: bool) -> None:
    archive = read_population(location)
    status = archive.status()
    if as_json:
        say_json(_with_metrics(status, archive))
        return
    names = [h.name for h in archive.spec.hyperparameters]
    say(f"{archive.record.name}: {standing(status)}")
    say()
    spec = archive.spec
    _body(status, metric=spec.objective.metric, names=names, interval_steps=spec.schedule.interval_steps)
    _learned(archive)


def _learned(archive: Archive) -> None:
    """What only all records tell: how many starts are left, and where the newest values come from."""
    found = diversity_of(archive, Incarnations(archive))
    if told := diversity_text(found):
        say(told)
    if warning := warning_text(archive, found):
        say(f"warning: {warning}")
    if told := newest_values_text(archive):
        say(told)


def _with_metrics(status: Status, archive: Archive) -> dict[str, Any]:
    """The status, with all that each member has reported last; members that have reported nothing lack it."""
    told: dict[str, Any] = msgspec.to_builtins(status)
    for member in told["members"]:
        reports = archive.history.line_reports(member["member"])
        if reports:
            member["metrics"] = reports[-1].metrics
    return told


def _resource_with_metrics(place: OnCluster) -> dict[str, Any]:
    """What the custom resource says, with the metrics from the store if it can be read from here."""
    population = place.population
    told = population.as_json()
    reached = [Reached(member["member"], member["incarnation"], member["step"]) for member in told["members"]]
    if not population.location or not reached:
        return told
    interval_steps = population.spec["schedule"]["intervalSteps"]
    try:
        with located(place) as location, opened_population(location) as store:
            found = newest_reports(store, reached, interval_steps=interval_steps, readers=READERS)
    except PbtError as error:
        complain(f"no metrics: {error}")
        return told
    for member in told["members"]:
        if member["member"] in found:
            member["metrics"] = found[member["member"]].metrics
    return told


def _show_resource(population: PopulationResource) -> None:
    status, wanted = population.status(), population.spec["members"]
    say(f"{population.name}: {standing(status)}")
    for trouble in population.troubles():
        say(f"{trouble['type']} is {trouble['status']} ({trouble['reason']}: {trouble.get('message', '')})")
    if population.is_behind:
        say("the operator has not seen the newest spec yet")
    say()
    interval = population.spec["schedule"]["intervalSteps"]
    _body(status, metric=population.metric, names=population.hyperparameters, interval_steps=interval)
    if len(status.members) == MAX_MEMBERS < wanted:
        whole = f"`{program()} status {population.name} --from-store` shows all"
        say(f"{len(status.members)} of {wanted} members, the troubled and the best; {whole}")
    if population.request_cost is not None:
        requests, dollars = population.request_cost
        say(
            f"store requests: {requests:g} for a report, about ${dollars:g} for a member and day at S3's list prices"
        )
    if population.location:
        say(f"records: {population.location}")


def _body(status: Status, *, metric: str, names: Sequence[str], interval_steps: int) -> None:
    say(f"best   {_best(status.best, metric, names)}")
    say(f"final  {_best(status.final, metric, names)}")
    if rules := strategy_text(status):
        say(f"rules  {rules}")
    say()
    _members(status, metric, names)
    for member in status.members:
        if member.state is MemberState.FAILED:
            say(f"member {member.member} failed: {member.reason}")
    say()
    steps = status.steps
    amounts = (status.rounds, "round"), (status.exploits, "exploit"), (status.births, "birth")
    say(", ".join(counted(*amount) for amount in amounts))
    if not isinstance(status.takeovers, UnsetType):
        say(takeovers_text(status.takeovers))
    if status.due is not UNSET:
        say(due_text(status.due, interval_steps=interval_steps))
    for line in parts_text(status, interval_steps=interval_steps):
        say(line)
    say(f"steps: {steps.productive:,} productive, {steps.discarded:,} discarded, {steps.left:,} remaining")
    if not isinstance(status.seconds, UnsetType):
        say(f"process time: {spent_text(status.seconds)}")
    if not isinstance(status.forecast, UnsetType):
        say(f"left: {forecast_text(status.forecast)}")


def _best(best: Best | None, metric: str, names: Sequence[str]) -> str:
    if best is None:
        return "-"
    who = f"{life_text(best.member, best.incarnation)} at step {best.step:,}"
    values = {name: best.hyperparameters.get(name, "-") for name in names}
    return f"{metric} {score_text(best.score)} by member {who}; {values_text(values)}"


def _members(status: Status, metric: str, names: Sequence[str]) -> None:
    rows = [
        [
            str(member.member),
            str(member.incarnation),
            member.state.value,
            f"{member.step:,}",
            member_score_text(member),
            *(value_text(member.hyperparameters.get(name, "-")) for name in names),
            life_text(member.parent.member, member.parent.incarnation) if member.parent else "-",
            *([] if isinstance(member.sub_population, UnsetType) else [str(member.sub_population)]),
        ]
        for member in status.members
    ]
    fixed = ["member", "incarnation", "state", "step", metric]
    right = {"member", "incarnation", "step", metric, *names}
    parted = [] if isinstance(status.sub_populations, UnsetType) else ["sub-population"]
    say_table([*fixed, *names, "parent", *parted], rows, right={*right, *parted})
