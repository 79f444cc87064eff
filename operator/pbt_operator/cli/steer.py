"""`pbt suspend`, `pbt resume` and `pbt finish`: one field of a Population's spec, and what follows from it."""

from dataclasses import dataclass

from pbt_operator.cli import program
from pbt_operator.cli.cluster import ClusterOptions
from pbt_operator.cli.output import say
from pbt_operator.cli.place import OnCluster, find_on_cluster
from pbt_operator.core.status import PopulationPhase


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a user may want of a Population that trains.

    Attributes:
        field: of the spec.
        value: that it gets.
        follows: what will happen, told behind the name.
        locally: what to do instead with a run on this machine.
    """

    field: str
    value: bool
    follows: str
    locally: str


SUSPEND = Change(
    field="suspend",
    value=True,
    follows="suspends: its trainers save, its pods go, and nothing is decided until `{program} resume {name}`",
    locally="stop its `pbt run` by Ctrl-C",
)
RESUME = Change(
    field="suspend",
    value=False,
    follows="goes on: its members get pods again and go on from their newest records",
    locally="`pbt run` with its manifest goes on",
)
FINISH = Change(
    field="finish",
    value=True,
    follows="finishes: its pods go, and it ends Complete with the best so far: `{program} fetch {name}`",
    locally="stop its `pbt run` by Ctrl-C, and get the best by `pbt fetch {place}`",
)


def steer(name: str, change: Change, options: ClusterOptions) -> None:
    """Makes the change, unless it was made before, and tells what follows and how to watch it.

    Raises:
        Mistake: there is no such Population.
        ClusterRefused: the cluster can't be reached or doesn't let us.
    """
    place = find_on_cluster(name, options, locally=change.locally)
    population = place.population
    if population.phase in {PopulationPhase.COMPLETE, PopulationPhase.FAILED}:
        say(f"{name} has ended, it is {population.phase}: nothing changes")
        return
    if population.spec.get(change.field, False) is change.value:
        say(f"{name}: spec.{change.field} is {str(change.value).lower()} already; it is {population.phase}")
    else:
        place.cluster.patch_population(name, {change.field: change.value})
        say(f"{name} {change.follows.format(program=program(), name=name)}")
    say(f"watch it with: {_watch(place, options)}")


def _watch(place: OnCluster, options: ClusterOptions) -> str:
    context = f" --context {options.context}" if options.context else ""
    kubeconfig = f" --kubeconfig {options.kubeconfig}" if options.kubeconfig else ""
    return f"kubectl get population {place.population.name} -n {place.cluster.namespace}{context}{kubeconfig} --watch"
