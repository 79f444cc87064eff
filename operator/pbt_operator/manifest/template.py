"""Reads the pod template: which container trains, and what a run on one machine needs of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pbt_operator.core.wire import Path, as_json_number
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import ManifestError, Problem

TRAINER = "trainer"
GPU = "nvidia.com/gpu"
GRACE = "terminationGracePeriodSeconds"
POD: Path = ("spec", "template", "spec")

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


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
    template: Mapping[str, Any], *, env: Mapping[str, str] | None = None, source: str = "the manifest"
) -> TrainerContainer:
    """The container `trainer`, or the only one, of a PodTemplateSpec.

    Init containers, volumes and the image are not looked at.

    Args:
        template: `spec.template`, untouched.
        env: variables that the run sets; the template's can refer to them.
        source: what the message calls the manifest.

    Raises:
        ManifestError: there is none, or it can't be started without Kubernetes.
    """
    reading = _LocalReading()
    found = reading.trainer(template, env or {})
    if found is None or reading.problems:
        raise ManifestError(source, reading.problems)
    return found


def grace_seconds(template: Mapping[str, Any]) -> int:
    """What the template leaves between SIGTERM and SIGKILL; Kubernetes' default where it says nothing."""
    reading = Reading()
    return reading.grace_seconds(reading.pod(template))


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces `$(NAME)` as Kubernetes does: unknown names stay as they are, and `$$` is a dollar sign."""
    return _REFERENCE.sub(lambda m: "$" if m[1] is None else variables.get(m[1], m[0]), text)


class Reading:
    """Reads a template of any shape, and collects what is wrong, so that one message can say it all."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def pod(self, template: Mapping[str, Any]) -> Mapping[str, Any]:
        """The pod's own spec."""
        return self.mapping(template.get("spec"), POD)

    def containers(self, pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The containers, sidecars included."""
        return self.items(pod.get("containers"), (*POD, "containers"))

    def grace_seconds(self, pod: Mapping[str, Any]) -> int:
        """See `grace_seconds`."""
        return self.count(pod.get(GRACE), (*POD, GRACE), default=30)

    def pick(self, containers: list[Mapping[str, Any]]) -> int | None:
        """Which container trains; None, and a problem, if that can't be told."""
        names = [container.get("name") for container in containers]
        if TRAINER in names:
            return names.index(TRAINER)
        if len(containers) == 1:
            return 0
        if not self.problems:
            found = f"has {', '.join(map(shown, names))}" if names else "has no container"
            self.refuse((*POD, "containers"), f"{found}; the one that trains should be called '{TRAINER}'")
        return None

    def mapping(self, value: Any, path: Path) -> Mapping[str, Any]:
        """A mapping; empty, and a problem, if it is something else."""
        if value is not None and not isinstance(value, Mapping):
            self.refuse(path, f"is {shown(value)}; should be a mapping")
        return value if isinstance(value, Mapping) else {}

    def items(self, value: Any, path: Path) -> list[Mapping[str, Any]]:
        """A list of mappings; what is none is a problem."""
        return [self.mapping(item, (*path, index)) for index, item in enumerate(self._list(value, path))]

    def texts(self, value: Any, path: Path) -> list[str]:
        """A list of texts; what is none is a problem."""
        return [self.text(item, (*path, index)) for index, item in enumerate(self._list(value, path))]

    def _list(self, value: Any, path: Path) -> list[Any]:
        if value is not None and not isinstance(value, list):
            self.refuse(path, f"is {shown(value)}; should be a list")
        return value if isinstance(value, list) else []

    def text(self, value: Any, path: Path) -> str:
        """A text; empty, and a problem, if it is something else."""
        if isinstance(value, str) and "\0" not in value:
            return value
        if value is not None:
            hint = ", in quotes" if isinstance(value, bool | int | float) else ""
            self.refuse(path, f"is {shown(value)}; should be a text{hint}")
        return ""

    def count(self, value: Any, path: Path, *, default: int) -> int:
        """A whole number, which a quantity may write as a text."""
        if value is None:
            return default
        text = str(as_json_number(value))
        if text.isascii() and text.isdigit() and len(text) <= 9:
            return int(text)
        self.refuse(path, f"is {shown(value)}; should be a whole number")
        return default

    def refuse(self, path: Path, text: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(path, text))


class _LocalReading(Reading):
    """Finds what can be started without Kubernetes."""

    def trainer(self, template: Mapping[str, Any], given: Mapping[str, str]) -> TrainerContainer | None:
        pod = self.pod(template)
        containers = self.containers(pod)
        index = self.pick(containers)
        if index is None:
            return None
        path, container = (*POD, "containers", index), containers[index]
        variables = self._env(container, path, given)
        known = {**given, **variables}
        command = self.texts(container.get("command"), (*path, "command"))
        if not command:
            self.refuse(
                (*path, "command"),
                "is missing; should be given, for no image is there to tell it",
            )
        arguments = self.texts(container.get("args"), (*path, "args"))
        limits = self.mapping(container.get("resources"), (*path, "resources")).get("limits")
        limits_path = (*path, "resources", "limits")
        return TrainerContainer(
            command=tuple(expand(word, known) for word in [*command, *arguments]),
            env=variables,
            working_dir=self.text(container.get("workingDir"), (*path, "workingDir")) or None,
            gpus=self.count(self.mapping(limits, limits_path).get(GPU), (*limits_path, GPU), default=0),
            grace_seconds=self.grace_seconds(pod),
        )

    def _env(self, container: Mapping[str, Any], path: Path, given: Mapping[str, str]) -> dict[str, str]:
        for index, item in enumerate(self.items(container.get("envFrom"), (*path, "envFrom"))):
            self._check_optional(item, (*path, "envFrom", index))
        env: dict[str, str] = {}
        for index, item in enumerate(self.items(container.get("env"), (*path, "env"))):
            here = (*path, "env", index)
            name = self.text(item.get("name"), (*here, "name"))
            if not name or "=" in name:
                self.refuse(
                    (*here, "name"), f"is {shown(item.get('name'))}; should be the name of a variable"
                )
            elif item.get("valueFrom") is None:
                env[name] = expand(self.text(item.get("value"), (*here, "value")), {**given, **env})
            else:
                self._check_optional(self.mapping(item["valueFrom"], here), (*here, "valueFrom"))
        return env

    def _check_optional(self, source: Mapping[str, Any], path: Path) -> None:
        """An optional reference is left out: so does Kubernetes where there is nothing to refer to."""
        if not any(isinstance(ref, Mapping) and ref.get("optional") is True for ref in source.values()):
            told = "can't be resolved on one machine; should be a literal value, or have optional: true"
            self.refuse(path, told)
