"""The pod template: what pbt reads of it, on a cluster and on one machine. Everything else passes through untouched."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)

from pbt_operator.core.wire import OPEN, Path, Wire, as_json_number, broken
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import ManifestError, Problem
from pbt_operator.manifest.explain import problems_in
from pbt_operator.manifest.json_schema import schema_of

TRAINER = "trainer"
GPU = "nvidia.com/gpu"
TEMPLATE: Path = ("spec", "template")
CONTAINERS: Path = (*TEMPLATE, "spec", "containers")

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_KINDS = {"string": "a text", "array": "a list", "object": "a mapping"}

_METADATA = (
    "Labels and annotations of the pods, such as a queue's name. The operator adds labels of its own; the pods' names "
    'are always NAME-MEMBER-INCARNATION. It also adds `cluster-autoscaler.kubernetes.io/safe-to-evict: "true"`, unless '
    "that annotation is given."
)
_SPEC = (
    "A PodSpec; `kubectl explain pod.spec` lists its fields. The container that trains needs an image with the "
    "training script and the package pbt_trainer, and usually `resources.limits`, such as nvidia.com/gpu: 1. Volumes, "
    "service account, tolerations, priority and sidecars are kept as they are. `terminationGracePeriodSeconds` should "
    "be enough to save a checkpoint."
)

Template = Annotated[
    Mapping[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            OPEN: True,
            "properties": {
                "metadata": {"type": "object", OPEN: True, "description": _METADATA},
                "spec": {"type": "object", OPEN: True, "description": _SPEC},
            },
        }
    ),
]
"""A PodTemplateSpec. Its full schema is as large as all the rest together: the operator has it tried by a dry run."""


def _count(value: Any) -> int:
    """A whole number, which a quantity may write as a text."""
    text = str(as_json_number(value))
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise broken(((), f"is {shown(value)}; should be a whole number"))


Open = Mapping[str, Any]
Count = Annotated[int, PlainValidator(_count), WithJsonSchema({"type": "integer"})]
Text = Annotated[
    str,
    Field(strict=True, pattern=r"^[^\x00]*$"),
    BeforeValidator(lambda value: "" if value is None else value),
]


class Part(Wire):
    """A mapping in the template. Each runner models the fields that it reads; any others may be there."""

    model_config = ConfigDict(extra="allow")


class Variable(Part):
    """One of `env`."""

    name: Text = ""
    value: Text = ""


class PodSpec(Part):
    """The pod's own spec."""

    containers: tuple[Part, ...] = ()
    termination_grace_period_seconds: Count = 30


class PodTemplate(Part):
    """A PodTemplateSpec."""

    spec: PodSpec = PodSpec()


T = TypeVar("T", bound=Part)


def read_trainer(
    template: Open, trainer: type[T], *, whole: type[PodTemplate] = PodTemplate
) -> tuple[T | None, list[Problem]]:
    """The container that trains, or all that is wrong with the template.

    Args:
        template: `spec.template`, untouched.
        trainer: what the runner asks of that container.
        whole: what it asks of the rest.
    """
    problems = _problems(whole, template, TEMPLATE)
    containers = containers_of(template)
    index = trainer_index(containers or ())
    if containers is not None and index is None:
        names = ", ".join(shown(container.get("name")) for container in containers)
        told = f"has {names}" if names else "has no container"
        problems.append(Problem(CONTAINERS, f"{told}; the one that trains should be called '{TRAINER}'"))
    if containers is None or index is None:
        return None, problems
    problems += _problems(trainer, containers[index], (*CONTAINERS, index))
    if problems:
        return None, list({problem.path: problem for problem in problems}.values())
    return trainer.model_validate(containers[index]), []


def trainer_index(containers: Sequence[Open]) -> int | None:
    """Which container trains: the one called `trainer`, or the only one."""
    names = [container.get("name") for container in containers]
    if TRAINER in names:
        return names.index(TRAINER)
    return 0 if len(containers) == 1 else None


def with_trainer(template: Open, change: Callable[[Open], Open]) -> dict[str, Any]:
    """The template with another container in the place of the one that trains, if there is one."""
    containers = list(containers_of(template) or ())
    index = trainer_index(containers)
    if index is not None:
        containers[index] = change(containers[index])
    return {**template, "spec": {**(template.get("spec") or {}), "containers": containers}}


