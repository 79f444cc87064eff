"""A population as Python writes it: the manifest's own model, and a function in the place of its template."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

import yaml

from pbt_operator.api import function_file
from pbt_operator.api.given import Train, command_of, hyperparameters_of, manifest_of, template_of
from pbt_operator.api.result import Result
from pbt_operator.api.spaces import Space
from pbt_operator.api.training import train as train_here
from pbt_operator.manifest.load import load, load_text
from pbt_operator.manifest.population import Population as Manifest
from pbt_operator.manifest.population_spec import PopulationSpec
from pbt_operator.manifest.reader import scalar
from pbt_operator.runners.local.local_runner import home_of

RUNS = "pbt-runs"
NO_FILE_HOLDS_IT = (
    "train is a function, which no manifest holds and no cluster runs; give the path of a script instead"
)


class Population:
    """Members that are trained together, compared in rounds, and copied from each other: a manifest in Python.

        population = pbt.Population(
            "digits", "train.py", hyperparameters={"lr": pbt.LogUniform(1e-4, 1)}, metric="val_accuracy",
            members=8, total_steps=4000, interval_steps=200,
        )
        population.to_yaml("digits.yaml")

    Two are equal if their manifests and functions are.

    Args:
        name: of at most 40 characters of a-z, 0-9 and '-'.
        train: a function of `run`, the path of a script, or a command as a list of texts; in the current folder.
        hyperparameters: what is searched, by name.
        metric: what members are compared by, a name that `run.report` is given.
        members: how many train together.
        total_steps: each member trains to this step. A step is whatever the function or script counts.
        interval_steps: steps between two rounds, at which members report and losers are replaced.
        goal: whether more or less of the metric is better.
        namespace: of a cluster.
        image: for a cluster, with the script and pbt_trainer.
        gpus: NVIDIA GPUs of each member. Here they are shared out, and on a cluster asked for.
        template: the pod template as a manifest has it, in the place of `train`, `image` and `gpus`.
        spec: any other field of the manifest, in snake case, those of `schedule` and `objective` beside the others:
            `parallelism=4`, `seed=1`, `quorum_percent=100`, `restart="InPlace"`, `explore={"reach_percent": 30}`.
            docs/manifest.md lists them, with their units and defaults.

    Attributes:
        function: `train` where it is one, else None.
    """

    def __init__(
        self,
        name: str,
        train: Train | None = None,
        *,
        hyperparameters: Mapping[str, Space],
        metric: str,
        members: int,
        total_steps: int,
        interval_steps: int,
        goal: Literal["Maximize", "Minimize"] = "Maximize",
        namespace: str | None = None,
        image: str | None = None,
        gpus: int = 0,
        template: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        """Checks everything that a manifest can be checked for.

        Raises:
            ManifestError: a field is wrong or unknown; it names all that are.
            TypeError: `train` or a distribution is none, or a template is given beside `train`.
        """
        self.function: Callable[[Any], object] | None = None
        if (train is None) == (template is None):
            raise TypeError("give train, or a template in its place")
        if callable(train):
            self.function = train
            template = template_of(["python", "-m", "pbt_trainer.function"], image=image, gpus=gpus)
        elif train is not None:
            template = template_of(command_of(train), image=image, gpus=gpus)
        fields = {
            "members": members,
            "metric": metric,
            "goal": goal,
            "total_steps": total_steps,
            "interval_steps": interval_steps,
            "hyperparameters": hyperparameters_of(hyperparameters),
            **spec,
            "template": template,
        }
        self._manifest = manifest_of(name, namespace, fields, source="pbt.Population(...)")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The Population of a YAML file.

        Raises:
            ManifestError: the file can't be read, has not exactly one Population, or that is wrong somewhere.
        """
        return cls._of(load(Path(path)))

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """The Population of a YAML document.

        Raises:
            ManifestError: as `load`.
        """
        return cls._of(load_text(text, source="the YAML"))

    @classmethod
    def _of(cls, manifest: Manifest, function: Callable[[Any], object] | None = None) -> Self:
        made = cls.__new__(cls)
        made.__dict__.update(_manifest=manifest, function=function)
        return made

    @property
    def name(self) -> str:
        """Its name."""
        return self._manifest.metadata.name

    @property
    def spec(self) -> PopulationSpec:
        """What the manifest says, defaults included: `population.spec.schedule.total_steps`."""
        return self._manifest.spec

    def to_yaml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The manifest, as `pbt run` and `kubectl apply` take it.

        Args:
            path: of a file to write it to as well.

        Raises:
            FunctionRefused: `train` is a function.
        """
        text = yaml.dump(self._wire(), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return text

    def fit(self, *, store: str | os.PathLike[str] = RUNS, progress: bool = True) -> Result:
        """Trains it on this machine to its end, or continues what an earlier call has begun there; see `pbt.fit`."""
        base = os.fspath(store)
        manifest, function = self._manifest_at(home_of(base, self.name)), self._packed()
        called = getattr(self.function, "__name__", "train")
        return train_here(manifest, function, called=called, base=base, progress=progress)

    def apply(
        self, *, namespace: str | None = None, context: str | None = None, kubeconfig: str | None = None
    ) -> None:
        """Creates it on a cluster, or makes it what this says, as `kubectl apply --server-side` does.

        Args:
            namespace: instead of the manifest's, or of the current one.
            context: the cluster, by its context in the kubeconfig.
            kubeconfig: instead of $KUBECONFIG or ~/.kube/config.

        Raises:
            FunctionRefused: `train` is a function: a cluster has neither this Python nor this session.
            PbtError: the cluster can't be reached or refuses it; the message names the remedy.
        """
        from pbt_operator.cli.cluster import ClusterOptions, connect

        wire = self._wire()
        wanted = namespace or self._manifest.metadata.namespace
        cluster = connect(ClusterOptions(wanted, context, kubeconfig))
        wire["metadata"]["namespace"] = cluster.namespace
        cluster.apply_population(wire)

    def _manifest_at(self, home: Path) -> Manifest:
        """The manifest of a run in that folder, whose members run the function from there if there is one."""
        if self.function is None:
            return self._manifest
        container = self.spec.template["spec"]["containers"][0]
        command = function_file.command(home / function_file.NAME)
        template = {"spec": {"containers": [{**container, "command": command}]}}
        spec = self.spec.model_copy(update={"template": template})
        return self._manifest.model_copy(update={"spec": spec})

    def _packed(self) -> bytes | None:
        """The file that the members load the function from; None without one.

        Raises:
            FunctionRefused: it takes along what can't be written.
        """
        if self.function is None:
            return None
        drawn = {h.name: h.distribution.sample(Random(0)) for h in self.spec.hyperparameters}
        schedule = self.spec.schedule
        return function_file.packed(
            self.function,
            hyperparameters=drawn,
            total_steps=schedule.total_steps,
            interval_steps=schedule.interval_steps,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Population):
            return NotImplemented
        return (self._manifest, self.function) == (other._manifest, other.function)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        schedule = self.spec.schedule
        steps = f"{self.spec.members} members to step {schedule.total_steps}, a round every {schedule.interval_steps}"
        return f"<Population {self.name}: {steps}>"

    def _wire(self) -> dict[str, Any]:
        if self.function is not None:
            raise function_file.FunctionRefused(NO_FILE_HOLDS_IT)
        return self._manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)


class _Dumper(yaml.SafeDumper):
    """Quotes what kubectl would read as something else than a text: `1e5`, `yes`, `null`."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = bool(text) and scalar(text) == text and text != "<<"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _text)
