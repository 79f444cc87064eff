"""What a population has recorded, for Python: read once, and again when asked to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Literal, Self

from pbt_contract.errors import NotFound
from pbt_contract.records import Value
from pbt_operator.api.tabular import framed
from pbt_operator.cli.cluster import ClusterOptions
from pbt_operator.cli.output import READERS, Mistake, opened_population, standing
from pbt_operator.cli.place import OnCluster, find, located
from pbt_operator.cli.show_lineage import LineageSegment, lineage_view
from pbt_operator.core.status import Best as BestStatus
from pbt_operator.core.status import Status
from pbt_operator.page import page
from pbt_operator.page.found_schedule import Span, found_schedule
from pbt_operator.page.incarnations import Incarnations
from pbt_operator.page.words import score_text
from pbt_operator.records.archive import Archive, read_archive
from pbt_operator.records.rows import TABLES, table_of
from pbt_trainer.checkpoint import Checkpoint

FRAME_HEIGHT = 720  # pixels of the page in a notebook


def load(
    place: str | os.PathLike[str],
    *,
    namespace: str | None = None,
    context: str | None = None,
    kubeconfig: str | None = None,
) -> "Result":
    """Reads what a population has recorded, wherever it runs or ran, and whether or not it has ended.

    Args:
        place: what the commands take: the name of a run on this machine or of a Population on a cluster, a folder, or
            s3://BUCKET/PREFIX, whose endpoint and credentials come from the usual AWS_* variables and files.
        namespace: of a Population on a cluster.
        context: the cluster, by its context in the kubeconfig.
        kubeconfig: instead of $KUBECONFIG or ~/.kube/config.

    Raises:
        PbtError: there is nothing of that name, or it can't be read; the message names the remedy.
    """
    found = find(os.fspath(place), ClusterOptions(namespace, context, kubeconfig))
    return Result.at(found)


@dataclass(frozen=True)
class Best:
    """A scored checkpoint of a population.

    Attributes:
        member: the number of the member that wrote it.
        incarnation: of the member, from 1.
        step: that it was written at.
        score: the metric's value there, of several evaluations the mean.
        hyperparameters: that it was trained with last.
    """

    member: int
    incarnation: int
    step: int
    score: float
    hyperparameters: Mapping[str, Value]
    _location: str
    _which: Literal["best", "final"]

    def checkpoint(self) -> Checkpoint:
        """The checkpoint of that name, from which `state("model")` gives what the script tracked as `model`.

        It is looked up when it is first asked: of a population that still trains it may be a newer one than this.

        Raises:
            PbtError: when it is asked, see `pbt_trainer.Checkpoint`.
        """
        return Checkpoint(self._location, self._which)


class Result:
    """What a population had recorded when it was read; `refresh` reads again.

    Attributes:
        location: the folder or URL that it was read from.
    """

    def __init__(self, place: str | OnCluster, location: str, archive: Archive) -> None:
        """Takes what was read; see `pbt.load`."""
        self.location = location
        self._place, self._archive = place, archive

    @classmethod
    def at(cls, place: str | OnCluster) -> Self:
        """Reads a place.

        Raises:
            PbtError: there is no population, or the store can't be read.
        """
        with located(place) as location, opened_population(location) as store:
            archive = read_archive(store, readers=READERS)
        if isinstance(place, str):  # the same place later, whatever the current folder is by then
            place = location = place if "://" in place else str(Path(place).absolute())
        return cls(place, location, archive)

    def refresh(self) -> Self:
        """Reads again, and returns itself.

        Raises:
            PbtError: the store can't be read.
        """
        self.__dict__.update(vars(self.at(self._place)))
        return self

    @property
    def name(self) -> str:
        """The population's name."""
        return self._archive.record.name

    @property
    def status(self) -> Status:
        """Phase, members, rounds, steps and seconds, in the words of `pbt status -o json` in snake case."""
        return self._archive.status()

    @property
    def refused(self) -> Mapping[str, str]:
        """The keys of malformed records, which are left out everywhere, each with what is wrong."""
        return self._archive.refused

    @property
    def best(self) -> Best | None:
        """The best ever; None as long as no member has reported a finite score."""
        return self._best(self._archive.best, "best")

    @property
    def final(self) -> Best | None:
        """The best of the members' newest scores; None where none is finite."""
        return self._best(self._archive.final, "final")

    def reports(self) -> Any:
        """All reports with all metrics: `table("reports")`."""
        return self.table("reports")

    def table(self, name: Literal["reports", "saves", "births", "ends", "rounds"]) -> Any:
        """The records of a kind, a row each, with the columns that docs/commands.md lists for `pbt export`.

        Returns:
            A `pandas.DataFrame` where pandas is loaded or installed, else a `polars.DataFrame` likewise, else a list
            of dicts.

        Raises:
            ValueError: there is no such table.
        """
        if name not in TABLES:
            raise ValueError(f"there is no table {name!r}; there are {', '.join(TABLES)}")
        return framed(table_of(self._archive, name))

    def lineage(self, member: int | None = None) -> list[LineageSegment]:
        """The lives behind the winner, or behind a member's newest record, the first ancestor first.

        Args:
            member: its number; the winner's where None.

        Raises:
            NotFound: there is no such member, or no winner yet.
        """
        try:
            return lineage_view(self._archive, Incarnations(self._archive), member=member).segments
        except Mistake as mistake:
            raise NotFound(str(mistake)) from mistake

    def schedule(self) -> list[Span]:
        """The hyperparameter schedule that was found: values from `first_step` to `last_step`, both included.

        It is empty as long as no member has reported a finite score.
        """
        found = found_schedule(self._archive)
        return [] if found is None else found.schedule

    def page(self, to: str | os.PathLike[str] | None = None) -> str:
        """The page of `pbt report`, as HTML that needs neither a server nor a network.

        Args:
            to: a file to write it to as well.
        """
        document = page(self._archive)
        if to is not None:
            Path(to).write_text(document, encoding="utf-8")
        return document

    def _best(self, found: Any, which: Literal["best", "final"]) -> Best | None:
        best = BestStatus.of(found)
        if best is None:
            return None
        return Best(
            best.member, best.incarnation, best.step, best.score, best.hyperparameters, self.location, which
        )

    def _repr_html_(self) -> str:
        """The page, in a frame of its own whose scripts reach nothing of the notebook."""
        return (
            f'<iframe sandbox="allow-scripts" style="width: 100%; height: {FRAME_HEIGHT}px; border: 0" '
            f'srcdoc="{escape(self.page(), quote=True)}"></iframe>'
        )

    def __repr__(self) -> str:
        best = self.best
        told = standing(self.status)
        if best is not None:
            metric = self._archive.spec.objective.metric
            told += f", best {metric} {score_text(best.score)} by member {best.member} at step {best.step}"
        return f"<{self.name}: {told}>"