def grace_seconds(template: Open) -> int:
    """What the template leaves between SIGTERM and SIGKILL; Kubernetes' default where it says nothing."""
    return PodTemplate.model_validate(template).spec.termination_grace_period_seconds


def containers_of(template: Open) -> list[Open] | None:
    """The containers as they are written, none where nothing is; None if they are no list of mappings."""
    pod = template.get("spec")
    if pod is None:
        return []
    listed = pod.get("containers") if isinstance(pod, Mapping) else ()
    if listed is None:
        return []
    return listed if isinstance(listed, list) and all(isinstance(item, Mapping) for item in listed) else None


def _problems(model: type[Part], value: Any, place: Path) -> list[Problem]:
    try:
        model.model_validate(value)
    except ValidationError as error:
        found = problems_in(error, schema_of(model), words=lambda node: _KINDS[node["type"]])
        return [Problem((*place, *problem.path), problem.text) for problem in found]
    return []


@dataclass(frozen=True, slots=True)
class TrainerContainer:
    """How the trainer is started.

    Attributes:
        command: the container's command and args, with references such as `$(DATA)` replaced.
        env: what the template sets, in its order.
        working_dir: None where the template leaves it to the image.
        gpus: the limit on NVIDIA GPUs.
        grace_seconds: between SIGTERM and SIGKILL.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str | None = None
    gpus: int = 0
    grace_seconds: int = 30


def trainer_container(
    template: Open, *, env: Mapping[str, str] | None = None, source: str = "the manifest"
) -> TrainerContainer:
    """The container `trainer`, or the only one, of a PodTemplateSpec, as it can be started without Kubernetes.

    Init containers, volumes and the image are not used.

    Args:
        template: `spec.template`, untouched.
        env: variables that the run sets; the template's can refer to them.
        source: what the message calls the manifest.

    Raises:
        ManifestError: there is none, or it can't be started here.
    """
    found, problems = read_trainer(template, _LocalTrainer)
    if found is None:
        raise ManifestError(source, problems)
    known, own = dict(env or {}), {}
    for variable in found.env:
        if variable.value_from is None:
            own[variable.name] = known[variable.name] = expand(variable.value, known)
    return TrainerContainer(
        command=tuple(expand(word, known) for word in (*found.command, *found.args)),
        env=own,
        working_dir=found.working_dir or None,
        gpus=found.resources.limits.gpus,
        grace_seconds=grace_seconds(template),
    )


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` as Kubernetes does: unknown names stay as they are, and `$$` is a dollar sign."""
    return _REFERENCE.sub(lambda m: "$" if m[1] is None else variables.get(m[1], m[0]), text)


def _optional(source: Open) -> Open:
    """An optional reference is left out: so does Kubernetes where there is nothing to refer to."""
    if any(isinstance(ref, Mapping) and ref.get("optional") is True for ref in source.values()):
        return source
    raise broken(((), "can't be resolved on one machine; should be a literal value, or have optional: true"))


def _name_of_variable(name: Any) -> Any:
    if not isinstance(name, str) or not name or "=" in name:
        raise broken(((), f"is {shown(name)}; should be the name of a variable"))
    return name


def _given_here(command: Any) -> Any:
    if command is None or command == []:
        raise broken(((), "is missing; should be given, for no image is there to tell it"))
    if isinstance(command, str) and command.split():
        raise broken(((), f"is {shown(command)}; should be a list of words, [{', '.join(command.split())}]"))
    return command


Reference = Annotated[Open, AfterValidator(_optional)]


class _Variable(Variable):
    name: Annotated[Text, BeforeValidator(_name_of_variable)] = Field(default=None, validate_default=True)
    value_from: Reference | None = None


class _Limits(Part):
    gpus: Count = Field(default=0, alias=GPU)


class _Resources(Part):
    limits: _Limits = _Limits()


class _LocalTrainer(Part):
    command: Annotated[tuple[Text, ...], BeforeValidator(_given_here)] = Field(
        default=None, validate_default=True
    )
    args: tuple[Text, ...] = ()
    env: tuple[_Variable, ...] = ()
    env_from: tuple[Reference, ...] = ()
    working_dir: Text = ""
    resources: _Resources = _Resources()
