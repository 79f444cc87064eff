"""Makes a member's pod of the template: what the operator owns is added, everything else passes through untouched."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from pbt_contract.assignment import TERMINATION_LOG, Assignment, hyperparameter_variables, variable_of
from pbt_contract.records import Value
from pbt_operator.core.wire import broken
from pbt_operator.core.wording import shown
from pbt_operator.manifest.errors import Problem
from pbt_operator.manifest.template import (
    Part,
    PodSpec,
    PodTemplate,
    Text,
    Variable,
    read_trainer,
    trainer_index,
)
from pbt_operator.runners.kubernetes.config import StoreConfig

MANAGER = "pbt-operator"
MANAGED_BY = "app.kubernetes.io/managed-by"
POPULATION, POPULATION_UID = "pbt.dev/population", "pbt.dev/population-uid"
MEMBER, INCARNATION = "pbt.dev/member", "pbt.dev/incarnation"
STORE_CA = "pbt.dev/store-ca"
# A member that has to go saves and resumes elsewhere. Without this, the cluster autoscaler keeps each node with a pod
# whose owner is of a kind that it doesn't know: seven idle GPUs for one that trains.
SAFE_TO_EVICT = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "true"}
POD_GROUP, POD_GROUP_SIZE = "kueue.x-k8s.io/pod-group-name", "kueue.x-k8s.io/pod-group-total-count"
HYPERPARAMETERS = "pbt.dev/hyperparameters"
MAX_ANNOTATION = 63  # characters of an annotation's name
READDRESSED = "pbt.dev/readdressed"

CREDENTIALS_FOLDER, CA_FOLDER, CA_FILE = "/etc/pbt/credentials", "/etc/pbt/ca", "ca.crt"
CREDENTIALS_VOLUME, CA_VOLUME = "pbt-credentials", "pbt-ca"

_ADJUSTABLE = {"PBT_POLL_SECONDS", "PBT_STORE_PATIENCE_SECONDS"}
_REFERRED = {
    "PBT_POD": "metadata.uid",
    "PBT_MEMBER": f"metadata.labels['{MEMBER}']",
    "PBT_INCARNATION": f"metadata.labels['{INCARNATION}']",
    "PBT_HYPERPARAMETERS": f"metadata.annotations['{HYPERPARAMETERS}']",
}
_ADDRESS = {
    "AWS_ENDPOINT_URL_S3",
    "AWS_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_CA_BUNDLE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The Population that a pod belongs to."""

    name: str
    namespace: str
    uid: str


def _given(text: Any) -> Any:
    if text in (None, ""):
        raise broken(((), "is missing; should be given"))
    return text


def _not_ours(name: str) -> str:
    """Refuses the operator's own variables: of two of one name a container gets the later one."""
    if name in _ADDRESS or (name.startswith("PBT_") and name not in _ADJUSTABLE):
        raise broken(((), f"is {shown(name)}, which the operator sets; leave it out"))
    return name


def _no_group(_: Any) -> Any:
    """Refuses a group of pods: Kueue waits for all of it, and members' pods come and go one by one."""
    told = (
        "makes one pod group of all members, which Kueue admits only as a whole, while their pods come and go one by "
        "one: the population would hang; leave it out: with the label kueue.x-k8s.io/queue-name alone each pod is "
        "admitted by itself"
    )
    raise broken(((), told))


Given = Annotated[Text, BeforeValidator(_given)]
NoGroup = Annotated[Any, BeforeValidator(_no_group)]


class _Container(Part):
    name: Given = Field(default=None, validate_default=True)
    image: Given = Field(default=None, validate_default=True)


class _Variable(Variable):
    name: Annotated[Text, AfterValidator(_not_ours)] = ""
    value: Any = None


class _Trainer(_Container):
    env: tuple[_Variable, ...] = ()
    volume_mounts: tuple[Part, ...] = ()


class _PodSpec(PodSpec):
    containers: tuple[_Container, ...] = ()
    volumes: tuple[Part, ...] = ()


class _Labels(Part):
    pod_group: NoGroup = Field(default=None, alias=POD_GROUP)


class _Annotations(Part):
    pod_group_size: NoGroup = Field(default=None, alias=POD_GROUP_SIZE)


class _Metadata(Part):
    labels: _Labels = _Labels()
    annotations: _Annotations = _Annotations()


class _PodTemplate(PodTemplate):
    metadata: _Metadata = _Metadata()
    spec: _PodSpec = _PodSpec()


def problems_of(template: Mapping[str, Any]) -> list[Problem]:
    """What the operator can't make a pod of; what else may be wrong, the API server tells by a dry run."""
    return read_trainer(template, _Trainer, whole=_PodTemplate)[1]


