"""What the name or location in a command stands for: a location to read, or a Population of a cluster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pbt_contract import keys
from pbt_contract.errors import StoreUnavailable
from pbt_operator.cli import RUNS, is_plugin, program
from pbt_operator.cli.cluster import Cluster, ClusterOptions, NoCluster, connect
from pbt_operator.cli.output import Mistake, NoPopulation
from pbt_operator.cli.population_resource import PopulationResource
from pbt_operator.manifest.population_spec import LABEL_PATTERN


@dataclass(frozen=True)
class OnCluster:
    """A Population, as its cluster has it now."""

    cluster: Cluster
    population: PopulationResource


def find(target: str, options: ClusterOptions) -> str | OnCluster:
    """What the user means: a location, or a Population.

    A plain name is that of a run on this machine, else of a Population in the current namespace. Options that
    choose a cluster, and `kubectl pbt`, leave only the latter.

    Raises:
        Mistake: there is nothing of that name.
        ClusterRefused: see there.
    """
    plain = re.fullmatch(LABEL_PATTERN, target) is not None
    if options.given or is_plugin():
        if not plain:
            reader = "kubectl pbt looks" if is_plugin() else "-n, --context and --kubeconfig look"
            raise Mistake(f"{target} is not the name of a Population: {reader} on a cluster only")
        return _on_cluster(target, options)
    if not plain:
        return target
    for folder in (Path(target), Path(RUNS) / target):
        if (folder / keys.SPECS).is_dir():
            return str(folder)
    try:
        return _on_cluster(target, options)
    except NoCluster as error:
        if Path(target).is_dir():
            return target
        raise Mistake(f"there is no run {target} or {RUNS}/{target} here; {error}") from error
    except NoPopulation as error:
        raise NoPopulation(f"there is no run {target} or {RUNS}/{target} here; {error}") from error


def find_on_cluster(target: str, options: ClusterOptions, *, locally: str) -> OnCluster:
    """The Population of that name.

    Args:
        target: as it was typed.
        options: of the command.
        locally: what to do instead with a run on this machine, whose folder stands for `{place}` in it.

    Raises:
        Mistake: there is none.
        ClusterRefused: see there.
    """
    place = find(target, options)
    if isinstance(place, OnCluster):
        return place
    raise Mistake(
        f"{place} is not on a cluster: {locally.format(place=place)}; "
        "-n NAMESPACE chooses a Population of this name on the cluster"
    )


@contextmanager
def located(place: str | OnCluster) -> Iterator[str]:
    """The location of a place; what goes wrong with the store of a cluster names the remedy.

    Raises:
        Mistake: the Population has none yet.
    """
    if not isinstance(place, OnCluster):
        yield place
        return
    population = place.population
    if not population.location:
        raise Mistake(
            f"{population.name} has no location yet; `{program()} status {population.name}` says why"
        )
    try:
        yield population.location
    except (StoreUnavailable, NoPopulation) as error:
        raise type(error)(
            f"{error}; the cluster keeps {population.name} there: let AWS_ENDPOINT_URL_S3 be the address of that "
            "store as this machine reaches it, and AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "name credentials that may read it"
        ) from error


def _on_cluster(name: str, options: ClusterOptions) -> OnCluster:
    cluster = connect(options)
    return OnCluster(cluster, PopulationResource(cluster.population(name)))
