"""Which accelerators a pod of the template holds, as far as the template tells."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pbt_operator.core.spec import CLAIMS
from pbt_operator.core.wire import as_json_number
from pbt_operator.manifest.template import Open, containers_of

SUFFIXES = ("/gpu", "/gpu.shared")
"""Of whichever vendor: nvidia.com/gpu, amd.com/gpu, and NVIDIA's for time slices."""

SLICES = "nvidia.com/mig-"

OTHERS = frozenset(
    {
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
        "google.com/tpu",
        "habana.ai/gaudi",
        "aws.amazon.com/neuron",
        "aws.amazon.com/neuroncore",
        "aws.amazon.com/neurondevice",
    }
)
"""By name: the same domains have resources that are no devices, such as gpu.intel.com/millicores."""


def devices_of(template: Open) -> Mapping[str, int]:
    """How many devices a pod holds, by resource; claims of dynamic resource allocation under `CLAIMS`.

    What is counted are the limits of containers and of sidecars (init containers that are always restarted). A slice of
    a GPU is a device. Of the pod's claims those count that a template makes for this pod alone: how many devices one
    has is known to the scheduler only.
    """
    found: Counter[str] = Counter()
    for container in [*(containers_of(template) or ()), *_sidecars(template)]:
        for name, count in _limits(container).items():
            text = str(as_json_number(count))
            if is_accelerator(str(name)) and text.isdigit():
                found[str(name)] += int(text)
    found[CLAIMS] = sum(
        1 for claim in _listed(template, "resourceClaims") if claim.get("resourceClaimTemplateName")
    )
    return {name: count for name, count in sorted(found.items()) if count}


def is_accelerator(resource: str) -> bool:
    """Whether one of this resource is a device that trains, or a slice of one."""
    return resource.endswith(SUFFIXES) or resource.startswith(SLICES) or resource in OTHERS


def _sidecars(template: Open) -> Iterator[Open]:
    return (one for one in _listed(template, "initContainers") if one.get("restartPolicy") == "Always")


def _listed(template: Open, field: str) -> list[Open]:
    """The mappings in a list of the pod's spec; what else stands there is the API server's to refuse."""
    pod = template.get("spec")
    listed = pod.get(field) if isinstance(pod, Mapping) else None
    return [item for item in listed if isinstance(item, Mapping)] if isinstance(listed, list) else []


def _limits(container: Open) -> Mapping[Any, Any]:
    resources = container.get("resources")
    limits = resources.get("limits") if isinstance(resources, Mapping) else None
    return limits if isinstance(limits, Mapping) else {}