def render(
    owner: Owner,
    template: Mapping[str, Any],
    *,
    assignment: Assignment,
    store: StoreConfig,
    credentials_secret: str | None,
    ca_bundle: str | None,
) -> dict[str, Any]:
    """The resource of a pod that trains a member.

    Args:
        owner: goes with it: the pod is deleted when the Population is.
        template: a PodTemplateSpec in which `problems_of` finds none.
        assignment: whose pod it is, and what its trainer is told; the pod adds its own uid.
        store: how the trainer reaches its location.
        credentials_secret: the Secret to mount; the pod's service account has access where None.
        ca_bundle: PEM of the store's certificate authority; the image's own where None.
    """
    pod = deepcopy(dict(template["spec"]))
    index = trainer_index(pod["containers"])
    assert index is not None
    trainer = pod["containers"][index]
    told = _literal(TERMINATION_LOG, trainer.get("terminationMessagePath") or "/dev/termination-log")
    variables = [*_place(assignment), *_access(store, credentials_secret, ca_bundle), told]
    # First, so that the template's own variables can refer to them.
    trainer["env"] = [*variables, *(trainer.get("env") or ())]
    for container in (trainer, *_initial(pod)):  # by which their last lines are known
        if container.get("terminationMessagePolicy") is None:
            container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    pod["restartPolicy"] = "Never"
    if credentials_secret is not None:
        secret = {"secret": {"secretName": credentials_secret}}
        _mount(pod, trainer, name=CREDENTIALS_VOLUME, volume=secret, folder=CREDENTIALS_FOLDER)
    if ca_bundle is not None:
        annotation = {"fieldPath": f"metadata.annotations['{STORE_CA}']"}
        projected = {"downwardAPI": {"items": [{"path": CA_FILE, "fieldRef": annotation}]}}
        _mount(pod, trainer, name=CA_VOLUME, volume=projected, folder=CA_FOLDER)
    metadata = _metadata(owner, template.get("metadata") or {}, assignment=assignment, ca_bundle=ca_bundle)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}


def _initial(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The init containers; none where the template has something else there, which the API server will refuse."""
    found = pod.get("initContainers")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def labels_of(member: int, incarnation: int) -> dict[str, str]:
    """The labels that say which life a pod lives."""
    return {MEMBER: str(member), INCARNATION: str(incarnation)}


def annotations_of(hyperparameters: Mapping[str, Value]) -> dict[str, str]:
    """The annotations that tell a trainer in any language its hyperparameters: all in one, and one for each."""
    single = {_annotation_of(name): text for name, text in hyperparameter_variables(hyperparameters).items()}
    return {HYPERPARAMETERS: json.dumps(dict(hyperparameters)), **single}


def _annotation_of(name: str) -> str:
    """Where a pod keeps one hyperparameter; a name that an annotation can't have stands there as its checksum."""
    plain = len(name) <= MAX_ANNOTATION and name[0].isalnum() and name[-1].isalnum()
    return f"hp.pbt.dev/{name if plain else 'sha256-' + sha256(name.encode()).hexdigest()[:40]}"


def _metadata(
    owner: Owner, template: Mapping[str, Any], *, assignment: Assignment, ca_bundle: str | None
) -> dict[str, Any]:
    """Labels, annotations and finalizers of the template, as a Job takes them, and what the operator finds pods by."""
    ours = {
        MANAGED_BY: MANAGER,
        POPULATION: owner.name,
        POPULATION_UID: owner.uid,
        **labels_of(assignment.member, assignment.incarnation),
    }
    annotations = annotations_of(assignment.hyperparameters)
    if ca_bundle is not None:
        annotations[STORE_CA] = ca_bundle
    metadata = {
        "name": f"{owner.name}-{assignment.member}-{assignment.incarnation}",
        "namespace": owner.namespace,
        "labels": {"app.kubernetes.io/name": "pbt", **(template.get("labels") or {}), **ours},
        "annotations": {**SAFE_TO_EVICT, **(template.get("annotations") or {}), **annotations},
        "ownerReferences": [
            {
                "apiVersion": "pbt.dev/v1alpha1",
                "kind": "Population",
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                # A foreground deletion of the Population ends when no trainer runs any more.
                "blockOwnerDeletion": True,
            }
        ],
    }
    finalizers = template.get("finalizers")
    return {**metadata, **({"finalizers": deepcopy(finalizers)} if finalizers else {})}


def _place(assignment: Assignment) -> list[dict[str, Any]]:
    """What the trainer is told of its place: whose pod it is, as its metadata say when it starts."""
    single = hyperparameter_variables(assignment.hyperparameters)
    referred = {
        **_REFERRED,
        **{variable_of(name): f"metadata.annotations['{_annotation_of(name)}']" for name in single},
    }
    literal = [
        _literal(name, text) for name, text in assignment.to_environment().items() if name not in referred
    ]
    return [
        *({"name": n, "valueFrom": {"fieldRef": {"fieldPath": p}}} for n, p in referred.items()),
        *literal,
    ]


def _access(
    store: StoreConfig, credentials_secret: str | None, ca_bundle: str | None
) -> list[dict[str, Any]]:
    """How the trainer reaches the store."""
    variables = {
        "AWS_ENDPOINT_URL_S3": store.endpoint,
        "AWS_REGION": store.region,
        "PBT_S3_ADDRESSING": store.addressing,
        "AWS_REQUEST_CHECKSUM_CALCULATION": store.checksum_setting,
        "AWS_RESPONSE_CHECKSUM_VALIDATION": store.checksum_setting,
        "PBT_S3_CREDENTIALS": CREDENTIALS_FOLDER if credentials_secret is not None else None,
        "AWS_CA_BUNDLE": f"{CA_FOLDER}/{CA_FILE}" if ca_bundle is not None else None,
    }
    return [_literal(name, text) for name, text in variables.items() if text is not None]


def _literal(name: str, text: str) -> dict[str, Any]:
    """A variable with exactly this text: a pod's values have references such as `$(NAME)` replaced."""
    return {"name": name, "value": text.replace("$", "$$")}


def _mount(
    pod: dict[str, Any], trainer: dict[str, Any], *, name: str, volume: Mapping[str, Any], folder: str
) -> None:
    pod["volumes"] = [*(pod.get("volumes") or ()), {"name": name, **volume}]
    mount = {"name": name, "mountPath": folder, "readOnly": True}
    trainer["volumeMounts"] = [*(trainer.get("volumeMounts") or ()), mount]
