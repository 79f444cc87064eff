"""The literal values of `env` in a pod template: they may be secrets, so that no record holds them."""

from collections.abc import Iterator, Mapping
from typing import Any

SECTIONS = ("initContainers", "containers", "ephemeralContainers")


def without_env_values(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as JSON, without the literal values of its template's `env`; names and `valueFrom` stay.

    What isn't written as Kubernetes writes containers and variables is left out with all that it holds.
    """
    template = spec.get("template")
    pod = template.get("spec") if isinstance(template, Mapping) else None
    if not isinstance(template, Mapping) or not isinstance(pod, Mapping):
        return dict(spec)
    kept = {
        section: [_without(container) for container in _mappings(pod[section])]
        for section in SECTIONS
        if pod.get(section) is not None
    }
    return {**spec, "template": {**template, "spec": {**pod, **kept}}}


def with_env_values(template: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """A recorded template with the variables that another one gives.

    Args:
        template: as it was recorded, perhaps by a version that recorded the values.
        given: the template at hand, of any form. Containers are found by their name.

    Returns:
        None where a variable has no value in either: a pod made of that would run with another environment.
    """
    known = {
        (section, container.get("name"), variable.get("name")): variable
        for section, container in _containers(given)
        for variable in _mappings(container.get("env"))
    }
    filled: dict[str, list[dict[str, Any]]] = {}
    for section, container in _containers(template):
        env = []
        for variable in _mappings(container.get("env")):
            whole = variable
            if "value" not in variable and "valueFrom" not in variable:
                place = (section, container.get("name"), variable.get("name"))
                if place not in known:
                    return None
                whole = known[place]
            env.append(dict(whole))
        filled.setdefault(section, []).append({**container, **({"env": env} if env else {})})
    return {**template, "spec": {**(template.get("spec") or {}), **filled}}


def _without(container: Mapping[str, Any]) -> dict[str, Any]:
    if container.get("env") is None:
        return dict(container)
    env = [{k: v for k, v in variable.items() if k != "value"} for variable in _mappings(container["env"])]
    return {**container, "env": env}


def _containers(template: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each container with the section that it stands in."""
    pod = template.get("spec") if isinstance(template, Mapping) else None
    listed = pod if isinstance(pod, Mapping) else {}
    for section in SECTIONS:
        for container in _mappings(listed.get(section)):
            yield section, container


def _mappings(listed: Any) -> list[Mapping[str, Any]]:
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
