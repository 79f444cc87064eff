"""What of a template is an accelerator: devices and slices of all vendors, and claims as far as they are known."""

from typing import Any

import pytest

from pbt_operator.core.spec import CLAIMS, Spec
from pbt_operator.manifest.accelerators import devices_of


def container(**limits: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"limits": {k.replace("__", "/"): v for k, v in limits.items()}}}


def limited(limits: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": [{"resources": {"limits": limits}}]}}


@pytest.mark.parametrize(
    "resource",
    [
        "nvidia.com/gpu",
        "nvidia.com/gpu.shared",
        "nvidia.com/mig-1g.10gb",
        "nvidia.com/mig-3g.40gb.shared",
        "amd.com/gpu",
        "gpu.intel.com/i915",
        "gpu.intel.com/xe",
        "google.com/tpu",
        "aws.amazon.com/neuron",
        "habana.ai/gaudi",
    ],
)
def test_a_device_is_counted_whoever_made_it(resource):
    assert devices_of(limited({resource: "2", "cpu": 4, "memory": "1Gi"})) == {resource: 2}


@pytest.mark.parametrize(
    "resource",
    ["cpu", "gpu.intel.com/millicores", "gpu.intel.com/memory.max", "nvidia.com/gpumem", "rdma/hca"],
)
def test_what_is_no_device_is_not_counted(resource):
    assert devices_of(limited({resource: 7})) == {}


def test_containers_and_sidecars_hold_devices_and_init_containers_that_end_hold_none():
    gpu = {"resources": {"limits": {"nvidia.com/gpu": 1, "nvidia.com/mig-1g.10gb": 2}}}
    pod = {"containers": [gpu, gpu, {}], "initContainers": [{**gpu, "restartPolicy": "Always"}, gpu]}
    assert devices_of({"spec": pod}) == {"nvidia.com/gpu": 3, "nvidia.com/mig-1g.10gb": 6}


def test_a_claim_counts_where_a_template_makes_one_for_each_pod():
    claims = [
        {"name": "own", "resourceClaimTemplateName": "gpus"},
        {"name": "shared", "resourceClaimName": "all"},
        {"name": "second", "resourceClaimTemplateName": "nics"},
    ]
    found = devices_of({"spec": {"containers": [{}], "resourceClaims": claims}})
    assert found == {CLAIMS: 2}
    assert Spec.gpus.fget(_Of(found)) == 0  # type: ignore[attr-defined]


class _Of:
    """A spec that has devices alone."""

    def __init__(self, devices: Any) -> None:
        self.devices = devices


@pytest.mark.parametrize("broken", [{}, {"spec": 1}, {"spec": {"containers": 1, "resourceClaims": 2}}])
def test_what_the_api_server_refuses_counts_as_nothing(broken):
    assert devices_of(broken) == {}
    assert devices_of(limited({"nvidia.com/gpu": "half"})) == {}
    assert devices_of({"spec": {"containers": [{"resources": {"limits": 1}}, {"resources": 1}]}}) == {}
